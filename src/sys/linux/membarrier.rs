//! A full memory barrier on every core that runs a registered process.
//!
//! With it the thread that goes to sleep pays for the ordering between itself and
//! the threads that publish; they pay nothing.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::thread::{MembarrierCommand, membarrier, membarrier_query};

/// This program has registered.
static IS_REGISTERED: AtomicBool = AtomicBool::new(false);

/// Makes this process one that [`heavy`] barriers reach, and that may call
/// [`heavy`]. Once is enough: a forked child inherits it, as it does the note of it, and
/// `exec` ends both. Enters the kernel the first time only.
///
/// # Errors
/// [`io::ErrorKind::Unsupported`] when the kernel has no such barrier (it came
/// with Linux 4.16) or a sandbox forbids it.
pub(crate) fn register() -> io::Result<()> {
    // Relaxed: the kernel orders what its calls do; two threads may both register.
    if IS_REGISTERED.load(Ordering::Relaxed) {
        return Ok(());
    }
    let known = membarrier_query();
    let needed = [
        MembarrierCommand::RegisterGlobalExpedited,
        MembarrierCommand::GlobalExpedited,
    ];
    if !needed.into_iter().all(|one| known.contains_command(one)) {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "expected the kernel to offer membarrier with GLOBAL_EXPEDITED \
             (Linux 4.16 or later, not forbidden by a sandbox), found that it does not",
        ));
    }
    membarrier(MembarrierCommand::RegisterGlobalExpedited)?;
    IS_REGISTERED.store(true, Ordering::Relaxed);
    Ok(())
}

/// A full barrier in this thread and in every running thread of every
/// registered process.
///
/// # Errors
/// After a successful [`register`] none is to be expected. Should one come (a
/// sandbox that was put up later), the slow form that needs no registration is
/// tried; if that fails too there has been no barrier, and the caller must not
/// rely on one.
pub(crate) fn heavy() -> io::Result<()> {
    membarrier(MembarrierCommand::GlobalExpedited)
        .or_else(|_| membarrier(MembarrierCommand::Global))?;
    Ok(())
}

/// As [`heavy`], by a way that depends on no registration and passes over
/// no thread: it waits until every processor has been through the scheduler, which
/// takes milliseconds.
///
/// # Errors
/// As [`heavy`], which it falls back to: kernels with processors that have no
/// scheduler tick (`nohz_full`) refuse this form.
pub(crate) fn thorough() -> io::Result<()> {
    membarrier(MembarrierCommand::Global)
        .or_else(|_| membarrier(MembarrierCommand::GlobalExpedited))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::sync::atomic::{AtomicU32, compiler_fence};
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn registers_twice_and_works() {
        register().unwrap();
        register().unwrap();
        heavy().unwrap();
        thorough().unwrap();
    }

    /// Store buffering: one side has a compiler fence only. Without a barrier
    /// on its behalf both may read the past.
    ///
    /// In a process of its own: where threads end on the processor of the one
    /// without a fence, Linux 6.18 was seen to pass it over (docs/verification.md).
    #[test]
    fn orders_a_thread_that_has_no_fence() {
        const ALONE: &str = "MEMRING_TEST_ALONE";
        if std::env::var_os(ALONE).is_some() {
            return order_a_thread_that_has_no_fence();
        }
        // The harness names the thread of a test after it.
        let thread = thread::current();
        let name = thread.name().expect("the thread of a test");
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args([name, "--exact", "--test-threads=1"]);
        let ended = command.env(ALONE, "1").output().expect("run it");
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(ended.status.success(), "{said}");
        // A wrong name would run nothing, and succeed.
        assert!(said.contains("1 passed"), "{said}");
    }

    fn order_a_thread_that_has_no_fence() {
        const ROUNDS: u32 = 50_000;
        // On a machine that is busy the threads have to wait for each other's turn.
        const ENOUGH: Duration = Duration::from_secs(2);
        /// No round: the end.
        const END: u32 = u32::MAX;
        #[repr(align(256))]
        struct Line(AtomicU32);
        let line = || Line(AtomicU32::new(0));
        let (light, weighty, start, end, seen) = (line(), line(), line(), line(), line());
        register().unwrap();
        let mut failures = 0;
        thread::scope(|scope| {
            scope.spawn(|| {
                for round in 1..=ROUNDS {
                    if await_round(&start.0, round) == END {
                        return;
                    }
                    light.0.store(round, Ordering::Relaxed);
                    compiler_fence(Ordering::SeqCst);
                    let there = weighty.0.load(Ordering::Relaxed);
                    seen.0.store(there, Ordering::Relaxed);
                    // Release pairs with the Acquire in `await_round`.
                    end.0.store(round, Ordering::Release);
                }
            });
            let begun = Instant::now();
            for round in (1..=ROUNDS).take_while(|_| begun.elapsed() < ENOUGH) {
                // Release pairs with the Acquire in `await_round`.
                start.0.store(round, Ordering::Release);
                // The other thread needs a while to see it: meet it there.
                for _ in 0..round % 256 {
                    black_box(round);
                }
                weighty.0.store(round, Ordering::Relaxed);
                let fenced = heavy().is_ok();
                let here = light.0.load(Ordering::Relaxed);
                await_round(&end.0, round);
                let missed = here != round && seen.0.load(Ordering::Relaxed) != round;
                failures += u32::from(missed || !fenced);
            }
            start.0.store(END, Ordering::Release);
        });
        assert_eq!(failures, 0);
    }

    /// What the word holds then: `round`, or more.
    fn await_round(word: &AtomicU32, round: u32) -> u32 {
        let mut spins = 0;
        loop {
            // Acquire pairs with the Release stores of the other thread.
            let found = word.load(Ordering::Acquire);
            if found >= round {
                return found;
            }
            spins += 1;
            if spins % 4096 == 0 {
                thread::yield_now();
            }
        }
    }
}
