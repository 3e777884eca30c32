//! The algorithms of a side of one and of a side of many.

use super::multi::{MultiReceiver, MultiSender};
use super::pairing::Multiplicity;
use super::side::{ReceiveSide, SendSide};
use super::single::{SingleReceiver, SingleSender};
use super::spsc::{SpscReceiver, SpscSender};

/// One side of a kind: at most one endpoint, or many. Its algorithm depends on the
/// other side too.
pub trait Arity: Multiplicity {
    type Sender<R: Arity>: SendSide;
    type Receiver<S: Arity>: ReceiveSide;
    /// The one sender beside a side like this.
    type OneSender: SendSide;
    /// The one receiver beside a side like this.
    type OneReceiver: ReceiveSide;
}

/// At most one endpoint attached at a time.
pub enum Single {}
/// Any number of endpoints.
pub enum Multi {}

impl Multiplicity for Single {
    const MULTI: bool = false;
}

impl Multiplicity for Multi {
    const MULTI: bool = true;
}

impl Arity for Single {
    type Sender<R: Arity> = R::OneSender;
    type Receiver<S: Arity> = S::OneReceiver;
    type OneSender = SpscSender;
    type OneReceiver = SpscReceiver;
}

impl Arity for Multi {
    type Sender<R: Arity> = MultiSender<R>;
    type Receiver<S: Arity> = MultiReceiver<S>;
    type OneSender = SingleSender;
    type OneReceiver = SingleReceiver;
}
