//! What a process does: its calls, stage by stage.

use super::engine::note;
use super::rules::Rule;
use super::world::{HandoverScenario, SendEnd, WatchedHandover, id_of};
use crate::members::{Liveness, MemberId, MemberSet};
use crate::ring::rendezvous::{
    GivingSide, HandoverState, Left, TakingSide, any_waiting, recover_all,
};
use crate::ring::{Claim, ClaimError, Held, RedeliveryPolicy, end, recover};
use crate::sys::atomic::Ordering;
use crate::sys::atomic::watched::Access;

/// One call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum HandoverVerb {
    Send,
    /// May give up at any time.
    SendTimed,
    TrySend,
    Recv,
    RecvTimed,
    /// Waits by a waker, and may be dropped at any time.
    RecvDropped,
    TryRecv,
    /// Waits, and gives the message back.
    Lease,
}

/// The calls of one process.
#[derive(Clone, Debug)]
pub(super) struct HandoverPlan {
    pub sends: bool,
    pub verbs: Vec<HandoverVerb>,
}

impl HandoverScenario {
    pub(super) fn messages(&self) -> usize {
        let senders = self.plans.iter().filter(|plan| plan.sends);
        senders.map(|plan| plan.verbs.len()).sum()
    }

    /// The message that `process` sends by its call number `call`.
    fn message(&self, process: usize, call: usize) -> usize {
        let before = self.plans[..process].iter().filter(|plan| plan.sends);
        before.map(|plan| plan.verbs.len()).sum::<usize>() + call
    }
}

/// Where a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum HandoverStage {
    /// Recovers what a predecessor held.
    Succeed,
    Next,
    Done,
    Dead,
    // A sender's.
    Offering,
    Claiming,
    Writing(u64),
    Looking(u64),
    Reclaiming(u64, Held),
    GivingUp(u64),
    Ending(u64),
    Leaving(u64),
    // A receiver's.
    Taking,
    Announcing,
    AtTheEnd,
    Withdrawing(bool),
    Abandoning,
    Reading(Claim),
    Releasing(Claim),
    Requeuing(Claim),
    /// Recovers what this process held, and goes on in the stage that was interrupted.
    Reaping(u8, Resume),
}

/// A stage to come back to: one that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Resume {
    Looking(u64),
    Taking,
    Done,
}

/// An access that is to be made, and what the code is told of it, if that is not what was
/// found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pending {
    pub place: usize,
    pub access: Access,
    pub answer: Option<u64>,
}

/// What happened, for the ledger: with the access that was made last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Ended(usize, SendEnd),
    Bound(usize, MemberId),
    Read(usize),
    Acknowledged(usize),
    /// `try_send` has looked whether a receiver waits.
    Began(usize),
    Reaped(u8),
    /// What no sequence of operations can produce.
    Wrong(&'static str),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Local {
    pub process: usize,
    pub stage: HandoverStage,
    pub call: usize,
    giving: GivingSide,
    pub taking: TakingSide,
    /// The message that the receiver has read.
    message: usize,
    /// Results of the accesses made in this stage.
    pub history: Vec<u64>,
    /// Its next access.
    pub pending: Option<Pending>,
}

impl Local {
    pub(super) fn new(_scenario: &HandoverScenario, process: usize) -> Local {
        Local {
            process,
            stage: HandoverStage::Next,
            call: 0,
            giving: GivingSide::new(id_of(process)),
            taking: TakingSide::new(id_of(process)),
            message: 0,
            history: Vec::new(),
            pending: None,
        }
    }

    pub(super) fn verb(&self, scenario: &HandoverScenario) -> Option<HandoverVerb> {
        scenario.plans[self.process].verbs.get(self.call).copied()
    }

    /// Whether its time may be up here.
    pub(super) fn may_time_out(&self, scenario: &HandoverScenario) -> bool {
        let timed = matches!(
            self.verb(scenario),
            Some(HandoverVerb::SendTimed | HandoverVerb::RecvTimed | HandoverVerb::RecvDropped)
        );
        timed && self.is_waiting()
    }

    /// Whether it looks again and again, and is at the beginning of a look.
    pub(super) fn is_waiting(&self) -> bool {
        let waits = matches!(
            self.stage,
            HandoverStage::Claiming | HandoverStage::Looking(_) | HandoverStage::Taking
        );
        waits && self.history.is_empty()
    }

    /// Its time is up.
    pub(super) fn time_out(&mut self, scenario: &HandoverScenario) {
        let is_dropped = self.verb(scenario) == Some(HandoverVerb::RecvDropped);
        self.stage = match self.stage {
            HandoverStage::Taking if is_dropped => HandoverStage::Abandoning,
            HandoverStage::Looking(position) => HandoverStage::GivingUp(position),
            HandoverStage::Taking => HandoverStage::Withdrawing(false),
            HandoverStage::Claiming => HandoverStage::Ending(u64::MAX),
            stage => unreachable!("{stage:?} waits"),
        };
    }

    /// Where it may come to recover what a dead process held.
    pub(super) fn resumes(&self) -> Option<Resume> {
        match self.stage {
            _ if !self.history.is_empty() => None,
            HandoverStage::Looking(position) => Some(Resume::Looking(position)),
            HandoverStage::Taking => Some(Resume::Taking),
            HandoverStage::Done => Some(Resume::Done),
            _ => None,
        }
    }

    /// The message that the sender is at.
    pub(super) fn sent(&self, scenario: &HandoverScenario) -> usize {
        scenario.message(self.process, self.call)
    }

    /// Runs the stage, from its beginning to its end.
    pub(super) fn run(&mut self, scenario: &HandoverScenario, memory: &WatchedHandover) {
        self.stage = self.step(scenario, memory);
        self.history.clear();
    }

    fn step(&mut self, scenario: &HandoverScenario, memory: &WatchedHandover) -> HandoverStage {
        let without = |rule| scenario.without == Some(rule);
        let verb = self.verb(scenario);
        let policy = scenario.policy;
        match self.stage {
            HandoverStage::Succeed => {
                reap(memory, self.process, scenario, true);
                note(Event::Reaped(self.process as u8));
                HandoverStage::Next
            }
            HandoverStage::Reaping(dead, resume) => {
                reap(memory, dead.into(), scenario, false);
                note(Event::Reaped(dead));
                match resume {
                    Resume::Looking(position) => HandoverStage::Looking(position),
                    Resume::Taking => HandoverStage::Taking,
                    Resume::Done => HandoverStage::Done,
                }
            }
            HandoverStage::Next => match verb {
                None => HandoverStage::Done,
                Some(HandoverVerb::TrySend) => HandoverStage::Offering,
                Some(HandoverVerb::Send | HandoverVerb::SendTimed) => HandoverStage::Claiming,
                Some(_) => HandoverStage::Taking,
            },
            HandoverStage::Offering => {
                let any_waiting = any_waiting(memory);
                note(Event::Began(self.sent(scenario)));
                match any_waiting {
                    true => HandoverStage::Claiming,
                    false => self.ended(scenario, SendEnd::Back),
                }
            }
            HandoverStage::Claiming => match self.giving.claim(memory) {
                Ok(position) => HandoverStage::Writing(position),
                Err(ClaimError::Closed) => self.ended(scenario, SendEnd::Back),
                Err(_) if verb == Some(HandoverVerb::TrySend) => {
                    self.ended(scenario, SendEnd::Back)
                }
                Err(_) => HandoverStage::Claiming,
            },
            HandoverStage::Writing(position) => {
                let message = self.sent(scenario) as u64 + 1;
                memory.payload(position).store(message, Ordering::Relaxed);
                self.giving.offer(memory, position);
                match verb {
                    Some(HandoverVerb::TrySend) => HandoverStage::Leaving(position),
                    _ => HandoverStage::Looking(position),
                }
            }
            HandoverStage::Looking(position) => match self.giving.look(memory, position) {
                Ok(HandoverState::Over) => self.ended(scenario, SendEnd::Ok),
                Ok(HandoverState::InHand(_)) if without(Rule::WaitForTheRelease) => {
                    self.ended(scenario, SendEnd::Ok)
                }
                Ok(HandoverState::InHand(held)) => HandoverStage::Reclaiming(position, held),
                Ok(_) if end::is_closed(memory) => HandoverStage::Ending(position),
                Ok(_) => HandoverStage::Looking(position),
                Err(found) => wrong(found.what),
            },
            HandoverStage::Reclaiming(position, held) => {
                recover::reclaim(memory, memory, held, policy);
                HandoverStage::Looking(position)
            }
            HandoverStage::GivingUp(position) => {
                match self.giving.give_up(memory, memory, policy, position) {
                    Ok(HandoverState::TakenBack) => self.ended(scenario, SendEnd::Back),
                    Ok(HandoverState::Over) => self.ended(scenario, SendEnd::Ok),
                    Ok(_) => self.ended(scenario, SendEnd::InHand),
                    Err(found) => wrong(found.what),
                }
            }
            // No slot in time.
            HandoverStage::Ending(u64::MAX) => self.ended(scenario, SendEnd::Back),
            HandoverStage::Ending(position) => match self.giving.take_back(memory, position) {
                _ if without(Rule::TakeBackAtTheEnd) => self.ended(scenario, SendEnd::Back),
                Ok(HandoverState::TakenBack) => self.ended(scenario, SendEnd::Back),
                Ok(HandoverState::Over) => self.ended(scenario, SendEnd::Ok),
                Ok(HandoverState::InHand(held)) => HandoverStage::Reclaiming(position, held),
                Ok(HandoverState::Offered) => HandoverStage::Looking(position),
                Err(found) => wrong(found.what),
            },
            HandoverStage::Leaving(position) => {
                let left = match without(Rule::ProbeTheBound) {
                    true => self.giving.leave_or_take_back(memory, &Immortals, position),
                    false => self.giving.leave_or_take_back(memory, memory, position),
                };
                match left {
                    Ok(Left::ToWaiting(receiver)) => {
                        note(Event::Bound(self.sent(scenario), receiver));
                        self.ended(scenario, SendEnd::Ok)
                    }
                    // Of one in hand the receiver's death may still make what it likes.
                    Ok(Left::ToTaker) => self.ended(scenario, SendEnd::Ok),
                    Ok(Left::Not) => self.ended(scenario, SendEnd::Back),
                    Err(found) => wrong(found.what),
                }
            }
            HandoverStage::Taking => match self.claim(memory, without(Rule::WithdrawFirst)) {
                Ok(claim) => HandoverStage::Reading(claim),
                Err(ClaimError::NotReady) if verb == Some(HandoverVerb::TryRecv) => {
                    self.next_call();
                    HandoverStage::Next
                }
                Err(ClaimError::NotReady) => HandoverStage::Announcing,
                Err(_) => HandoverStage::Taking,
            },
            HandoverStage::Announcing => {
                self.taking.announce(memory);
                match end::is_closed(memory) {
                    true => HandoverStage::AtTheEnd,
                    false => HandoverStage::Taking,
                }
            }
            HandoverStage::AtTheEnd => match self.taking.claim(memory) {
                Ok(claim) => HandoverStage::Reading(claim),
                Err(ClaimError::NotReady) => HandoverStage::Withdrawing(true),
                Err(_) => HandoverStage::AtTheEnd,
            },
            HandoverStage::Withdrawing(closed) => match self.taking.withdraw(memory) {
                Some(claim) => HandoverStage::Reading(claim),
                None if closed => {
                    self.call = scenario.plans[self.process].verbs.len();
                    HandoverStage::Done
                }
                None => {
                    self.next_call();
                    HandoverStage::Next
                }
            },
            HandoverStage::Abandoning => {
                self.taking.abandon(memory);
                self.next_call();
                HandoverStage::Next
            }
            HandoverStage::Reading(claim) => {
                let found = memory.payload(claim.position).load(Ordering::Relaxed);
                if found == 0 {
                    return wrong("no message was written");
                }
                self.message = found as usize - 1;
                note(Event::Read(self.message));
                match verb {
                    Some(HandoverVerb::Lease) => HandoverStage::Requeuing(claim),
                    _ => HandoverStage::Releasing(claim),
                }
            }
            HandoverStage::Releasing(claim) => {
                self.taking.release(memory, claim);
                note(Event::Acknowledged(self.message));
                self.next_call();
                HandoverStage::Next
            }
            HandoverStage::Requeuing(claim) => {
                let policy = RedeliveryPolicy {
                    redeliver: true,
                    ..policy
                };
                self.taking.requeue(memory, [claim].into_iter(), policy);
                self.next_call();
                HandoverStage::Next
            }
            HandoverStage::Done | HandoverStage::Dead => unreachable!("it does nothing"),
        }
    }

    fn claim(&mut self, memory: &WatchedHandover, unheeding: bool) -> Result<Claim, ClaimError> {
        match unheeding {
            true => TakingSide::new(id_of(self.process)).claim(memory),
            false => self.taking.claim(memory),
        }
    }

    fn next_call(&mut self) {
        self.call += 1;
    }

    fn ended(&mut self, scenario: &HandoverScenario, end: SendEnd) -> HandoverStage {
        note(Event::Ended(self.sent(scenario), end));
        self.next_call();
        HandoverStage::Next
    }
}

fn wrong(what: &'static str) -> HandoverStage {
    note(Event::Wrong(what));
    HandoverStage::Done
}

/// Recovers what a dead process held, as a scan does. A successor holds the lock of its id,
/// and asks nothing.
fn reap(memory: &WatchedHandover, dead: usize, scenario: &HandoverScenario, is_own: bool) {
    let mut set = MemberSet::only(id_of(dead));
    let without = |rule| scenario.without == Some(rule);
    let believes = is_own || without(Rule::ProbeAgain);
    let is_dead = |id| believes || !memory.is_alive(id);
    match without(Rule::RecoverWaiters) {
        true => {
            recover::recover_held(memory, &mut set, scenario.policy, is_dead);
        }
        false => recover_all(memory, &mut set, scenario.policy, is_dead),
    }
}

/// None of them ever dies.
struct Immortals;

impl Liveness for Immortals {
    type Error = ();

    fn try_lock(&self, _id: MemberId) -> Result<bool, ()> {
        unreachable!("no member attaches")
    }

    fn unlock(&self, _id: MemberId) {
        unreachable!("no member detaches")
    }

    fn is_alive(&self, _id: MemberId) -> bool {
        true
    }
}
