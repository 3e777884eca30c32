//! A sender's calls, and the closing of the ring.

use super::Snapshot;
use super::context::Survivor;
use super::ledger::Record;
use super::mutants::Mutant;
use super::process::{LocalState, On, note, note_with};
use super::scenario::Op;
use super::script::Stage;
use crate::ring::{ClaimError, SendSide, end};

/// What is shown by this change of a word is there.
fn publishes(on: On, offset: u8, message: u8) {
    note_with(on, Record::Write { offset, message });
    note_with(on, Record::Publish(message));
    note_with(on, Record::LetGo { offset });
}

/// A call, or another attempt of one.
fn begin() -> Stage {
    note(Record::Begin);
    Stage::Begin
}

/// The messages of an operation, or the one position that it gives up.
fn whole(op: &Op) -> u8 {
    match op {
        Op::Send(count) | Op::Chunk(count) => *count,
        Op::Abandon => 1,
        Op::Close => unreachable!("it has a stage of its own"),
    }
}

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
        Stage::Missed(None) => return begin(),
        _ => {}
    }
    let Some(op) = ops.get(local.op as usize) else {
        return match context.scenario.detaches {
            true => Stage::Detach,
            false => Stage::Done,
        };
    };
    let process = usize::from(local.process);
    let first_of_op = context
        .scenario
        .message(process, local.life, local.op.into());
    // All of the operation was sent, or given up.
    let sent = |local: &mut LocalState| {
        if let Op::Send(count) | Op::Chunk(count) = *op {
            let first = first_of_op;
            note(Record::Ok { first, count });
        }
        local.sent = 0;
        local.op += 1;
        Stage::NextOp
    };
    let one_to_one = context.scenario.is_one_to_one();
    let mut saved = local.side;
    if context.is_mutant(Mutant::HintLeads) && local.stage == Stage::TryFast {
        saved[1] = saved[1].wrapping_add(1);
    }
    let mut side = S::load(saved);
    let claimed = |position| {
        if let Op::Chunk(_) = op {
            return Stage::Chunk { position };
        }
        let offset = codec.offset(position);
        let message = first_of_op + local.sent;
        note(Record::Write { offset, message });
        match op {
            Op::Abandon => Stage::Abandon { position },
            _ => Stage::Publish { position },
        }
    };
    let next = match local.stage {
        Stage::NextOp => match op {
            Op::Close => Stage::Close,
            _ => begin(),
        },
        Stage::Begin => match side.begin(memory) {
            Ok(()) if context.tries_fast(local.process) && matches!(op, Op::Send(1)) => {
                Stage::TryFast
            }
            Ok(()) if one_to_one && matches!(op, Op::Send(2..)) => Stage::Run,
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
            let message = first_of_op + local.sent;
            publishes(On::Publication, offset, message);
            side.publish(memory, position);
            local.sent += 1;
            match op {
                Op::Send(count) if local.sent < *count && !one_to_one => Stage::Claim,
                _ => Stage::Complete { count: 1 },
            }
        }
        Stage::Run => {
            let Op::Send(count) = *op else {
                unreachable!("only sends are runs")
            };
            let (first, mut written) = (first_of_op + local.sent, 0);
            let left = count - local.sent;
            let sent = side.send_run(memory, left.into(), |position| {
                let (offset, message) = (codec.offset(position), first + written);
                note(Record::Write { offset, message });
                publishes(On::Publication, offset, message);
                written += 1;
            });
            local.sent += sent as u8;
            match sent {
                0 => Stage::Claim,
                sent => Stage::Complete { count: sent as u8 },
            }
        }
        Stage::Chunk { position } => {
            let left = whole(op) - local.sent;
            let mut positions = vec![position];
            side.claim_more(memory, usize::from(left) - 1, &mut positions);
            let messages = first_of_op + local.sent..;
            for (position, message) in positions.iter().zip(messages) {
                let offset = codec.offset(*position);
                note(Record::Write { offset, message });
                publishes(On::PublicationOf(offset), offset, message);
            }
            side.publish_chunk(memory, &positions);
            let count = positions.len() as u8;
            local.sent += count;
            Stage::Complete { count }
        }
        Stage::Complete { count } => match side.complete(memory) {
            true if local.sent == whole(op) => sent(local),
            true => {
                if one_to_one {
                    let first = first_of_op;
                    note(Record::Ok {
                        first,
                        count: local.sent,
                    });
                }
                Stage::Missed(None)
            }
            false => {
                let late = side.count_late(memory) as u8;
                assert!(late <= count, "what was sent before is late");
                let (first, in_time) = (first_of_op, local.sent - late);
                note(Record::Ok {
                    first,
                    count: in_time,
                });
                let first = first + in_time;
                note(Record::Late { first, count: late });
                Stage::Done
            }
        },
        Stage::Abandon { position } => {
            let offset = codec.offset(position);
            note_with(On::Publication, Record::LetGo { offset });
            side.abandon(memory, position);
            note(Record::LetGo { offset });
            local.sent += 1;
            Stage::End { blocker: None }
        }
        Stage::End { blocker } => {
            side.end(memory);
            match local.sent == whole(op) {
                true => sent(local),
                false => Stage::Missed(blocker),
            }
        }
        _ => unreachable!("not a sender's"),
    };
    local.side = context.remembered(local.process, side.save());
    next
}
