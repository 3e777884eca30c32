//! Fairness, by counts: nothing that is always ready keeps another from its turn.

use memring::{Kind, Ring, Select, Spsc, select};
use memring_testkit::for_each_kind;

const ROUNDS: usize = 1000;

fn a_set_goes_round<K: Kind>() {
    let rings: Vec<_> = (0..4)
        .map(|_| Ring::<u64, K>::anonymous(1).unwrap())
        .collect();
    let mut txs: Vec<_> = rings.iter().map(|ring| ring.sender().unwrap()).collect();
    let mut rxs: Vec<_> = rings.iter().map(|ring| ring.receiver().unwrap()).collect();
    // Of ring 0 and 2 there is always a message; ring 1 and 3 have always room.
    txs[0].send(0).unwrap();
    txs[2].send(2).unwrap();
    let mut select = Select::new();
    let mut counts = [0; 4];
    for (index, (tx, rx)) in txs.iter_mut().zip(&mut rxs).enumerate() {
        match index % 2 {
            0 => drop(select.recv(rx)),
            _ => drop(select.send(tx)),
        }
    }
    for round in 0..ROUNDS {
        counts[if round % 2 == 0 {
            select.ready()
        } else {
            select.try_ready().unwrap()
        }] += 1;
    }
    assert_eq!(counts, [ROUNDS / 4; 4]);
}

/// Each evaluation begins at random.
fn arms_take_turns<K: Kind>() {
    let rings = [0; 3].map(|_| Ring::<u64, K>::anonymous(1).unwrap());
    let [mut first_tx, mut second_tx, mut third_tx] =
        rings.each_ref().map(|ring| ring.sender().unwrap());
    let [mut first, mut second, mut third] = rings.each_ref().map(|ring| ring.receiver().unwrap());
    first_tx.send(0).unwrap();
    second_tx.send(0).unwrap();
    let mut counts = [0; 3];
    for round in 0..ROUNDS as u64 {
        select! {
            recv(first) -> message => {
                message.unwrap();
                counts[0] += 1;
                first_tx.send(round).unwrap();
            }
            recv(second) -> message => {
                message.unwrap();
                counts[1] += 1;
                second_tx.send(round).unwrap();
            }
            send(third_tx, round) -> sent => {
                sent.unwrap();
                counts[2] += 1;
                assert_eq!(third.recv(), Ok(round));
            }
        }
    }
    // A third of them each: the deviation is 15.
    assert!(
        counts.iter().all(|count| (250..420).contains(count)),
        "{counts:?}"
    );
}

for_each_kind!(a_set_goes_round, arms_take_turns);

/// Two that alternate must not each see the same start.
#[test]
fn two_in_turn_are_fair_each() {
    let ring = || Ring::<u64, Spsc>::anonymous(1).unwrap();
    let rings = [ring(), ring()];
    let mut txs = [rings[0].sender().unwrap(), rings[1].sender().unwrap()];
    let mut rxs = [rings[0].receiver().unwrap(), rings[1].receiver().unwrap()];
    txs.iter_mut().for_each(|tx| tx.send(0).unwrap());
    let mut counts = [[0; 2]; 2];
    for round in 0..2 * ROUNDS {
        let [first, second] = &mut rxs;
        let which = select! {
            recv(first) -> message => { message.unwrap(); 0 },
            recv(second) -> message => { message.unwrap(); 1 },
        };
        counts[round % 2][which] += 1;
        txs[which].send(0).unwrap();
    }
    let fair = counts
        .as_flattened()
        .iter()
        .all(|count| (400..600).contains(count));
    assert!(fair, "{counts:?}");
}
