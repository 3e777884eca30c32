//! Ledgers forged, to see that each breach is found, and that what is allowed is.

use tempfile::TempDir;

use super::super::account::{Receiving, Sending};
use super::super::load::{Load, check};
use super::*;

const DEAD: Circumstances = Circumstances {
    kills: 1,
    receivers_killed: 1,
    dead: Hands {
        received: 1,
        leased: 2,
        releasing: 0,
    },
    discards: false,
    lost: 0,
    redelivered: 0,
};

fn calm() -> Circumstances {
    Circumstances::default()
}

/// A ledger, and a sender that has sent ten messages.
fn ten() -> (TempDir, Ledger, Vec<Stamp>) {
    let dir = tempfile::tempdir().expect("directory");
    let ledger = Ledger::create(&dir.path().join("ledger")).expect("ledger");
    let mut sending = Sending::new(&ledger, 5);
    assert_eq!(sending.room(), CHUNK);
    let stamps = (0..10).map(|ahead| sending.stamp(ahead)).collect();
    sending.begin(10);
    sending.done(10);
    (dir, ledger, stamps)
}

fn receive(receiving: &mut Receiving, stamp: Stamp, redeliveries: u8) -> Result<(), String> {
    assert_eq!(receiving.find(stamp.cell), Ok(stamp));
    receiving.note(stamp, Some(redeliveries))?;
    receiving.acknowledge(stamp);
    Ok(())
}

fn verdict(ledger: &Ledger, about: &Circumstances) -> Result<Figures, String> {
    audit(ledger, Receipts::default(), about)
}

#[track_caller]
fn broken(ledger: &Ledger, about: &Circumstances, word: &str) {
    let error = verdict(ledger, about).expect_err("a breach");
    assert!(error.contains(word), "{error}");
}

#[test]
fn a_good_run_adds_up() {
    let (_dir, ledger, stamps) = ten();
    let mut leases = Receiving::new(&ledger, 1);
    let mut plain = Receiving::new(&ledger, 2);
    for stamp in &stamps[..5] {
        receive(&mut leases, *stamp, 0).expect("good");
    }
    for stamp in &stamps[5..] {
        plain.note(*stamp, None).expect("good");
    }
    let figures = verdict(&ledger, &calm()).expect("good");
    assert_eq!((figures.sent, figures.received), (10, 10));
    ledger.empty();
    assert_eq!(verdict(&ledger, &calm()).expect("empty").received, 0);
}

#[test]
fn a_lost_message_is_found() {
    let (_dir, ledger, stamps) = ten();
    let mut receiving = Receiving::new(&ledger, 0);
    for stamp in stamps.iter().filter(|stamp| stamp.number != 7) {
        receive(&mut receiving, *stamp, 0).expect("good");
    }
    broken(&ledger, &calm(), "message 7 of incarnation 5");
    // A receiver that was killed in recv may have held one, and no other.
    assert_eq!(verdict(&ledger, &DEAD).expect("allowed").taken_along, 1);
    let mut leasing = DEAD;
    leasing.dead.received = 0;
    broken(&ledger, &leasing, "never received");
    // Or the ring has dropped and counted it.
    leasing.discards = true;
    leasing.lost = 1;
    assert_eq!(verdict(&ledger, &leasing).expect("allowed").lost, 1);
}

#[test]
fn a_doubled_message_is_found() {
    let (_dir, ledger, stamps) = ten();
    let mut receiving = Receiving::new(&ledger, 0);
    let mut another = Receiving::new(&ledger, 1);
    receive(&mut receiving, stamps[0], 0).expect("good");
    for redeliveries in [Some(0), Some(1), None] {
        let error = another.note(stamps[0], redeliveries).expect_err("a breach");
        assert!(error.contains("again after it was acknowledged"), "{error}");
    }
    // Not acknowledged: it may come again, each time with a higher mark.
    receiving.note(stamps[1], Some(0)).expect("good");
    let error = another.note(stamps[1], Some(0)).expect_err("a breach");
    assert!(error.contains("without a mark"), "{error}");
    another.note(stamps[1], Some(2)).expect("good");
    let error = receiving.note(stamps[1], Some(1)).expect_err("a breach");
    assert!(error.contains("without a higher mark"), "{error}");
    receiving.note(stamps[1], Some(3)).expect("good");
}

#[test]
fn a_repetition_must_be_one_that_the_ring_counted() {
    let (_dir, ledger, stamps) = ten();
    let mut receiving = Receiving::new(&ledger, 0);
    for stamp in &stamps {
        receiving.note(*stamp, Some(0)).expect("good");
    }
    for stamp in &stamps[2..] {
        receiving.acknowledge(*stamp);
    }
    let mut another = Receiving::new(&ledger, 1);
    receive(&mut another, stamps[0], 1).expect("good");
    another.note(stamps[1], None).expect("presumed");
    broken(&ledger, &DEAD, "2 messages came again");
    let counted = Circumstances {
        redelivered: 2,
        ..DEAD
    };
    verdict(&ledger, &counted).expect("allowed");
    let alive = Circumstances {
        redelivered: 2,
        ..calm()
    };
    broken(&ledger, &alive, "one that was alive lost one");
    another.requeue(2);
    verdict(&ledger, &alive).expect("given back by themselves");
    let robbed = Circumstances {
        redelivered: 6,
        ..DEAD
    };
    broken(&ledger, &robbed, "one that was alive lost one");
}

#[test]
fn a_message_that_nobody_sent_is_found() {
    let (_dir, ledger, stamps) = ten();
    let receiving = Receiving::new(&ledger, 0);
    for cell in [10, CHUNK as u32, u32::MAX] {
        assert!(receiving.find(cell).is_err(), "cell {cell}");
    }
    let mut receiving = Receiving::new(&ledger, 0);
    for stamp in stamps {
        receive(&mut receiving, stamp, 0).expect("good");
    }
    ledger.cell(10).store(1, Ordering::Relaxed);
    broken(&ledger, &calm(), "never begun");
}

#[test]
fn messages_out_of_order_are_found() {
    let (_dir, ledger, stamps) = ten();
    let mut receiving = Receiving::new(&ledger, 0);
    receive(&mut receiving, stamps[1], 0).expect("good");
    let error = receive(&mut receiving, stamps[0], 0).expect_err("a breach");
    assert!(error.contains("out of order"), "{error}");
    // A call that does not show redeliveries: it must have been given back, and was not.
    let (_dir, ledger, stamps) = ten();
    let mut receiving = Receiving::new(&ledger, 0);
    for at in [1, 0, 2, 3, 4, 5, 6, 7, 8, 9] {
        receiving.note(stamps[at], None).expect("presumed");
    }
    broken(&ledger, &calm(), "came again");
}

#[test]
fn a_torn_message_is_found() {
    let (_dir, ledger, stamps) = ten();
    let receiving = Receiving::new(&ledger, 0);
    let mut message = <[u64; 8]>::make(stamps[3]);
    message[5] ^= 1 << 40;
    let found = super::super::load::cell(<[u64; 8]>::bytes(&message)).expect("a cell");
    let stamp = receiving.find(found).expect("begun");
    let error = check(stamp, 64, <[u64; 8]>::bytes(&message)).expect_err("a breach");
    assert!(error.contains("torn"), "{error}");
}

#[test]
fn losses_must_be_accounted_for() {
    let (_dir, ledger, stamps) = ten();
    let mut receiving = Receiving::new(&ledger, 0);
    for stamp in stamps {
        receive(&mut receiving, stamp, 0).expect("good");
    }
    let lost = |lost, discards| Circumstances {
        lost,
        discards,
        ..DEAD
    };
    verdict(&ledger, &lost(3, true)).expect("two were leased, one is too many by a kill");
    broken(&ledger, &lost(4, true), "counted 4 messages as lost");
    broken(&ledger, &lost(1, false), "counted 1 messages as lost");
    let alive = Circumstances {
        lost: 1,
        discards: true,
        kills: 1,
        ..calm()
    };
    broken(&ledger, &alive, "counted 1 messages as lost");
}

#[test]
fn a_lease_is_not_left_open() {
    let (_dir, ledger, stamps) = ten();
    let mut receiving = Receiving::new(&ledger, 0);
    for stamp in stamps {
        receiving.note(stamp, Some(0)).expect("good");
        if stamp.number > 1 {
            receiving.acknowledge(stamp);
        }
    }
    broken(&ledger, &calm(), "message 0 of incarnation 5");
    // Leased by the dead: these must come again.
    let dead = |received, releasing| Circumstances {
        dead: Hands {
            received,
            leased: 2,
            releasing,
        },
        ..DEAD
    };
    broken(&ledger, &dead(0, 0), "did not come again: 2 of these");
    // Or they are dropped, and all of them counted.
    let dropped = |lost| Circumstances {
        lost,
        discards: true,
        ..dead(0, 0)
    };
    broken(&ledger, &dropped(1), "did not come again");
    verdict(&ledger, &dropped(2)).expect("allowed");
    // Killed between the release and the note of it; or having received one that came again.
    broken(&ledger, &dead(0, 1), "did not come again");
    broken(&ledger, &dead(1, 0), "did not come again");
    verdict(&ledger, &dead(0, 2)).expect("allowed");
    verdict(&ledger, &dead(1, 1)).expect("allowed");
}

#[test]
fn an_accusation_is_kept_and_the_first_counts() {
    let (_dir, ledger, _) = ten();
    assert_eq!(ledger.accusation(), None);
    let long = "x".repeat(5000);
    ledger.accuse("first");
    ledger.accuse(&long);
    assert_eq!(ledger.accusation().as_deref(), Some("first"));
    broken(&ledger, &calm(), "first");
    let (_dir, ledger, _) = ten();
    ledger.accuse(&long);
    assert!(
        ledger
            .accusation()
            .is_some_and(|text| long.starts_with(&text))
    );
}
