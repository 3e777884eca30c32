use std::collections::HashMap;

use memring::RingKind;

use super::*;

fn terms(kind: RingKind, seed: u64) -> Terms {
    let many = |many| if many { 4 } else { 1 };
    Terms {
        target: Target::Ring(kind),
        seed,
        kills: 500,
        senders: many(kind.has_many_senders()),
        receivers: many(kind.has_many_receivers()),
    }
}

fn bouts(kind: RingKind, seed: u64) -> Vec<Bout> {
    Plan::new(terms(kind, seed)).collect()
}

#[test]
fn a_seed_is_a_schedule() {
    for kind in RingKind::ALL {
        assert_eq!(bouts(kind, 7), bouts(kind, 7));
        assert_eq!(
            Plan::new(terms(kind, 7)).processes,
            Plan::new(terms(kind, 7)).processes
        );
        assert_ne!(bouts(kind, 7), bouts(kind, 8));
    }
    assert_ne!(bouts(RingKind::Mpmc, 7), bouts(RingKind::Spsc, 7));
}

#[test]
fn all_kills_are_planned_and_no_more() {
    for kind in RingKind::ALL {
        for kills in [terms(kind, 0).places() as u64, 9, 100, 500] {
            let terms = Terms {
                kills,
                ..terms(kind, 3)
            };
            let strikes = Plan::new(terms).flat_map(|bout| bout.strikes);
            let kills_of = |strike: Strike| match strike.blow {
                Blow::Kill(_) => strike.victims.len() as u64,
                Blow::Stop(_) => 0,
            };
            assert_eq!(strikes.map(kills_of).sum::<u64>(), kills, "{terms:?}");
        }
    }
}

#[test]
fn the_merciful_spare_whom_they_say() {
    for kind in RingKind::ALL {
        let terms = terms(kind, 11);
        let bouts = bouts(kind, 11);
        assert_eq!(bouts[0].mercy, Mercy::All);
        for bout in &bouts {
            let spared = match bout.mercy {
                Mercy::None => terms.places(),
                Mercy::Receivers => terms.senders,
                Mercy::All => 0,
            };
            for strike in &bout.strikes {
                let kills = matches!(strike.blow, Blow::Kill(_));
                assert!(!kills || strike.victims.iter().all(|&place| place < spared));
                assert!(strike.victims.iter().all(|&place| place < terms.places()));
                assert!(!strike.victims.is_empty());
            }
        }
        let last = bouts.last().expect("bouts");
        assert!(last.last);
        let strike = last.strikes.last().expect("strikes");
        assert_eq!(strike.victims.len(), terms.places());
        assert!(strike.successors.is_empty());
    }
}

/// A schedule that always does the same would be a schedule too.
#[test]
fn everything_comes_up() {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut see = |what, yes: bool| *seen.entry(what).or_default() += usize::from(yes);
    for bout in bouts(RingKind::Mpmc, 1) {
        see("stops only", bout.number > 0 && bout.mercy == Mercy::All);
        see("senders only", bout.mercy == Mercy::Receivers);
        for (index, strike) in bout.strikes.iter().enumerate() {
            let several = strike.victims.len() > 1;
            let before = index.checked_sub(1).map(|at| &bout.strikes[at]);
            let same = before.is_some_and(|before| before.victims.contains(&strike.victims[0]));
            match strike.blow {
                Blow::Stop(time) => {
                    see("stop", !several);
                    see("stop several", several);
                    see("stop long", time > 100_000);
                    see("stop briefly", time < 2_000);
                }
                Blow::Kill(then) => {
                    see("kill", !several);
                    see("kill several", several && !bout.last);
                    see("unawaited", then == Await::Nothing);
                    see("awaited", then == Await::Ready);
                    see("dies attaching", then == Await::Attaching);
                    let stopped = before.is_some_and(|at| matches!(at.blow, Blow::Stop(_)));
                    see("kill while stopped", same && stopped);
                    let attaching =
                        before.is_some_and(|at| at.blow == Blow::Kill(Await::Attaching));
                    see("kill an attaching successor", same && attaching);
                }
            }
            for successor in &strike.successors {
                see("in place", successor.verbs == Verbs::InPlace);
                see("by chunks", successor.verbs == Verbs::Chunk);
                see("all verbs", successor.verbs == Verbs::All);
                see("attaches again each time", successor.term == 1);
                see("parks", successor.wait == Wait::Park);
                see("lingers", successor.lingers);
            }
        }
    }
    for (what, count) in seen {
        assert!(count > 0, "never: {what}");
    }
}
