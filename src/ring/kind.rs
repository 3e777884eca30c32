//! The four kinds of ring, as types and as values.

use std::fmt;
use std::hash::Hash;
use std::str::FromStr;

use super::{Arity, Multi, Single};
use crate::error::UnknownName;

mod sealed {
    pub trait Sides {
        type Senders: super::Arity;
        type Receivers: super::Arity;
    }
}
pub(crate) use sealed::Sides;

/// Which sides of a ring admit many endpoints.
///
/// Kinds are types, so that the code for a message never branches on the kind: [`Spsc`],
/// [`Mpsc`], [`Spmc`], [`Mpmc`]. Sealed to these four.
///
/// The four have the common derivable traits, so that types with a parameter `K: Kind`
/// can derive them:
///
/// ```
/// #[derive(Clone, Debug)]
/// struct Service<K: memring::Kind> {
///     jobs: memring::Ring<u64, K>,
/// }
///
/// fn show<K: memring::Kind>(service: &Service<K>) -> String {
///     format!("{service:?}")
/// }
/// # let jobs = memring::Ring::<u64, memring::Mpsc>::anonymous(2).unwrap();
/// # assert!(show(&Service { jobs }.clone()).contains("Mpsc"));
/// ```
pub trait Kind: Sides + fmt::Debug + Copy + Eq + Ord + Hash + Send + Sync + 'static {
    /// The kind as a value.
    const KIND: RingKind;
}

/// A [`Kind`] with one receiver: [`Spsc`], [`Mpsc`]. Only these can peek at a message without
/// taking it: see [`Receiver::peek`](crate::Receiver::peek).
pub trait OneReceiver: Kind + Sides<Receivers = Single> {}

impl OneReceiver for Spsc {}
impl OneReceiver for Mpsc {}

/// A [`Kind`] with many senders: [`Mpsc`], [`Mpmc`]. Its [`Sender`](crate::Sender) is `Clone`.
#[diagnostic::on_unimplemented(
    message = "a ring of kind `{Self}` has one sender",
    note = "`Mpsc` and `Mpmc` have many, whose `Sender` can be cloned"
)]
pub trait ManySenders: Kind + Sides<Senders = Multi> {}

impl ManySenders for Mpsc {}
impl ManySenders for Mpmc {}

/// A [`Kind`] with many receivers: [`Spmc`], [`Mpmc`]. Its [`Receiver`](crate::Receiver) is
/// `Clone`.
#[diagnostic::on_unimplemented(
    message = "a ring of kind `{Self}` has one receiver",
    note = "`Spmc` and `Mpmc` have many, whose `Receiver` can be cloned"
)]
pub trait ManyReceivers: Kind + Sides<Receivers = Multi> {}

impl ManyReceivers for Spmc {}
impl ManyReceivers for Mpmc {}

/// A kind of ring as a value.
///
/// ```
/// use memring::RingKind;
///
/// let kind: RingKind = "mpsc".parse()?;
/// assert_eq!(kind, RingKind::Mpsc);
/// assert!(kind.has_many_senders() && !kind.has_many_receivers());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RingKind {
    /// One sender, one receiver.
    Spsc,
    /// Many senders, one receiver.
    Mpsc,
    /// One sender, many receivers; each message goes to one of them.
    Spmc,
    /// Many senders, many receivers.
    Mpmc,
}

impl RingKind {
    /// All four.
    pub const ALL: [RingKind; 4] = [Self::Spsc, Self::Mpsc, Self::Spmc, Self::Mpmc];

    /// Whether many senders may be attached at once.
    pub fn has_many_senders(self) -> bool {
        matches!(self, RingKind::Mpsc | RingKind::Mpmc)
    }

    /// Whether many receivers may be attached at once.
    pub fn has_many_receivers(self) -> bool {
        matches!(self, RingKind::Spmc | RingKind::Mpmc)
    }

    /// One endpoint on either side, with a protocol of its own.
    pub(crate) fn is_one_to_one(self) -> bool {
        self == RingKind::Spsc
    }

    pub(crate) fn to_bits(self) -> u32 {
        u32::from(self.has_many_senders()) | u32::from(self.has_many_receivers()) << 1
    }

    pub(crate) fn from_bits(bits: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.to_bits() == bits)
    }
}

impl fmt::Display for RingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            RingKind::Spsc => "spsc",
            RingKind::Mpsc => "mpsc",
            RingKind::Spmc => "spmc",
            RingKind::Mpmc => "mpmc",
        })
    }
}

impl FromStr for RingKind {
    type Err = UnknownName;

    fn from_str(word: &str) -> Result<Self, UnknownName> {
        UnknownName::among("kind of ring", Self::ALL, word)
    }
}

macro_rules! kind {
    ($(#[$doc:meta])* $name:ident: $senders:ident to $receivers:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {}
        impl Sides for $name {
            type Senders = $senders;
            type Receivers = $receivers;
        }
        impl Kind for $name {
            const KIND: RingKind = RingKind::$name;
        }
    };
}

kind!(
    /// One sender, one receiver: the fastest.
    Spsc: Single to Single
);
kind!(
    /// Many senders, one receiver.
    Mpsc: Multi to Single
);
kind!(
    /// One sender, many receivers; each message goes to one of them.
    Spmc: Single to Multi
);
kind!(
    /// Many senders, many receivers; each message goes to one of them.
    Mpmc: Multi to Multi
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_bits_go_both_ways() {
        for kind in RingKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
            assert_eq!(RingKind::from_bits(kind.to_bits()), Some(kind));
        }
        assert_eq!(RingKind::from_bits(4), None);
        let error = "SPSC".parse::<RingKind>().unwrap_err().to_string();
        assert!(error.contains("SPSC") && error.contains("mpmc"), "{error}");
    }
}
