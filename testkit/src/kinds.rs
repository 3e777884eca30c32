//! One way to run a body for each kind of ring: a function that is generic in the kind. Known
//! at compile time, [`for_each_kind!`](crate::for_each_kind) makes tests of it; known at run
//! time, [`with_kind!`](crate::with_kind) calls it.

use memring::{
    AttachError, Kind, Message, Mpmc, Mpsc, Peer, Receiver, Ring, RingKind, Sender, Side, Spmc,
    Spsc,
};

/// A kind, with clones of its endpoints where it has them.
pub trait Cloning: Kind + Sized {
    /// Another sender like `tx`, if the kind has many.
    fn clone_sender<T: Message + ?Sized>(tx: &Sender<T, Self>) -> Option<Sender<T, Self>> {
        let _ = tx;
        None
    }

    /// Another receiver like `rx`, if the kind has many.
    fn clone_receiver<T: Message + ?Sized>(rx: &Receiver<T, Self>) -> Option<Receiver<T, Self>> {
        let _ = rx;
        None
    }
}

impl Cloning for Spsc {}

impl Cloning for Mpsc {
    fn clone_sender<T: Message + ?Sized>(tx: &Sender<T, Self>) -> Option<Sender<T, Self>> {
        Some(tx.clone())
    }
}

impl Cloning for Spmc {
    fn clone_receiver<T: Message + ?Sized>(rx: &Receiver<T, Self>) -> Option<Receiver<T, Self>> {
        Some(rx.clone())
    }
}

impl Cloning for Mpmc {
    fn clone_sender<T: Message + ?Sized>(tx: &Sender<T, Self>) -> Option<Sender<T, Self>> {
        Some(tx.clone())
    }

    fn clone_receiver<T: Message + ?Sized>(rx: &Receiver<T, Self>) -> Option<Receiver<T, Self>> {
        Some(rx.clone())
    }
}

/// Evaluates an expression in which a type stands for the kind that is known at run time:
/// `with_kind!(kind, K => run::<K>())`.
#[macro_export]
macro_rules! with_kind {
    ($kind:expr, $K:ident => $body:expr) => {
        match $kind {
            ::memring::RingKind::Spsc => {
                type $K = ::memring::Spsc;
                $body
            }
            ::memring::RingKind::Mpsc => {
                type $K = ::memring::Mpsc;
                $body
            }
            ::memring::RingKind::Spmc => {
                type $K = ::memring::Spmc;
                $body
            }
            ::memring::RingKind::Mpmc => {
                type $K = ::memring::Mpmc;
                $body
            }
        }
    };
}

/// Functions that are generic in the kind, as one test for each kind:
/// `for_each_kind!(first, second)`; or for some kinds: `for_each_kind!([spmc mpmc] first)`.
#[macro_export]
macro_rules! for_each_kind {
    (@type spsc) => { ::memring::Spsc };
    (@type mpsc) => { ::memring::Mpsc };
    (@type spmc) => { ::memring::Spmc };
    (@type mpmc) => { ::memring::Mpmc };
    (@tests [$($kind:ident)+] $body:ident) => {
        mod $body {
            $(
                #[test]
                fn $kind() {
                    super::$body::<$crate::for_each_kind!(@type $kind)>();
                }
            )+
        }
    };
    ($($body:ident),+ $(,)?) => {
        $( $crate::for_each_kind!(@tests [spsc mpsc spmc mpmc] $body); )+
    };
    ($kinds:tt $($body:ident),+ $(,)?) => {
        $( $crate::for_each_kind!(@tests $kinds $body); )+
    };
}

/// Whether a kind has many endpoints on this side.
pub fn has_many(kind: RingKind, side: Side) -> bool {
    match side {
        Side::Sender => kind.has_many_senders(),
        Side::Receiver => kind.has_many_receivers(),
    }
}

/// Attaches to this side and detaches again.
pub fn try_attach<T: Message + ?Sized, K: Kind>(
    ring: &Ring<T, K>,
    side: Side,
) -> Result<(), AttachError> {
    match side {
        Side::Sender => ring.sender().map(drop),
        Side::Receiver => ring.receiver().map(drop),
    }
}

/// The process that has this side of one, if it is taken.
pub fn occupant<T: Message + ?Sized, K: Kind>(ring: &Ring<T, K>, side: Side) -> Option<u32> {
    match try_attach(ring, side) {
        Ok(()) => None,
        Err(AttachError::Occupied {
            side: found,
            holder,
        }) if found == side => {
            assert!(holder.is_some(), "an occupied side without a holder");
            holder
        }
        Err(error) => panic!("{error}"),
    }
}

/// Those attached on this side.
pub fn peers<T: Message + ?Sized, K: Kind>(ring: &Ring<T, K>, side: Side) -> Vec<Peer> {
    let stats = ring.stats();
    match side {
        Side::Sender => stats.senders,
        Side::Receiver => stats.receivers,
    }
}
