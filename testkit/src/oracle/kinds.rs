//! Kinds of ring, as values and with what only some of them can do.

use memring::{Kind, Message, Mpmc, Mpsc, Receiver, Sender, Spmc, Spsc};

/// A kind, with cloning where it has that.
pub trait Cloning: Kind + Sized {
    /// Another sender like `from`, if the kind has many.
    fn clone_sender<T: Message + ?Sized>(from: &Sender<T, Self>) -> Option<Sender<T, Self>>;
    /// Another receiver like `from`, if the kind has many.
    fn clone_receiver<T: Message + ?Sized>(from: &Receiver<T, Self>) -> Option<Receiver<T, Self>>;
}

macro_rules! cloning {
    ($kind:ident, $sender:expr, $receiver:expr) => {
        impl Cloning for $kind {
            fn clone_sender<T: Message + ?Sized>(
                from: &Sender<T, Self>,
            ) -> Option<Sender<T, Self>> {
                $sender(from)
            }

            fn clone_receiver<T: Message + ?Sized>(
                from: &Receiver<T, Self>,
            ) -> Option<Receiver<T, Self>> {
                $receiver(from)
            }
        }
    };
}

fn cannot<E>(_: &E) -> Option<E> {
    None
}

fn can<E: Clone>(from: &E) -> Option<E> {
    Some(from.clone())
}

cloning!(Spsc, cannot, cannot);
cloning!(Mpsc, can, cannot);
cloning!(Spmc, cannot, can);
cloning!(Mpmc, can, can);
