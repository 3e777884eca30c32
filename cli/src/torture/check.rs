//! The contract, held against the ledger when everything has come to rest: the ring is empty, and
//! no process holds a message.

use std::sync::atomic::Ordering;

use serde::Serialize;

use super::account::{Stamp, about};
use super::ledger::{BASE, BEGUN, CHUNK, Count, DONE, FINAL, HIGHEST, Hands, Ledger, OWNER};

/// Maximum delivery attempts: the most that a ring takes, for nothing may be dropped.
pub const MAX_DELIVERIES: u8 = 15;

/// What else is known of the time since the audit before.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circumstances {
    /// Processes killed.
    pub kills: u64,
    /// Of these, receivers.
    pub receivers_killed: u64,
    /// What they held.
    pub dead: Hands,
    /// Whether messages that a dead receiver held are dropped.
    pub discards: bool,
    /// What the ring counted as lost.
    pub lost: u64,
    /// What the ring counted as redelivered.
    pub redelivered: u64,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Messages whose sending returned `Ok`.
    pub sent: u64,
    /// Messages received, each counted once.
    pub received: u64,
    /// Messages whose sending was cut short by a kill.
    pub cut_short: u64,
    /// How often a message was given back, by the ring's count.
    pub redelivered: u64,
    /// Messages dropped, by the ring's count.
    pub lost: u64,
    /// Messages that killed receivers took with them, acknowledged: sent and not received.
    pub taken_along: u64,
}

impl Figures {
    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        Figures {
            sent: self.sent + other.sent,
            received: self.received + other.received,
            cut_short: self.cut_short + other.cut_short,
            redelivered: self.redelivered + other.redelivered,
            lost: self.lost + other.lost,
            taken_along: self.taken_along + other.taken_along,
        }
    }
}

/// Receipts so far, of which only what was added since the audit before is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receipts {
    marked: u64,
    presumed: u64,
    requeued: u64,
}

impl Receipts {
    /// As the ledger has them now.
    pub fn of(ledger: &Ledger) -> Self {
        Receipts {
            marked: ledger.total(Count::Marked),
            presumed: ledger.total(Count::Presumed),
            requeued: ledger.total(Count::Requeued),
        }
    }
}

/// What the cells say.
#[derive(Default)]
struct Cells {
    figures: Figures,
    /// Sent, and not received by a process that wrote it down.
    missing: u64,
    first_missing: Option<Stamp>,
    /// Received, and never acknowledged.
    open: u64,
    first_open: Option<Stamp>,
    /// Given back as often as the ring allows.
    spent: u64,
}

/// Check all that was sent and received since the audit before. The error says what must not be.
pub fn audit(ledger: &Ledger, before: Receipts, about: &Circumstances) -> Result<Figures, String> {
    if let Some(accusation) = ledger.accusation() {
        return Err(accusation);
    }
    let cells = look(ledger)?;
    let after = Receipts::of(ledger);
    let requeued = after.requeued - before.requeued;
    let repeated = (after.marked + after.presumed) - (before.marked + before.presumed);
    let Circumstances {
        kills,
        receivers_killed,
        dead,
        discards,
        lost,
        redelivered,
    } = *about;

    // What killed receivers took along, acknowledged, whether for the first time or when it had
    // come again; and what they had just released. The rest of what they held came
    // again, or was dropped and counted.
    let gone = cells.missing.saturating_sub(dead.received);
    let excused = dead.releasing + dead.received.saturating_sub(cells.missing);
    let open = cells.open.saturating_sub(excused);
    if gone > lost {
        return Err(format!(
            "{} was sent and never received: {} are missing, killed receivers held {} of \
             them at most, {lost} counted as lost",
            name(cells.first_missing),
            cells.missing,
            dead.received
        ));
    }
    if gone + open > lost {
        return Err(format!(
            "{} was leased, never acknowledged, and did not come again: {} of these, killed \
             receivers held {excused} of them at most, {lost} counted as lost",
            name(cells.first_open),
            cells.open
        ));
    }
    let in_hand = dead.leased + dead.releasing;
    let (droppable, excess) = match discards {
        true => (in_hand + cells.spent, kills),
        // A process that drops a message given back too often may be killed meanwhile as well.
        false => (cells.spent, kills.min(cells.spent)),
    };
    if lost > droppable + excess || (receivers_killed == 0 && lost > cells.spent) {
        return Err(format!(
            "the ring counted {lost} messages as lost, expected {droppable} at most, and {excess} \
             for {kills} kills"
        ));
    }
    let given_back = match discards {
        true => requeued,
        false => requeued + in_hand,
    };
    if receivers_killed == 0 && redelivered != requeued {
        return Err(format!(
            "the ring counted {redelivered} messages as redelivered, but no receiver was killed, \
             and {requeued} were given back by their receivers: one that was alive lost one"
        ));
    }
    if redelivered > given_back + kills {
        return Err(format!(
            "the ring counted {redelivered} messages as redelivered, but {given_back} at most were \
             given back, and {kills} processes killed: one that was alive lost one"
        ));
    }
    if repeated > redelivered {
        return Err(format!(
            "{repeated} messages came again, but the ring counted {redelivered} as redelivered"
        ));
    }
    Ok(Figures {
        redelivered,
        lost,
        taken_along: cells.missing.saturating_sub(lost),
        ..cells.figures
    })
}

fn look(ledger: &Ledger) -> Result<Cells, String> {
    let mut cells = Cells::default();
    for chunk in 0..ledger.chunks() {
        let owner = ledger.chunk(chunk, OWNER);
        let (begun, done) = (ledger.chunk(chunk, BEGUN), ledger.chunk(chunk, DONE));
        cells.figures.sent += done;
        cells.figures.cut_short += begun.saturating_sub(done);
        for offset in 0..CHUNK {
            let cell = chunk * CHUNK + offset;
            let found = ledger.cell(cell).load(Ordering::Acquire);
            let stamp = Stamp {
                cell: cell as u32,
                incarnation: owner.wrapping_sub(1) as u32,
                number: ledger.chunk(chunk, BASE) + offset as u64,
            };
            let offset = offset as u64;
            if found == 0 {
                if offset < done {
                    cells.missing += 1;
                    cells.first_missing.get_or_insert(stamp);
                }
                continue;
            }
            if offset >= begun || owner == 0 {
                return Err(about(stamp, None, "and its sending was never begun"));
            }
            cells.figures.received += 1;
            if found & FINAL == 0 {
                cells.open += 1;
                cells.first_open.get_or_insert(stamp);
            }
            cells.spent += u64::from(found & HIGHEST >= u64::from(MAX_DELIVERIES));
        }
    }
    Ok(cells)
}

fn name(stamp: Option<Stamp>) -> String {
    stamp.map_or_else(
        || "a message".to_owned(),
        |stamp| {
            format!(
                "message {} of incarnation {} of a sender",
                stamp.number, stamp.incarnation
            )
        },
    )
}

#[cfg(test)]
mod tests;
