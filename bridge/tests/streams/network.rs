//! A network that loses, doubles, delays and reorders, by a seed.

use std::time::Duration;

use memring_testkit::random::Random;

/// Where a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// All sending ends.
    Senders,
    /// All receiving ends.
    Receivers,
    /// The sending end of a source.
    Source(u64),
    /// The receiving end of a target.
    Target(u64),
}

/// How bad it is, in parts of 100.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub lost: u64,
    pub doubled: u64,
    /// The longest delay.
    pub delay: Duration,
}

pub struct Network {
    weather: Weather,
    under_way: Vec<(Duration, To, Vec<u8>)>,
    /// Nothing passes.
    pub cut: bool,
}

impl Network {
    pub fn new(weather: Weather) -> Network {
        Network {
            weather,
            under_way: Vec::new(),
            cut: false,
        }
    }

    pub fn send(&mut self, now: Duration, to: To, packet: Vec<u8>, random: &mut Random) {
        if self.cut || random.below(100) < self.weather.lost {
            return;
        }
        let copies = 1 + u64::from(random.below(100) < self.weather.doubled);
        for _ in 0..copies {
            let most = self.weather.delay.as_micros() as u64 + 1;
            let due = now + Duration::from_micros(random.below(most));
            self.under_way.push((due, to, packet.clone()));
        }
    }

    /// What arrives by now, in the order of arrival.
    pub fn arrivals(&mut self, now: Duration) -> Vec<(To, Vec<u8>)> {
        let mut arrived = Vec::new();
        self.under_way.retain(|(due, to, packet)| {
            let is_due = *due <= now;
            if is_due {
                arrived.push((*due, *to, packet.clone()));
            }
            !is_due
        });
        arrived.sort_by_key(|(due, ..)| *due);
        arrived
            .into_iter()
            .map(|(_, to, packet)| (to, packet))
            .collect()
    }
}
