//! How long a sleep may be: no longer than a cap, since a notifier can die between its
//! publication and its look (W4).

use core::time::Duration;

/// The cap of a first sleep,
pub(crate) const FIRST: Duration = Duration::from_millis(100);
/// and that of waiters that have slept for longer than this undisturbed.
pub(crate) const LONGEST: Duration = Duration::from_secs(1);

/// The cap of the next sleep of one call.
pub(crate) struct SleepCap(Duration);

impl SleepCap {
    pub(crate) fn new() -> Self {
        SleepCap(FIRST)
    }

    pub(crate) fn duration(&self) -> Duration {
        #[cfg(all(feature = "failpoints", debug_assertions, unix, not(loom)))]
        if let Some(raised) = crate::sys::failpoints::raised_sleep_cap() {
            return raised;
        }
        self.0
    }

    /// After a sleep: `undisturbed` if it lasted for the whole cap.
    pub(crate) fn slept(&mut self, undisturbed: bool) {
        self.0 = match undisturbed {
            true => (2 * self.0).min(LONGEST),
            false => FIRST,
        };
    }

    /// The next sleep is a short one: a member holds what is waited for.
    pub(crate) fn shorten(&mut self) {
        self.0 = FIRST;
    }
}
