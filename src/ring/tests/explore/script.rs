//! What processes do, stage by stage: the ring's own code, and around it what
//! the floors above do (`participant.rs`, `channel/waiting.rs`).

use super::around;
use super::ledger::Event;
use super::mutants::Mutant;
use super::process::{Local, On, ask, flush, note, note_with};
use super::state::{Act, Codec, LOCKS, Places};
use super::{Errand, Saved, Setup, Snapshot};
use crate::ring::layout::Cell;
use crate::ring::memory::Memory;
use crate::ring::{
    Arity, Claim, ClaimError, Multi, ReceiveSide, RedeliveryPolicy, SendSide, Single,
};
use crate::sys::atomic::Ordering;

/// Part of an operation. What a process knows at the end of a stage is in its
/// local state; how it came to know it is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    Dead,
    Done,
    /// An heir looks at its entry.
    Enter,
    /// It clears up after the last holder of its id,
    SweepOwn {
        entry: u8,
    },
    /// makes the entry its own,
    Register {
        entry: u8,
    },
    /// and starts.
    Attach,

    /// A sender's next errand.
    Errand,
    Begin,
    /// One of many tries the position after its own last one first.
    Bet,
    Claim,
    Publish {
        position: u64,
    },
    Abandon {
        position: u64,
    },
    /// The end of an operation that did all it should, or `stalled`.
    End {
        stalled: Obstacle,
    },
    Close,

    /// A receiver that is one of many looks where it was last,
    BetToTake,
    /// and if nothing is there, where the others are.
    Follow,
    /// A receiver's attempt, and at which point of its looks (see `Look`).
    Take(Look),
    TakeMore,
    HandOut,
    Release,
    Requeue,
    Settle(Obstacle),
    /// Before `Closed`: everybody from this process on is looked at.
    Patrol {
        from: u8,
    },
    /// Clears up after a dead process, and goes on with the patrol if asked.
    Bury {
        dead: u8,
        entry: u8,
        patrol: bool,
    },
    MarkClean {
        dead: u8,
        entry: u8,
        patrol: bool,
    },
    Quiescent,

    /// Is the ring closed?
    Miss(Obstacle),
    /// Is the holder dead? Then its slot is repaired.
    Clear {
        position: u64,
        word: u64,
    },
}

/// Who stands in the way: position and word, or nobody.
pub(super) type Obstacle = Option<(u64, u64)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Look {
    /// The attempt of a call.
    First,
    /// After the patrol before `Closed`.
    Second,
    /// After no sender was found at work.
    Last,
}

/// What all processes share while they run.
pub(super) struct Cast {
    pub setup: Setup,
    pub codec: Codec,
    pub places: Places,
    pub play: fn(&Cast, &mut Local),
    pub closes: bool,
}

impl Cast {
    pub(super) fn new(setup: Setup) -> Self {
        let play = match (setup.many_senders, setup.many_receivers) {
            (false, false) => play::<Single, Single> as fn(&Cast, &mut Local),
            (false, true) => play::<Single, Multi>,
            (true, false) => play::<Multi, Single>,
            (true, true) => play::<Multi, Multi>,
        };
        let codec = Codec::new(&setup);
        Cast {
            places: Places::new(codec.geometry),
            codec,
            play,
            closes: setup.closes(),
            setup,
        }
    }

    pub(super) fn is_mutant(&self, mutant: Mutant) -> bool {
        self.setup.mutant == Some(mutant)
    }

    /// Is the process on a side of many? Only there do words name their owner.
    pub(super) fn is_one_of_many(&self, process: u8) -> bool {
        if (process as usize) < self.setup.senders() {
            self.setup.many_senders
        } else {
            self.setup.many_receivers
        }
    }

    /// Does this process try the position after its own last one first?
    fn bets(&self, process: u8) -> bool {
        self.setup.bets && self.is_one_of_many(process)
    }

    /// What an endpoint remembers of what it was, as far as it matters.
    pub(super) fn remembered(&self, process: u8, side: Saved) -> Saved {
        let is_sender = (process as usize) < self.setup.senders();
        match (self.is_one_of_many(process), is_sender) {
            (true, _) if self.setup.bets => side,
            (true, true) => [side[0], 0, 0, 0, 0, 0],
            (true, false) => [side[0], side[1], side[2], 0, 0, 0],
            (false, _) => side,
        }
    }

    /// One probe.
    pub(super) fn is_dead(&self, local: &mut Local, process: u8) -> bool {
        let bit = 1 << process;
        if self.is_mutant(Mutant::RememberTheDead) && local.remembered & bit != 0 {
            return true;
        }
        let dead = ask(LOCKS + process, Act::Probe) == 0;
        if dead && self.is_mutant(Mutant::RememberTheDead) {
            local.remembered |= bit;
        }
        dead
    }
}

/// Runs one stage to its end.
fn play<S: Arity, R: Arity>(cast: &Cast, local: &mut Local)
where
    S::Sender<R>: Snapshot,
    R::Receiver<S>: Snapshot,
{
    let is_sender = (local.role as usize) < cast.setup.senders();
    local.stage = match local.stage {
        Stage::Enter | Stage::SweepOwn { .. } | Stage::Register { .. } => {
            around::attach_entry(cast, local)
        }
        Stage::Attach => around::attach::<S, R>(cast, local, is_sender),
        Stage::Miss(_) | Stage::Clear { .. } => around::miss(cast, local, is_sender),
        Stage::Patrol { .. } | Stage::Bury { .. } | Stage::MarkClean { .. } => {
            around::patrol(cast, local)
        }
        _ if is_sender => send::<S::Sender<R>>(cast, local),
        _ => receive::<S, R>(cast, local),
    };
    flush();
}

fn send<S: SendSide + Snapshot>(cast: &Cast, local: &mut Local) -> Stage {
    let memory = &cast.places;
    let role = &cast.setup.roles[local.role as usize];
    let errands = match local.life {
        0 => &role.errands,
        _ => &role.heir_errands,
    };
    let Some(errand) = errands.get(local.errand as usize) else {
        return Stage::Done;
    };
    let message = || {
        let first = cast
            .setup
            .message(local.role as usize, local.life, local.errand as usize);
        first + local.sent
    };
    let mut saved = local.side;
    if cast.is_mutant(Mutant::HintLeads) && local.stage == Stage::Bet {
        saved[1] = saved[1].wrapping_add(1);
    }
    let mut side = S::load(saved);
    let next = match local.stage {
        Stage::Errand => match errand {
            Errand::Close => Stage::Close,
            _ => Stage::Begin,
        },
        Stage::Close => {
            memory.cell(Cell::Closed).store(1, Ordering::SeqCst);
            local.errand += 1;
            Stage::Errand
        }
        Stage::Begin => match side.begin(memory) {
            Ok(()) if cast.bets(local.role) && matches!(errand, Errand::Send(1)) => Stage::Bet,
            Ok(()) => Stage::Claim,
            Err(_) => Stage::Done,
        },
        Stage::Bet => match side.try_claim_fast(memory) {
            Some(position) => {
                let offset = cast.codec.offset(position);
                note(Event::Write {
                    offset,
                    message: message(),
                });
                Stage::Publish { position }
            }
            None => Stage::Claim,
        },
        Stage::Claim => match side.claim(memory) {
            Ok(position) => {
                let offset = cast.codec.offset(position);
                note(Event::Write {
                    offset,
                    message: message(),
                });
                match errand {
                    Errand::Abandon => Stage::Abandon { position },
                    _ => Stage::Publish { position },
                }
            }
            Err(ClaimError::Corrupted(impossible)) => {
                note(Event::Wrong(impossible.what));
                Stage::Done
            }
            Err(ClaimError::Closed) => {
                side.end(memory);
                Stage::Done
            }
            Err(stall) => Stage::End {
                stalled: obstacle(stall),
            },
        },
        Stage::Publish { position } => {
            let offset = cast.codec.offset(position);
            let message = message();
            note_with(On::SlotWord, Event::Write { offset, message });
            note_with(On::SlotWord, Event::Publish(message));
            note_with(On::SlotWord, Event::LetGo { offset });
            match errand {
                Errand::Send(2..) => side.publish_in_batch(memory, position),
                _ => side.publish(memory, position),
            }
            local.sent += 1;
            match errand {
                Errand::Send(count) if local.sent < *count => Stage::Claim,
                _ => Stage::End { stalled: None },
            }
        }
        Stage::Abandon { position } => {
            let offset = cast.codec.offset(position);
            note_with(On::SlotWord, Event::LetGo { offset });
            side.abandon(memory, position);
            note(Event::LetGo { offset });
            local.sent += 1;
            Stage::End { stalled: None }
        }
        Stage::End { stalled } => {
            match errand {
                Errand::Send(2..) => side.end_batch(memory),
                _ => side.end(memory),
            }
            let whole = match errand {
                Errand::Send(count) => *count,
                Errand::Abandon => 1,
                Errand::Close => unreachable!(),
            };
            if local.sent == whole {
                if let Errand::Send(count) = errand {
                    let first = message() - count;
                    let count = *count;
                    note(Event::Ok { first, count });
                }
                local.sent = 0;
                local.errand += 1;
                Stage::Errand
            } else {
                Stage::Miss(stalled)
            }
        }
        _ => unreachable!("not a sender's"),
    };
    local.side = cast.remembered(local.role, side.save());
    next
}

fn obstacle(stall: ClaimError) -> Obstacle {
    match stall {
        ClaimError::Held(held) => Some((held.position, held.word.0)),
        _ => None,
    }
}

fn receive<S: Arity, R: Arity>(cast: &Cast, local: &mut Local) -> Stage
where
    R::Receiver<S>: Snapshot,
    S::Sender<R>: Snapshot,
{
    let memory = &cast.places;
    let reception = cast.setup.roles[local.role as usize].reception;
    let reception = reception.expect("a receiver");
    let mut side = <R::Receiver<S>>::load(local.side);
    let claims = |held: &[(u64, u8)]| -> Vec<Claim> {
        let claim = |&(position, attempt): &(u64, u8)| Claim { position, attempt };
        held.iter().map(claim).collect()
    };
    let next = match local.stage {
        Stage::Take(Look::First)
            if !local.has_bet && !reception.leases && cast.bets(local.role) =>
        {
            Stage::BetToTake
        }
        Stage::BetToTake => match side.try_claim_fast(memory) {
            Some(claim) => {
                let offset = cast.codec.offset(claim.position);
                note(Event::Take { offset });
                local.held.push((claim.position, claim.redeliveries));
                Stage::Release
            }
            None => Stage::Follow,
        },
        Stage::Follow => {
            side.catch_up(memory);
            local.has_bet = true;
            Stage::Take(Look::First)
        }
        Stage::Take(_) | Stage::TakeMore => {
            local.has_bet = false;
            let quickly = match local.stage {
                Stage::TakeMore if cast.bets(local.role) => side.try_claim_fast(memory),
                _ => None,
            };
            let result = quickly.map_or_else(|| side.claim(memory), Ok);
            side.made_room();
            match result {
                Ok(claim) => {
                    let offset = cast.codec.offset(claim.position);
                    note(Event::Take { offset });
                    local.held.push((claim.position, claim.redeliveries));
                    if !reception.leases {
                        Stage::Release
                    } else if local.held.len() < reception.batch {
                        Stage::TakeMore
                    } else {
                        Stage::HandOut
                    }
                }
                Err(ClaimError::Corrupted(impossible)) => {
                    note(Event::Wrong(impossible.what));
                    Stage::Done
                }
                Err(stall) => {
                    if cast.is_mutant(Mutant::CountAfterLook) && cast.setup.many_receivers {
                        let mut saved = side.save();
                        let requeues = memory.cell(Cell::Requeues).load(Ordering::Acquire);
                        (saved[1], saved[2]) = (1, requeues);
                        side = Snapshot::load(saved);
                    }
                    after_stall(local.stage, stall)
                }
            }
        }
        Stage::HandOut => {
            side.hand_out(memory);
            for &(position, attempt) in &local.held {
                let offset = cast.codec.offset(position);
                note(Event::Deliver { offset, attempt });
            }
            if local.requeues > 0 {
                local.requeues -= 1;
                Stage::Requeue
            } else {
                Stage::Release
            }
        }
        Stage::Release => {
            let (position, attempt) = local.held.remove(0);
            let offset = cast.codec.offset(position);
            if !reception.leases {
                note_with(On::Acknowledgement, Event::Deliver { offset, attempt });
            }
            note_with(On::Acknowledgement, Event::Acknowledge { offset });
            side.release(memory, Claim { position, attempt });
            if local.held.is_empty() {
                Stage::Take(Look::First)
            } else {
                Stage::Release
            }
        }
        Stage::Requeue => {
            let terms = RedeliveryPolicy {
                redeliver: true,
                ..cast.setup.terms
            };
            for &(position, _) in &local.held {
                let offset = cast.codec.offset(position);
                note_with(On::Any, Event::LetGo { offset });
            }
            side.requeue(memory, claims(&local.held).into_iter(), terms);
            note(Event::GaveBack);
            local.held.clear();
            Stage::Take(Look::First)
        }
        Stage::Settle(obstacle) => {
            side.settle(memory);
            Stage::Miss(obstacle)
        }
        Stage::Quiescent => {
            let at_rest = <S::Sender<R>>::is_quiescent(memory)
                || !S::MULTI && ask(LOCKS, Act::Probe) == 0
                || cast.is_mutant(Mutant::NobodyIsBusy);
            if !at_rest {
                Stage::Take(Look::First)
            } else if cast.is_mutant(Mutant::NoLastLook) {
                note(Event::Closed);
                Stage::Done
            } else {
                Stage::Take(Look::Last)
            }
        }
        _ => unreachable!("not a receiver's"),
    };
    local.side = cast.remembered(local.role, side.save());
    next
}

/// How a receiver goes on that found nothing.
fn after_stall(stage: Stage, stall: ClaimError) -> Stage {
    match (stage, stall) {
        (Stage::TakeMore, _) => Stage::HandOut,
        (Stage::Take(Look::Last), _) => {
            note(Event::Closed);
            Stage::Done
        }
        (_, ClaimError::Contended) => Stage::Take(Look::First),
        (Stage::Take(Look::First), stall) => Stage::Settle(obstacle(stall)),
        (_, ClaimError::NotReady) => Stage::Quiescent,
        (_, stall) => match obstacle(stall) {
            Some((position, word)) => Stage::Clear { position, word },
            None => Stage::Take(Look::First),
        },
    }
}
