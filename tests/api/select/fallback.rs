//! Kernels without `futex_waitv`: the same, in slices.

use memring::failpoints;
use memring::{Mpmc, Mpsc, Spmc, Spsc};
use memring_testkit::forks::ran_in_own_process;

use super::{storms, waits};

#[test]
fn what_waits_is_woken_without_the_call_for_many_words() {
    if ran_in_own_process() {
        return;
    }
    failpoints::deny_wait_many();
    waits::any_of_them_wakes::<Spsc>();
    waits::any_of_them_wakes::<Mpsc>();
    waits::any_of_them_wakes::<Spmc>();
    waits::any_of_them_wakes::<Mpmc>();
    waits::an_end_wakes::<Spsc>();
    waits::an_end_wakes::<Mpsc>();
    waits::an_end_wakes::<Spmc>();
    waits::an_end_wakes::<Mpmc>();
    waits::the_macro_waits::<Spsc>();
    waits::the_macro_waits::<Mpmc>();
    waits::more_than_the_kernel_takes_at_once();
    storms::each_message_is_received_once();
}
