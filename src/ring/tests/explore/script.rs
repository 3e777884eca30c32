//! What a process does, stage by stage, each of them code of the library; the order is
//! that of the calls in `channel`.

use super::Snapshot;
use super::context::{Context, Survivor};
use super::ledger::Record;
use super::mutants::Mutant;
use super::process::{LocalState, flush, note};
use super::receiver::receive;
use super::sender::send;
use crate::members::{Admits, Role};
use crate::ring::end::{ConcludeStep, End};
use crate::ring::layout::Cell;
use crate::ring::memory::Memory;
use crate::ring::{Arity, Held, ReceiveSide, SendSide, recover};
use crate::sys::atomic::Ordering;

/// Part of a call. What a process knows at the end of a stage is in its local state;
/// how it came to know it is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    Dead,
    Done,
    /// A process that has the lock of an id attaches to the table,
    Enter,
    /// and as a side of the ring.
    Attach,
    /// A waiting process looks for the dead.
    Scan,
    /// Nothing was there, and perhaps a slot is in the way: what now?
    Missed(Option<Held>),
    /// The holder of that slot may be dead.
    Reclaim(Held),

    /// A sender's next operation.
    NextOp,
    Begin,
    /// One of many tries the position after its own last one first.
    TryFast,
    Claim,
    Publish {
        position: u64,
    },
    Abandon {
        position: u64,
    },
    /// One sender of one receiver claims more, and publishes all,
    Chunk {
        position: u64,
    },
    /// or publishes what there is room for,
    Run,
    /// and looks whether the last so many messages came in time.
    Complete {
        count: u8,
    },
    /// The end of an operation, which may have found nothing (see `Missed`).
    End {
        blocker: Option<Held>,
    },
    Close,
    Detach,

    /// A receiver that is one of many looks where it was last,
    TryFastTake,
    /// and if nothing is there, where the others are.
    CatchUp,
    Take,
    TakeMore,
    HandOut,
    /// Of several that it keeps in hand, the first.
    ReleaseFirst,
    Release,
    Requeue,
    /// It makes sure of an end before it reports it.
    Conclude(ConcludeStep, End),
}

/// Runs one stage to its end.
pub(super) fn run_stage<S: Arity, R: Arity>(context: &Context, local: &mut LocalState)
where
    S::Sender<R>: Snapshot,
    R::Receiver<S>: Snapshot,
{
    let survivor = Survivor::new(context, local);
    let is_sender = context.scenario.is_sender(local.process);
    local.stage = match local.stage {
        Stage::Enter => enter(&survivor, local),
        Stage::Attach => attach::<S, R>(context, local),
        Stage::Scan => {
            let own = context.codec.member(local.process);
            let _ = survivor.members().scan(&mut { own.0 }, usize::MAX);
            call_again(is_sender)
        }
        Stage::Reclaim(held) => {
            let policy = context.scenario.policy;
            recover::reclaim(&context.memory, &survivor, held, policy);
            call_again(is_sender)
        }
        _ if is_sender => send::<S::Sender<R>>(&survivor, local),
        _ => receive::<S, R>(&survivor, local),
    };
    flush();
    local.found_dead = survivor.found_dead.get();
}

/// The beginning of a call that tries again.
pub(super) fn call_again(is_sender: bool) -> Stage {
    match is_sender {
        true => Stage::Begin,
        false => Stage::Take,
    }
}

fn enter(survivor: &Survivor, local: &mut LocalState) -> Stage {
    let context = survivor.context;
    let id = context.codec.member(local.process);
    let is_sender = context.scenario.is_sender(local.process);
    // As if the role had this id only: which one is taken is the model's choice.
    let role = Role {
        index: usize::from(!is_sender),
        first: id.0,
        end: id.0 + 1,
    };
    let admits = match context.scenario.is_one_of_many(local.process) {
        true => Admits::Many,
        false => Admits::One,
    };
    let attached = survivor.members().attach(role, admits, 0);
    let attached = attached.expect("the lock is its own");
    if context.scenario.detaches && is_sender {
        local.attached = Some(attached);
    }
    note(Record::GaveBack); // if others have recovered what was held on the id
    Stage::Attach
}

fn attach<S: Arity, R: Arity>(context: &Context, local: &mut LocalState) -> Stage
where
    S::Sender<R>: Snapshot,
    R::Receiver<S>: Snapshot,
{
    let memory = &context.memory;
    let me = context.codec.member(local.process);
    let is_sender = context.scenario.is_sender(local.process);
    let side = match is_sender {
        true => <S::Sender<R>>::attach(memory, me).map(|side| side.save()),
        false => {
            let side = <R::Receiver<S>>::attach(memory, me, context.scenario.policy);
            side.map(|side| side.save())
        }
    };
    match side {
        Ok(side) => local.side = context.remembered(local.process, side),
        Err(corruption) => {
            note(Record::Wrong(corruption.what));
            return Stage::Done;
        }
    }
    if context.is_mutant(Mutant::NoFirstLookBehind) && !is_sender {
        let requeues = memory.cell(Cell::Requeues).load(Ordering::Acquire);
        (local.side[1], local.side[2]) = (1, requeues);
    }
    if context.is_mutant(Mutant::SuccessorHasRoom) && is_sender {
        let [next, _, room, ..] = &mut local.side;
        *room = context
            .memory
            .places()
            .advance(*next, context.scenario.capacity);
    }
    match is_sender {
        true => Stage::NextOp,
        false => Stage::Take,
    }
}
