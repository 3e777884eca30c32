//! The endpoints of a rendezvous ring: what they do where a ring has fast paths. The rules
//! RV1 to RV12 are those of `docs/rendezvous.md`.
//!
//! A rendezvous ring has one protocol, whatever its kind. Its endpoints hold the side of
//! their kind as well, as it is on [blank](BlankMemory) memory, and never use it: where a
//! call looks whether it may take the fast path it is told no.

mod give;
mod take;

use super::waiting::{Wait, WaitError, WaitingEndpoint};
use super::{Segment, waiting};
use crate::error::{Corruption, Failure};
use crate::members::MemberId;
use crate::ring::memory::Memory;
use crate::ring::rendezvous::{BlankMemory, GivingSide, TakingSide};
use crate::ring::{ReceiveSide, RedeliveryPolicy, SendSide};

/// The side of a sender as its kind has it, and as a rendezvous ring has it, if it is one.
pub(super) fn attach_sender<S: SendSide>(
    segment: &Segment,
    view: &impl Memory,
    me: MemberId,
) -> Result<(S, Option<Box<GivingSide>>), Corruption> {
    if segment.config.is_rendezvous() {
        let giving = Box::new(GivingSide::new(me));
        return Ok((S::attach(&BlankMemory::new(), me)?, Some(giving)));
    }
    Ok((S::attach(view, me)?, None))
}

/// That of a receiver.
pub(super) fn attach_receiver<S: ReceiveSide>(
    segment: &Segment,
    view: &impl Memory,
    me: MemberId,
    policy: RedeliveryPolicy,
) -> Result<(S, Option<Box<TakingSide>>), Corruption> {
    if segment.config.is_rendezvous() {
        let taking = Box::new(TakingSide::new(me));
        return Ok((S::attach(&BlankMemory::new(), me, policy)?, Some(taking)));
    }
    Ok((S::attach(view, me, policy)?, None))
}

/// Claims within `wait` in a call that has no meaning on a rendezvous ring.
#[cold]
#[inline(never)]
pub(super) fn claim_on_ring<E: WaitingEndpoint>(
    endpoint: &mut E,
    wait: Wait,
) -> Result<E::Claimed, WaitError> {
    refuse_rendezvous(endpoint)?;
    waiting::claim(endpoint, wait)
}

/// What a call that has no meaning on a rendezvous ring says there.
pub(super) fn refuse_rendezvous<E: WaitingEndpoint>(endpoint: &mut E) -> Result<(), WaitError> {
    let segment = &endpoint.connection().segment;
    if !segment.config.is_rendezvous() {
        return Ok(());
    }
    let good = segment.region.check();
    let failure = good.err().unwrap_or(Failure::NotForRendezvous);
    Err(WaitError::Failed(failure))
}
