//! A sender's calls, and the closing of the ring.

use super::Snapshot;
use super::context::Survivor;
use super::ledger::Record;
use super::mutants::Mutant;
use super::process::{LocalState, On, note, note_with};
use super::scenario::Op;
use super::script::Stage;
use crate::ring::{ClaimError, SendSide, end};

pub(super) fn send<S: SendSide + Snapshot>(survivor: &Survivor, local: &mut LocalState) -> Stage {
    let context = survivor.context;
    let (memory, codec) = (&context.memory, context.codec);
    let plan = &context.scenario.plans[local.process as usize];
    let ops = match local.life {
        0 => &plan.ops,
        _ => &plan.successor_ops,
    };
    match local.stage {
        Stage::Close => {
            end::close(memory, || {}, || {});
            local.op += 1;
            return Stage::NextOp;
        }
        Stage::Detach => {
            let attached = local.attached.expect("it will detach");
            survivor.members().detach(&attached, true);
            local.attached = None;
            return Stage::Done;
        }
        Stage::Missed(_) if end::is_closed(memory) => return Stage::Done,
        Stage::Missed(Some(blocker)) => return Stage::Reclaim(blocker),
        Stage::Missed(None) => return Stage::Begin,
        _ => {}
    }
    let Some(op) = ops.get(local.op as usize) else {
        return match context.scenario.detaches {
            true => Stage::Detach,
            false => Stage::Done,
        };
    };
    let process = usize::from(local.process);
    let first_message = || {
        context
            .scenario
            .message(process, local.life, local.op.into())
    };
    let mut saved = local.side;
    if context.is_mutant(Mutant::HintLeads) && local.stage == Stage::TryFast {
        saved[1] = saved[1].wrapping_add(1);
    }
    let mut side = S::load(saved);
    let claimed = |position| {
        let offset = codec.offset(position);
        let message = first_message() + local.sent;
        note(Record::Write { offset, message });
        match op {
            Op::Abandon => Stage::Abandon { position },
            _ => Stage::Publish { position },
        }
    };
    let next = match local.stage {
        Stage::NextOp => match op {
            Op::Close => Stage::Close,
            _ => Stage::Begin,
        },
        Stage::Begin => match side.begin(memory) {
            Ok(()) if context.tries_fast(local.process) && matches!(op, Op::Send(1)) => {
                Stage::TryFast
            }
            Ok(()) => Stage::Claim,
            Err(_) => Stage::Done,
        },
        Stage::TryFast => match side.try_claim_fast(memory) {
            Some(position) => claimed(position),
            None => Stage::Claim,
        },
        Stage::Claim => match side.claim(memory) {
            Ok(position) => claimed(position),
            Err(ClaimError::Corrupted(corruption)) => {
                note(Record::Wrong(corruption.what));
                Stage::Done
            }
            Err(ClaimError::Closed) => {
                side.end(memory);
                Stage::Done
            }
            Err(error) => Stage::End {
                blocker: error.blocker(),
            },
        },
        Stage::Publish { position } => {
            let offset = codec.offset(position);
            let message = first_message() + local.sent;
            note_with(On::SlotWord, Record::Write { offset, message });
            note_with(On::SlotWord, Record::Publish(message));
            note_with(On::SlotWord, Record::LetGo { offset });
            match op {
                Op::Send(2..) => side.publish_in_batch(memory, position),
                _ => side.publish(memory, position),
            }
            local.sent += 1;
            match op {
                Op::Send(count) if local.sent < *count => Stage::Claim,
                _ => Stage::End { blocker: None },
            }
        }
        Stage::Abandon { position } => {
            let offset = codec.offset(position);
            note_with(On::SlotWord, Record::LetGo { offset });
            side.abandon(memory, position);
            note(Record::LetGo { offset });
            local.sent += 1;
            Stage::End { blocker: None }
        }
        Stage::End { blocker } => {
            match op {
                Op::Send(2..) => side.end_batch(memory),
                _ => side.end(memory),
            }
            let (whole, count) = match op {
                Op::Send(count) => (*count, *count),
                Op::Abandon => (1, 0),
                Op::Close => unreachable!("it has a stage of its own"),
            };
            if local.sent == whole {
                if count > 0 {
                    let first = first_message();
                    note(Record::Ok { first, count });
                }
                local.sent = 0;
                local.op += 1;
                Stage::NextOp
            } else {
                Stage::Missed(blocker)
            }
        }
        _ => unreachable!("not a sender's"),
    };
    local.side = context.remembered(local.process, side.save());
    next
}
