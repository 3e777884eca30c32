//! Failpoints: named places at every change of shared state, where the tests let a process
//! die or stop.
//!
//! A failpoint is passed right *after* the change that it is named for. Only debug
//! builds with the feature `failpoints` contain anything of it, which is how
//! this crate's own tests are built; elsewhere `failpoint!` is nothing.

#[cfg(all(feature = "failpoints", debug_assertions, unix, not(loom)))]
mod armed;
mod list;
#[cfg(all(
    feature = "failpoints",
    debug_assertions,
    not(loom),
    target_os = "linux",
    not(feature = "portable")
))]
pub(crate) use armed::is_wait_many_denied;
#[cfg(all(feature = "failpoints", debug_assertions, unix, not(loom)))]
pub(crate) use armed::raised_sleep_cap;
#[cfg(all(feature = "failpoints", debug_assertions, unix, not(loom)))]
pub use armed::{Act, arm, deny_wait_many, raise_sleep_cap, reached, watch};
pub use list::Failpoint;

/// Passes a failpoint: a process that was told to ends, or stops, here.
macro_rules! failpoint {
    ($name:ident) => {
        $crate::sys::failpoints::pass($crate::sys::failpoints::Failpoint::$name)
    };
}
pub(crate) use failpoint;

#[inline(always)]
pub(crate) fn pass(point: Failpoint) {
    #[cfg(all(feature = "failpoints", debug_assertions, unix, not(loom)))]
    armed::pass(point);
    let _ = point;
}
