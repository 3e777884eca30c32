//! The table that turns a contender known at run time into a type.

use std::os::fd::OwnedFd;

use anyhow::Result;
use memring::{Mpmc, Mpsc, Spmc, Spsc};

use super::floor::Floor;
use super::link::{Contender, Kind, Link, Size};
use super::rings::RingLink;
use super::streams::{PipeLink, SocketLink};

/// What is done with a link once its type is known.
pub trait Visit {
    /// What comes of it.
    type Out;
    /// Do it.
    fn visit<const N: usize>(self, link: impl Link<N>) -> Self::Out;
}

/// Visit the link that `contender` and `size` say.
pub fn visit<V: Visit>(contender: Contender, size: Size, visitor: V) -> V::Out {
    match size {
        Size::B8 => visit_sized::<1, V>(contender, visitor),
        Size::B64 => visit_sized::<8, V>(contender, visitor),
        Size::B256 => visit_sized::<32, V>(contender, visitor),
        Size::B1024 => visit_sized::<128, V>(contender, visitor),
        Size::B4096 => visit_sized::<512, V>(contender, visitor),
    }
}

fn visit_sized<const N: usize, V: Visit>(contender: Contender, visitor: V) -> V::Out {
    match contender {
        // A line carries one word, whatever the others carry.
        Contender::Floor => visitor.visit::<1>(Floor),
        Contender::Pipe => visitor.visit::<N>(PipeLink),
        Contender::UnixSocket => visitor.visit::<N>(SocketLink),
        Contender::Ring { kind, wait } => match kind {
            Kind::Spsc => visitor.visit::<N>(RingLink::<Spsc>::new(wait)),
            Kind::Mpsc => visitor.visit::<N>(RingLink::<Mpsc>::new(wait)),
            Kind::Spmc => visitor.visit::<N>(RingLink::<Spmc>::new(wait)),
            Kind::Mpmc => visitor.visit::<N>(RingLink::<Mpmc>::new(wait)),
        },
    }
}

/// The link's descriptors, made in the parent.
pub fn make(contender: Contender, size: Size) -> Result<[OwnedFd; 2]> {
    struct Make;
    impl Visit for Make {
        type Out = Result<[OwnedFd; 2]>;
        fn visit<const N: usize>(self, link: impl Link<N>) -> Self::Out {
            link.make()
        }
    }
    visit(contender, size, Make)
}
