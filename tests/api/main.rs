//! The public interface in one process: what each call answers, and when.

mod attach;
mod ends;
mod in_place;
mod options;
#[path = "../support/mod.rs"]
mod support;
mod threads;
mod waits;

/// A test of every kind: a function that is generic in it, as one test each.
macro_rules! for_each_kind {
    ($($name:ident),* $(,)?) => {
        $(mod $name {
            #[test]
            fn spsc() {
                super::$name::<memring::Spsc>();
            }
            #[test]
            fn mpsc() {
                super::$name::<memring::Mpsc>();
            }
            #[test]
            fn spmc() {
                super::$name::<memring::Spmc>();
            }
            #[test]
            fn mpmc() {
                super::$name::<memring::Mpmc>();
            }
        })*
    };
}
use for_each_kind;
