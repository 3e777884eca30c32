//! The operations that are counted: one function for each, which holds nothing
//! else, so that its instructions are those of the operation and of its call.
//!
//! None of them unwraps: a panic in one must be the library's.

use std::hint::black_box;

use memring::{FenceMode, Kind, Message, Receiver, Ring, RingBuilder, Sender, Wakeups};

/// Messages of a batch.
pub const BATCH: usize = 32;
/// Slots of each ring.
const CAPACITY: usize = 4096;
/// Messages before those that are counted. A lap and a bit: every slot has been
/// used, and the single sender has just looked for room.
const WARM_UP: usize = CAPACITY + 2 * BATCH;
/// The most messages that may be counted: for so many, the room that was found
/// at that look is enough.
pub const MOST: usize = CAPACITY - 8 * BATCH;

/// Where the operations are, as tools name it.
pub const PATH: &str = module_path!();
/// The operations, as the functions below are called.
pub const NAMES: [&str; 6] = [
    "try_send",
    "try_recv",
    "reserve_commit",
    "lease_release",
    "send_batch",
    "recv_batch",
];

/// Both ends of a ring of `T`, and what a batch is received into.
struct Ends<T: Message, K: Kind> {
    sender: Sender<T, K>,
    receiver: Receiver<T, K>,
    received: Vec<T::Received>,
}

impl<T: Message, K: Kind> Ends<T, K> {
    fn new(wake: Wakeups) -> anyhow::Result<Self> {
        let options: RingBuilder<T, K> = Ring::builder().capacity(CAPACITY).wakeups(wake);
        let ring = options.fence_mode(FenceMode::Membarrier).anonymous()?;
        Ok(Ends {
            sender: ring.sender()?,
            receiver: ring.receiver()?,
            received: Vec::with_capacity(BATCH),
        })
    }
}

/// A kind of ring with messages of a size: its operations, and what drives them.
macro_rules! operations {
    ($($name:ident: $message:ty, $kind:ident;)*) => {
        /// The kinds and sizes, as the modules below are called.
        pub const RINGS: &[&str] = &[$(stringify!($name)),*];

        /// Each operation of each kind on `messages` messages.
        pub fn run(wake: Wakeups, messages: usize) -> anyhow::Result<()> {
            $($name::run(wake, messages)?;)*
            Ok(())
        }

        $(mod $name {
            use super::*;
            type To = Sender<$message, memring::$kind>;
            type From = Receiver<$message, memring::$kind>;

            #[inline(never)]
            fn try_send(sender: &mut To, message: $message) -> bool {
                sender.try_send(message).is_ok()
            }

            #[inline(never)]
            fn try_recv(receiver: &mut From) -> Option<$message> {
                receiver.try_recv().ok()
            }

            #[inline(never)]
            fn reserve_commit(sender: &mut To, message: $message) -> bool {
                let Ok(mut grant) = sender.try_reserve() else {
                    return false;
                };
                grant.write(message).is_ok() && grant.commit().is_ok()
            }

            #[inline(never)]
            fn lease_release(receiver: &mut From) -> Option<$message> {
                let lease = receiver.try_lease().ok()?;
                let message = lease.read();
                lease.release();
                Some(message)
            }

            #[inline(never)]
            fn send_batch(sender: &mut To, message: $message) -> usize {
                sender.send_slice(&[message; BATCH]).unwrap_or(0)
            }

            #[inline(never)]
            fn recv_batch(receiver: &mut From, received: &mut Vec<$message>) -> usize {
                receiver.recv_batch(received, BATCH).unwrap_or(0)
            }

            pub fn run(wake: Wakeups, messages: usize) -> anyhow::Result<()> {
                let message: $message = black_box([7; _]);
                let mut ends = Ends::<$message, memring::$kind>::new(wake)?;
                for _ in 0..WARM_UP + messages {
                    assert!(try_send(&mut ends.sender, black_box(message)));
                    assert_eq!(try_recv(&mut ends.receiver), Some(message));
                }
                let mut ends = Ends::<$message, memring::$kind>::new(wake)?;
                for _ in 0..WARM_UP + messages {
                    assert!(reserve_commit(&mut ends.sender, black_box(message)));
                    assert_eq!(lease_release(&mut ends.receiver), Some(message));
                }
                let mut ends = Ends::<$message, memring::$kind>::new(wake)?;
                for _ in 0..(WARM_UP + messages) / BATCH {
                    assert_eq!(send_batch(&mut ends.sender, black_box(message)), BATCH);
                    ends.received.clear();
                    let received = recv_batch(&mut ends.receiver, &mut ends.received);
                    assert_eq!(received, BATCH);
                    assert!(black_box(&ends.received).iter().all(|one| *one == message));
                }
                Ok(())
            }
        })*
    };
}

operations! {
    spsc_8: [u64; 1], Spsc;
    spsc_56: [u64; 7], Spsc;
    mpsc_8: [u64; 1], Mpsc;
    mpsc_56: [u64; 7], Mpsc;
    spmc_8: [u64; 1], Spmc;
    spmc_56: [u64; 7], Spmc;
    mpmc_8: [u64; 1], Mpmc;
    mpmc_56: [u64; 7], Mpmc;
}
