//! Receivers killed while they hold messages.

use std::time::Duration;

use memring::{Kind, OnDeath, RecvTimeoutError, Ring, Side};
use memring_testkit::for_each_kind;
use memring_testkit::holders::{A_WHILE, Scene, expect, get, get_sorted, put};
use memring_testkit::loads::{Line, Load};

fn what_the_dead_held_is_delivered_again_and_marked<K: Kind>() {
    let scene = Scene::<K>::of(8);
    let mut tx = scene.sender();
    put(&mut tx, 0..6);
    scene.hold(Side::Receiver, 3).kill();
    scene.hold(Side::Receiver, 2).kill();
    let mut rx = scene.receiver();
    let got = get_sorted(&mut rx, 6);
    assert_eq!(got, [(0, 2), (1, 2), (2, 1), (3, 0), (4, 0), (5, 0)]);
    assert_eq!(
        rx.try_recv().ok().map(|message| Line::stamp(&message)),
        None
    );
    scene.counted(5, 0);
    // And all of the ring is there for what follows.
    put(&mut tx, 6..14);
    expect(&mut rx, 6..14);
}

for_each_kind!(what_the_dead_held_is_delivered_again_and_marked);

/// A window of messages, of which all but the first came by [`LeaseBatch::extend`].
///
/// [`LeaseBatch::extend`]: memring::LeaseBatch::extend
fn what_the_dead_held_by_extending_is_delivered_again_and_marked<K: Kind>() {
    let scene = Scene::<K>::of(8);
    let mut tx = scene.sender();
    put(&mut tx, 0..6);
    scene.hold_by_extending(4).kill();
    let mut rx = scene.receiver();
    let got = get_sorted(&mut rx, 6);
    assert_eq!(got, [(0, 1), (1, 1), (2, 1), (3, 1), (4, 0), (5, 0)]);
    scene.counted(4, 0);
    put(&mut tx, 6..14);
    expect(&mut rx, 6..14);
}

for_each_kind!(what_the_dead_held_by_extending_is_delivered_again_and_marked);

/// What the dead one had acknowledged does not come again.
fn only_what_the_dead_held_is_delivered_again<K: Kind>() {
    let scene = Scene::<K>::of(64);
    let mut tx = scene.sender();
    put(&mut tx, 0..20);
    // Not so many that senders have been told of the room.
    scene.hold_after(5, Side::Receiver, 2).kill();
    scene.hold_after(3, Side::Receiver, 1).kill();
    let mut rx = scene.receiver();
    let got = get_sorted(&mut rx, 12);
    assert!(
        got.into_iter()
            .eq((8..20).map(|number| (number, u8::from(number == 8))))
    );
    assert!(rx.try_recv().is_err());
}

for_each_kind!(only_what_the_dead_held_is_delivered_again);

/// A receiver that sleeps on an empty ring when another dies finds out.
fn a_sleeping_survivor_gets_what_the_dead_held<K: Kind>() {
    let scene = Scene::<K>::of(4);
    let mut tx = scene.sender();
    put(&mut tx, 0..2);
    let holder = scene.hold(Side::Receiver, 2);
    let mut rx = scene.receiver();
    std::thread::scope(|threads| {
        threads.spawn(|| {
            std::thread::sleep(A_WHILE);
            holder.kill();
        });
        let empty = rx.recv_timeout(Duration::from_millis(50));
        assert_eq!(empty.err(), Some(RecvTimeoutError::Timeout(None)));
        assert_eq!(get_sorted(&mut rx, 2), [(0, 1), (1, 1)]);
    });
}

for_each_kind!([spmc mpmc] a_sleeping_survivor_gets_what_the_dead_held);

fn discarded_messages_are_counted<K: Kind>() {
    let builder = Ring::<Line, K>::builder().capacity(8);
    let scene = Scene::new(builder.on_receiver_death(OnDeath::Discard));
    let mut tx = scene.sender();
    put(&mut tx, 0..8);
    scene.hold(Side::Receiver, 3).kill();
    let mut rx = scene.receiver();
    expect(&mut rx, 3..8);
    let stats = scene.ring.stats();
    assert_eq!((stats.lost, stats.redelivered), (3, 0));
    put(&mut tx, 8..16);
    expect(&mut rx, 8..16);
}

for_each_kind!(discarded_messages_are_counted);

/// A message that kills its receivers does not do so for ever.
fn attempts_come_to_an_end<K: Kind>() {
    let scene = Scene::<K>::new(Ring::builder().capacity(2).max_deliveries(3));
    let mut tx = scene.sender();
    put(&mut tx, 0..1);
    for _ in 0..3 {
        scene.hold(Side::Receiver, 1).kill();
    }
    let mut rx = scene.receiver();
    let empty = rx.recv_timeout(A_WHILE).err();
    assert_eq!(empty, Some(RecvTimeoutError::Timeout(None)));
    let stats = scene.ring.stats();
    assert_eq!((stats.lost, stats.redelivered), (1, 2));
    for number in 1..9 {
        put(&mut tx, number..number + 1);
        assert_eq!(get(&mut rx), (number, 0));
    }
}

for_each_kind!(attempts_come_to_an_end);

/// Positions that senders gave up lie between the messages of the dead.
fn gaps_are_no_messages<K: Kind>() {
    for policy in [OnDeath::Redeliver, OnDeath::Discard] {
        let builder = Ring::<Line, K>::builder().capacity(16);
        let scene = Scene::new(builder.on_receiver_death(policy));
        let mut tx = scene.sender();
        let mut next = 0;
        for _ in 0..20 {
            for part in [1, 2, 1] {
                put(&mut tx, next..next + part);
                next += part;
                drop(tx.try_reserve().expect("there is room"));
            }
            scene.hold(Side::Receiver, 4).kill();
            let mut rx = scene.receiver();
            if policy == OnDeath::Redeliver {
                let got = get_sorted(&mut rx, 4);
                assert!(
                    got.into_iter()
                        .eq((next - 4..next).map(|number| (number, 1)))
                );
            }
            assert!(rx.try_recv().is_err());
        }
        let mut rx = scene.receiver();
        put(&mut tx, next..next + 16);
        expect(&mut rx, next..next + 16);
        match policy {
            OnDeath::Redeliver => scene.counted(next, 0),
            OnDeath::Discard => scene.counted(0, next),
            other => panic!("{other}"),
        }
    }
}

for_each_kind!(gaps_are_no_messages);
