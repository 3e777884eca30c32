//! Idle strategies, which users write themselves.

/// What a waiting call does after a check that found nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Idle {
    /// Check again: the strategy has paused itself, by a spin loop, a yield or a short sleep.
    Look,
    /// Sleep until woken. The call does not ask the strategy again. On a ring of spinners
    /// ([`Wakeups::SpinOnly`](crate::Wakeups::SpinOnly)), where nothing wakes a waiter, the call
    /// checks again instead.
    Sleep,
}

/// What an endpoint does with its processor between two checks, where no
/// [`WaitStrategy`](crate::WaitStrategy) fits.
///
/// Given to an endpoint by [`Receiver::set_idle_strategy`](crate::Receiver::set_idle_strategy)
/// and [`Sender::set_idle_strategy`](crate::Sender::set_idle_strategy). Calls that wait ask the
/// strategy after each check that finds nothing. If a message or room is there, the strategy
/// costs nothing. Clones of the endpoint share the strategy, so it is `Sync`, and its state has
/// to be atomic.
///
/// A strategy that pauses for long delays the call's reaction to messages, deadlines and a
/// cancellation.
///
/// ```
/// use std::time::Duration;
///
/// use memring::{Idle, IdleStrategy, Ring, Spsc};
///
/// /// Spins, then yields, then naps: for machines where nobody pays for a wake-up.
/// struct Backoff;
///
/// impl IdleStrategy for Backoff {
///     fn idle(&self, looks: u32) -> Idle {
///         match looks {
///             0..100 => std::hint::spin_loop(),
///             100..200 => std::thread::yield_now(),
///             _ => std::thread::sleep(Duration::from_micros(50)),
///         }
///         Idle::Look
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let ring = Ring::<u64, Spsc>::anonymous(4)?;
/// let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
/// rx.set_idle_strategy(Backoff);
/// let sending = std::thread::spawn(move || tx.send(7));
/// assert_eq!(rx.recv()?, 7);
/// # sending.join().unwrap()?;
/// # Ok(())
/// # }
/// ```
pub trait IdleStrategy: Send + Sync {
    /// Called after a check that found nothing. `looks` is how many checks of this call found
    /// nothing before this one; it stays below `u32::MAX`.
    fn idle(&self, looks: u32) -> Idle;
}
