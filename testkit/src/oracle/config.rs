//! The rings on which sequences are carried out.

use arbitrary::Arbitrary;
use memring::{FenceMode, Kind, Layout, OnDeath, Ring, RingBuilder, RingKind};

use super::message::Payload;

/// Options of a ring.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Config {
    /// Below 64: capacity as a power of two, modulo 7. Else its lower bits are one less than
    /// the capacity. From 128 on messages lie dense.
    pub capacity: u8,
    /// Less by one, modulo 15.
    pub max_deliveries: u8,
    /// Where positions begin.
    pub start: Start,
    /// What would become of a dead receiver's messages. Nobody dies here, so
    /// it must make no difference.
    pub discard: bool,
    /// Fences instead of the ring's own choice, which takes milliseconds at the
    /// end of a ring.
    pub fence: bool,
}

/// Where positions begin.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Start {
    /// At 0.
    Zero,
    /// So far before laps wrap.
    BeforeLaps(u8),
    /// So far before positions wrap.
    BeforePositions(u8),
    /// Anywhere.
    Any(u64),
}

impl Config {
    /// The capacity that is asked for.
    fn asked(&self) -> usize {
        match self.capacity & 0x40 {
            0 => 1 << (self.capacity % 64 % 7),
            _ => 1 + usize::from(self.capacity % 64),
        }
    }

    /// The capacity of a ring of this kind.
    pub fn capacity(&self, kind: RingKind) -> usize {
        match kind {
            RingKind::Spsc => self.asked(),
            _ => self.asked().next_power_of_two(),
        }
    }

    /// How often a message is received before it counts as lost.
    pub fn max_deliveries(&self) -> u8 {
        1 + self.max_deliveries % 15
    }

    /// A builder with these options.
    pub fn builder<P: Payload, K: Kind>(&self) -> RingBuilder<P::Message, K> {
        let laps = (1u64 << 48).wrapping_mul(self.capacity(K::KIND) as u64);
        let start = match self.start {
            Start::Zero => 0,
            Start::BeforeLaps(by) => laps.wrapping_sub(by.into()),
            Start::BeforePositions(by) => 0u64.wrapping_sub(by.into()),
            Start::Any(position) => position,
        };
        let builder = Ring::builder()
            .capacity(self.asked())
            .layout(match self.capacity & 0x80 {
                0 => Layout::Auto,
                _ => Layout::Dense,
            })
            .max_deliveries(self.max_deliveries())
            .message_limit(P::LIMIT.unwrap_or(0))
            .start_position(start);
        let builder = match self.fence {
            true => builder.fence_mode(FenceMode::Fence),
            false => builder,
        };
        match self.discard {
            true => builder.on_receiver_death(OnDeath::Discard),
            false => builder,
        }
    }
}
