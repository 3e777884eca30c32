//! The values of a chart: their unit, and the axis.

/// What the values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Messages a second, shown in millions.
    Millions,
    /// Nanoseconds, shown in units that suit.
    Nanoseconds,
}

/// How they are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Lines, on a scale of powers of ten.
    Lines,
    /// Bars, from zero.
    Bars,
}

impl Unit {
    /// Above the axis.
    pub fn title(self) -> &'static str {
        match self {
            Unit::Millions => "million messages a second",
            Unit::Nanoseconds => "time, shorter is better",
        }
    }

    /// A value of the axis.
    pub fn label(self, value: f64) -> String {
        match (self, value) {
            (Unit::Millions, value) => plain(value / 1e6),
            (_, value) if value >= 1e9 => format!("{} s", plain(value / 1e9)),
            (_, value) if value >= 1e6 => format!("{} ms", plain(value / 1e6)),
            (_, value) if value >= 1e3 => format!("{} us", plain(value / 1e3)),
            (_, value) => format!("{} ns", plain(value)),
        }
    }
}

/// A round number without zeroes behind it.
fn plain(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// From the lowest to the highest of an axis, with the values that it names.
#[derive(Debug)]
pub struct Axis {
    low: f64,
    high: f64,
    pub ticks: Vec<f64>,
    is_log: bool,
}

impl Axis {
    /// That of a chart of these values.
    pub fn of(values: impl Iterator<Item = f64> + Clone, form: Form) -> Axis {
        let good = values.filter(|value| value.is_finite() && *value > 0.0);
        let most = good.clone().fold(0.0, f64::max);
        match form {
            _ if most == 0.0 => Axis::from_zero(1.0),
            Form::Lines => Axis::powers(good.fold(most, f64::min), most),
            Form::Bars => Axis::from_zero(most),
        }
    }

    fn powers(least: f64, most: f64) -> Axis {
        let begin = least.log10().floor() as i32;
        let end = most.log10().ceil() as i32;
        // Few powers leave room for values between them.
        let steps: &[f64] = match end - begin {
            ..=2 => &[1.0, 2.0, 5.0],
            3 => &[1.0, 3.0],
            _ => &[1.0],
        };
        let all =
            (begin..=end).flat_map(|power| steps.iter().map(move |it| it * 10_f64.powi(power)));
        let (mut low, mut high) = (10_f64.powi(begin), 10_f64.powi(end));
        for tick in all.clone() {
            if tick <= least {
                low = tick;
            }
            if tick >= most {
                high = high.min(tick);
            }
        }
        if low >= high {
            high = low * 10.0;
        }
        Axis {
            low,
            high,
            ticks: all.filter(|tick| (low..=high).contains(tick)).collect(),
            is_log: true,
        }
    }

    fn from_zero(most: f64) -> Axis {
        let power = 10_f64.powf((most / 5.0).log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|it| it * power);
        let step = step.into_iter().find(|step| step * 5.0 >= most);
        let step = step.unwrap_or(most / 5.0);
        let count = (most / step).ceil().max(1.0) as u32;
        Axis {
            low: 0.0,
            high: f64::from(count) * step,
            ticks: (0..=count).map(|tick| f64::from(tick) * step).collect(),
            is_log: false,
        }
    }

    /// How far up it is, from 0 to 1.
    pub fn at(&self, value: f64) -> f64 {
        let along = match self.is_log {
            true => (value / self.low).ln() / (self.high / self.low).ln(),
            false => (value - self.low) / (self.high - self.low),
        };
        along.clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_holds_all_values_and_names_some() {
        for (least, most) in [
            (1.0, 1.0),
            (85.0, 1.2e7),
            (3e5, 2.3e8),
            (204.0, 209.0),
            (0.02, 0.5),
        ] {
            for form in [Form::Lines, Form::Bars] {
                let axis = Axis::of([least, most].into_iter(), form);
                assert!(axis.low <= least && most <= axis.high * 1.001, "{axis:?}");
                assert!((2..=10).contains(&axis.ticks.len()), "{axis:?}");
                assert!(axis.at(least) <= axis.at(most));
            }
        }
        assert_eq!(Axis::of([f64::NAN].into_iter(), Form::Bars).high, 1.0);
    }

    #[test]
    fn values_of_an_axis_read_well() {
        assert_eq!(Unit::Millions.label(2e8), "200");
        assert_eq!(Unit::Millions.label(5e5), "0.5");
        assert_eq!(Unit::Nanoseconds.label(200.0), "200 ns");
        assert_eq!(Unit::Nanoseconds.label(1e4), "10 us");
        assert_eq!(Unit::Nanoseconds.label(2e9), "2 s");
    }
}
