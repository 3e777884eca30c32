//! The monotonic clock, and absolute deadlines on it.

use std::time::{Duration, Instant};

#[cfg(any(test, not(any(feature = "portable", not(target_os = "linux")))))]
use rustix::time::Timespec;
#[cfg(unix)]
use rustix::time::{ClockId, clock_gettime};

/// A reading of `CLOCK_MONOTONIC`, or of [`Instant`] on Windows: the time since some fixed,
/// unknown start.
///
/// It is the clock of [`Instant`], in a form that the kernel takes as an
/// absolute deadline. It neither jumps with the wall clock nor counts the time
/// in which the machine was suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MonotonicTime(Duration);

impl MonotonicTime {
    /// The present moment.
    pub(crate) fn now() -> Self {
        #[cfg(unix)]
        return Self::read(ClockId::Monotonic);
        #[cfg(windows)]
        Self::since_first()
    }

    /// The present moment as of the last timer tick: a few milliseconds late,
    /// but cheaper to read than [`MonotonicTime::now`].
    pub(crate) fn coarse() -> Self {
        #[cfg(target_os = "linux")]
        return Self::read(ClockId::MonotonicCoarse);
        #[cfg(not(target_os = "linux"))]
        Self::now()
    }

    /// The moment of an [`Instant`]; never earlier than it. One that has
    /// passed becomes the present moment.
    pub(crate) fn from_instant(instant: Instant) -> Self {
        // The remaining time is taken first, so that a pause between the two
        // readings makes the result late rather than early.
        let remaining = instant.saturating_duration_since(Instant::now());
        Self(Self::now().0.saturating_add(remaining))
    }

    /// This moment plus `duration`, or `None` when that cannot be represented.
    pub(crate) fn checked_add(self, duration: Duration) -> Option<Self> {
        self.0.checked_add(duration).map(Self)
    }

    /// The time from this moment to `later`; zero when `later` is not later.
    pub(crate) fn until(self, later: Self) -> Duration {
        later.0.saturating_sub(self.0)
    }

    /// Nanoseconds since the clock's start, which other processes of the machine count from
    /// too; the last one that there is, if there are more.
    pub(crate) fn as_nanos(self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX)
    }

    /// The multiple of `grid` that is next to it; `grid` is at least a nanosecond.
    pub(crate) fn round_to(self, grid: Duration) -> Self {
        let middle = self.0.saturating_add(grid / 2);
        let beyond = middle.as_nanos() % grid.as_nanos().max(1);
        let beyond = Duration::from_nanos(u64::try_from(beyond).unwrap_or(0));
        Self(middle.saturating_sub(beyond))
    }

    /// The form in which the kernel takes it. A moment beyond the kernel's
    /// range becomes the last one that it knows.
    #[cfg(any(test, not(any(feature = "portable", not(target_os = "linux")))))]
    pub(crate) fn to_timespec(self) -> Timespec {
        Timespec {
            tv_sec: i64::try_from(self.0.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: self.0.subsec_nanos().into(),
        }
    }

    /// The time since the first reading of this process, which is the start here.
    #[cfg(windows)]
    fn since_first() -> Self {
        static FIRST: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        Self(FIRST.get_or_init(Instant::now).elapsed())
    }

    #[cfg(unix)]
    fn read(clock: ClockId) -> Self {
        let reading = clock_gettime(clock);
        // The kernel starts this clock at zero, and keeps nanoseconds below a
        // second: neither conversion loses anything.
        let seconds = u64::try_from(reading.tv_sec).unwrap_or(0);
        let nanoseconds = u32::try_from(reading.tv_nsec).unwrap_or(0);
        Self(Duration::new(seconds, nanoseconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_does_not_run_backwards() {
        let first = MonotonicTime::now();
        let second = MonotonicTime::now();
        assert!(first <= second);
        assert!(MonotonicTime::coarse() <= MonotonicTime::now());
    }

    #[test]
    fn it_is_the_clock_of_instant() {
        let hour = Duration::from_secs(3600);
        let before = MonotonicTime::now();
        let instant = Instant::now() + hour;
        let moment = MonotonicTime::from_instant(instant);
        assert!(before.until(moment) >= hour);
        assert!(moment.until(MonotonicTime::now().checked_add(hour).unwrap()) < hour);
        assert!(moment < before.checked_add(2 * hour).unwrap());
    }

    #[test]
    fn a_past_instant_is_the_present() {
        let past = Instant::now();
        let before = MonotonicTime::now();
        let moment = MonotonicTime::from_instant(past);
        assert!(before <= moment && moment <= MonotonicTime::now());
    }

    #[test]
    fn arithmetic_at_the_limits() {
        let now = MonotonicTime::now();
        assert_eq!(now.checked_add(Duration::MAX), None);
        let later = now.checked_add(Duration::from_nanos(999_999_999)).unwrap();
        assert_eq!(now.until(later), Duration::from_nanos(999_999_999));
        assert_eq!(later.until(now), Duration::ZERO);
    }

    #[test]
    fn nanoseconds_carry_into_seconds() {
        let moment = MonotonicTime(Duration::from_millis(1600));
        let sum = moment.checked_add(Duration::from_millis(500)).unwrap();
        let timespec = sum.to_timespec();
        assert_eq!((timespec.tv_sec, timespec.tv_nsec), (2, 100_000_000));
        let last = MonotonicTime(Duration::MAX).to_timespec();
        assert_eq!((last.tv_sec, last.tv_nsec), (i64::MAX, 999_999_999));
    }
}
