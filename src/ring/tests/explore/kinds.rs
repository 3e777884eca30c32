use super::engine::Engine;
use super::{Errand, Patrols, Reception, Role, Setup};
use crate::ring::Terms;

#[test]
fn first() {
    let sender = Role { errands: vec![Errand::Send(1)], heir_errands: vec![Errand::Send(1)], reception: None, mortal: true };
    let receiver = Role { errands: vec![], heir_errands: vec![], reception: Some(Reception { leases: true, batch: 1, requeues: 0 }), mortal: true };
    for kills in 0..=1 {
    for (ms, mr) in [(false, false), (true, false), (false, true), (true, true)] {
        for n in [1, 2] {
        for (s, r) in [(1, 1), (1, 2), (2,1), (2, 2)] {
            if s > 1 && !ms || r > 1 && !mr { continue; }
            if kills > 1 && s + r > 2 {continue}
            let mut roles = vec![];
            for _ in 0..s { roles.push(sender.clone()); }
            for _ in 0..r { roles.push(receiver.clone()); }
            let setup = Setup { many_senders: ms, many_receivers: mr, capacity: n, start: 0, terms: Terms { redeliver: true, attempts: 8 }, roles, kills, heirs: true, patrols: Patrols::Receivers, mutant: None };
            let report = Engine::new(setup).run(60_000_000);
            println!("kills {kills} {ms} {mr} n={n} {s}+{r}: states {} finals {} edges {} locals {} {:?}", report.states, report.finals, report.edges, report.locals, report.took);
            if let Some((what, trace)) = report.failure { println!("{what}\n{trace}"); return; }
        }}
    }}
}
