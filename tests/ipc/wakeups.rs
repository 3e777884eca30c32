//! Every wake-up that is promised arrives by itself: no sleep here is ended by its cap,
//! which would hide one that is lost.
//!
//! A child raises the cap of its sleeps to half a minute, and waits. Once it is asleep
//! this process does what must wake it, and demands the result within 3 s.

use std::time::{Duration, Instant};

use memring::failpoints::{self, Failpoint};
use memring::{
    Kind, Receiver, RecvError, RecvTimeoutError, Ring, SendError, SendTimeoutError, Sender,
    WaitStrategy,
};
use memring_testkit::boards::Board;
use memring_testkit::children::{Args, Child, Role};
use memring_testkit::forks::ran_in_own_process;
use memring_testkit::homes::{Home, RING};
use memring_testkit::time::LIMIT;
use memring_testkit::{for_each_kind, of_kind};

pub const ROLES: [Role; 1] = [("wakeups sleeper", of_kind!(K => sleeper::<K>))];

/// Every sleep may last for so long.
const CAP: Duration = Duration::from_secs(30);
/// And a wake-up may take so long.
const SOON: Duration = Duration::from_secs(3);
/// The deadline of calls that have one.
const DEADLINE: Duration = Duration::from_millis(200);

const SLOTS: u64 = 4;

/// Words of the board: how many have registered a sleep, and how many are done with it;
/// what each came to; whether they may go.
const ASLEEP: usize = 0;
const DONE: usize = 1;
const LEAVE: usize = 2;
const RESULTS: usize = 3;

/// How calls end: what is received is less.
const SENT: u64 = 1000;
const CLOSED: u64 = 1001;
const DISCONNECTED: u64 = 1002;
const TIMEOUT: u64 = 1003;
const REMOVED: u64 = 1004;

fn passages(point: Failpoint) -> u64 {
    failpoints::reached()[point as usize]
}

/// Attaches, sleeps in one call, and stays attached until all are done: a detachment
/// wakes, too.
fn sleeper<K: Kind>(args: &Args) {
    let board = args.board("board");
    failpoints::raise_sleep_cap(CAP);
    failpoints::watch();
    let ring = Ring::<u64, K>::open(RING).expect("open the ring");
    let call: String = args.get("call");
    let (mut tx, mut rx) = (None, None);
    if call.starts_with("send") {
        tx = Some(ring.sender_with(WaitStrategy::Park).expect("attach"));
    } else {
        rx = Some(ring.receiver_with(WaitStrategy::Park).expect("attach"));
    }
    let came_to = std::thread::scope(|threads| {
        threads.spawn(|| {
            let late = Instant::now() + LIMIT;
            while passages(Failpoint::SleepFenced) == 0 && Instant::now() < late {
                std::thread::sleep(Duration::from_millis(1));
            }
            board.add(ASLEEP, 1);
        });
        match call.as_str() {
            "recv" => match receiver(&mut rx).recv() {
                Ok(number) => number,
                Err(RecvError::Closed) => CLOSED,
                Err(RecvError::Disconnected) => DISCONNECTED,
                Err(RecvError::Removed) => REMOVED,
                Err(other) => panic!("{other}"),
            },
            "recv in time" => match receiver(&mut rx).recv_timeout(DEADLINE) {
                Err(RecvTimeoutError::Timeout(_)) => TIMEOUT,
                other => panic!("{other:?}"),
            },
            "send" => match sender(&mut tx).send(9) {
                Ok(()) => SENT,
                Err(SendError::Closed(_)) => CLOSED,
                Err(SendError::Disconnected(_)) => DISCONNECTED,
                Err(SendError::Removed(_)) => REMOVED,
                Err(other) => panic!("{other}"),
            },
            "send in time" => match sender(&mut tx).send_timeout(9, DEADLINE) {
                Err(SendTimeoutError::Timeout(..)) => TIMEOUT,
                other => panic!("{other:?}"),
            },
            other => panic!("no call {other}"),
        }
    });
    board.set(RESULTS + args.get::<usize>("index"), came_to);
    board.add(DONE, 1);
    board.wait(LEAVE, 1);
}

fn sender<K: Kind>(tx: &mut Option<Sender<u64, K>>) -> &mut Sender<u64, K> {
    tx.as_mut().expect("it sends")
}

fn receiver<K: Kind>(rx: &mut Option<Receiver<u64, K>>) -> &mut Receiver<u64, K> {
    rx.as_mut().expect("it receives")
}

/// A ring, and those that sleep at it.
struct Scene<K: Kind> {
    home: Home,
    board: Board,
    ring: Ring<u64, K>,
    children: Vec<Child>,
}

impl<K: Kind> Scene<K> {
    fn new() -> Self {
        Scene::with_max_deliveries(3)
    }

    fn with_max_deliveries(deliveries: u8) -> Self {
        let home = Home::new();
        let builder = Ring::builder().capacity(SLOTS as usize);
        let builder = builder.max_deliveries(deliveries);
        Scene {
            board: home.board("board", RESULTS + 2),
            ring: builder.create(home.ring()).expect("make a ring"),
            home,
            children: Vec::new(),
        }
    }

    fn sender(&self) -> Sender<u64, K> {
        self.ring.sender().expect("attach a sender")
    }

    fn receiver(&self) -> Receiver<u64, K> {
        self.ring.receiver().expect("attach a receiver")
    }

    /// A sender that has left no room.
    fn fill(&self) {
        let mut tx = self.sender();
        for number in 0..SLOTS {
            tx.try_send(number).expect("there is room");
        }
    }

    /// Starts a child, which goes to sleep in `call`.
    fn sleeps_in(mut self, call: &str) -> Self {
        let index = self.children.len();
        let args: [(&str, &dyn std::fmt::Display); 3] =
            [("kind", &K::KIND), ("call", &call), ("index", &index)];
        let child = self.home.spawn("wakeups sleeper", &args);
        self.board.wait(ASLEEP, index as u64 + 1);
        child.wait_until_asleep();
        self.children.push(child);
        assert_eq!(self.board.get(DONE), 0, "{call} does not wait");
        self
    }

    /// `act` wakes all that sleep, and their calls come to this. The ring stays as long as what
    /// this returns.
    #[track_caller]
    fn woken_by<A>(self, act: impl FnOnce() -> A, expected: &[u64]) -> Home {
        let began = Instant::now();
        let kept = act();
        while self.board.get(DONE) < expected.len() as u64 {
            let asleep = expected.len() as u64 - self.board.get(DONE);
            assert!(
                began.elapsed() < SOON,
                "{asleep} still asleep after {SOON:?}"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        let results = (0..expected.len()).map(|index| self.board.get(RESULTS + index));
        let mut results: Vec<u64> = results.collect();
        results.sort_unstable();
        assert_eq!(results, expected);
        self.board.set(LEAVE, 1);
        drop(kept);
        self.children.into_iter().for_each(Child::finish);
        self.home
    }
}

fn a_message<K: Kind>() {
    let scene = Scene::<K>::new();
    let mut tx = scene.sender();
    scene.sleeps_in("recv").woken_by(|| tx.send(5), &[5]);

    let scene = Scene::<K>::new();
    let mut tx = scene.sender();
    let grant = || tx.reserve().expect("there is room").commit();
    let scene = scene.sleeps_in("recv");
    scene.woken_by(grant, &[0]);
}

fn a_batch<K: Kind>() {
    let scene = Scene::<K>::new();
    let mut tx = scene.sender();
    let scene = scene.sleeps_in("recv");
    scene.woken_by(|| assert_eq!(tx.try_send_slice(&[5, 6]), Ok(2)), &[5]);

    let scene = Scene::<K>::new();
    let mut tx = scene.sender();
    let scene = scene.sleeps_in("recv");
    scene.woken_by(|| assert_eq!(tx.send_slice(&[7, 8, 9]), Ok(3)), &[7]);

    // Of an iterator, each message is announced before the iterator is asked again.
    let scene = Scene::<K>::new();
    let mut tx = scene.sender();
    let (mut scene, mut home) = (Some(scene.sleeps_in("recv")), None);
    let numbers = (5..7).inspect(|number| {
        if *number == 6 {
            home = Some(scene.take().expect("once").woken_by(|| {}, &[5]));
        }
    });
    assert_eq!(tx.send_batch(numbers), Ok(2));
}

fn room<K: Kind>() {
    type Act<K> = fn(&mut Receiver<u64, K>);
    let acts: [Act<K>; 5] = [
        |rx| assert_eq!(rx.recv(), Ok(0)),
        |rx| assert_eq!(rx.try_recv_batch(&mut Vec::new(), 2), Ok(2)),
        |rx| assert_eq!(rx.recv_batch(&mut Vec::new(), 1), Ok(1)),
        |rx| rx.lease().expect("a message").release(),
        |rx| rx.lease_batch(3).expect("messages").release(),
    ];
    for act in acts {
        let scene = Scene::<K>::new();
        let mut rx = scene.receiver();
        scene.fill();
        scene.sleeps_in("send").woken_by(|| act(&mut rx), &[SENT]);
    }
}

/// What was in too many hands is dropped.
fn room_of_what_is_dropped<K: Kind>() {
    let scene = Scene::<K>::with_max_deliveries(1);
    let mut rx = scene.receiver();
    scene.fill();
    let scene = scene.sleeps_in("send");
    scene.woken_by(|| rx.lease().expect("a message").requeue(), &[SENT]);
}

fn closing<K: Kind>() {
    let scene = Scene::<K>::new();
    let (ring, _tx) = (scene.ring.clone(), scene.sender());
    scene.sleeps_in("recv").woken_by(|| ring.close(), &[CLOSED]);

    let scene = Scene::<K>::new();
    let (ring, _rx) = (scene.ring.clone(), scene.receiver());
    scene.fill();
    scene.sleeps_in("send").woken_by(|| ring.close(), &[CLOSED]);
}

/// The process that removes the ring marks it, and wakes all.
fn removal<K: Kind>() {
    for replaced in [false, true] {
        let go = move |path: String| match replaced {
            false => memring::remove(path).expect("remove the ring"),
            true => drop(Ring::<u64, K>::recreate(path, 2).expect("replace the ring")),
        };
        let scene = Scene::<K>::new();
        let path = scene.home.ring();
        scene.sleeps_in("recv").woken_by(|| go(path), &[REMOVED]);

        let scene = Scene::<K>::new();
        let path = scene.home.ring();
        scene.fill();
        scene.sleeps_in("send").woken_by(|| go(path), &[REMOVED]);
    }
}

fn a_last_peer_that_goes<K: Kind>() {
    let scene = Scene::<K>::new();
    let tx = scene.sender();
    let scene = scene.sleeps_in("recv");
    scene.woken_by(|| drop(tx), &[DISCONNECTED]);

    let scene = Scene::<K>::new();
    let rx = scene.receiver();
    scene.fill();
    let scene = scene.sleeps_in("send");
    scene.woken_by(|| drop(rx), &[DISCONNECTED]);
}

fn a_deadline<K: Kind>() {
    let scene = Scene::<K>::new();
    let _tx = scene.sender();
    scene.in_time("recv in time");

    let scene = Scene::<K>::new();
    let _rx = scene.receiver();
    scene.fill();
    scene.in_time("send in time");
}

impl<K: Kind> Scene<K> {
    /// Its own deadline wakes it.
    #[track_caller]
    fn in_time(mut self, call: &str) {
        let args: [(&str, &dyn std::fmt::Display); 3] =
            [("kind", &K::KIND), ("call", &call), ("index", &0)];
        self.children
            .push(self.home.spawn("wakeups sleeper", &args));
        self.board.wait(ASLEEP, 1);
        self.woken_by(|| (), &[TIMEOUT]);
    }
}

/// A receiver waits at the position of a grant, or at the end for a single sender.
fn a_grant_given_up<K: Kind>() {
    let scene = Scene::<K>::new();
    let mut tx = scene.sender();
    if !K::KIND.has_many_senders() {
        let grant = tx.reserve().expect("there is room");
        scene.ring.close().expect("close the ring");
        let scene = scene.sleeps_in("recv");
        scene.woken_by(|| drop(grant), &[CLOSED]);
        return;
    }
    let mut other = scene.sender();
    let grant = tx.reserve().expect("there is room");
    other.try_send(5).expect("there is room");
    let scene = scene.sleeps_in("recv");
    scene.woken_by(|| drop(grant), &[5]);
}

for_each_kind!(
    a_message,
    a_batch,
    room,
    room_of_what_is_dropped,
    closing,
    removal,
    a_last_peer_that_goes,
    a_deadline,
);

// One to one nothing shows a grant, and nobody waits for it.
for_each_kind!([mpsc spmc mpmc] a_grant_given_up);

/// One notification for two messages: the first that wakes has another woken (W3).
fn two_for_a_batch<K: Kind>() {
    let scene = Scene::<K>::new();
    let mut tx = scene.sender();
    let scene = scene.sleeps_in("recv").sleeps_in("recv");
    scene.woken_by(|| tx.send_slice(&[5, 6]), &[5, 6]);
}

/// A message that comes back to the ring is for all.
fn a_message_given_back<K: Kind>() {
    let scene = Scene::<K>::new();
    let (mut tx, mut rx) = (scene.sender(), scene.receiver());
    tx.try_send(5).expect("there is room");
    let lease = rx.lease().expect("a message");
    let scene = scene.sleeps_in("recv");
    scene.woken_by(|| lease.requeue(), &[5]);
}

for_each_kind!([spmc mpmc] two_for_a_batch, a_message_given_back);

/// Likewise room for two.
fn two_for_room<K: Kind>() {
    let scene = Scene::<K>::new();
    let mut rx = scene.receiver();
    scene.fill();
    let scene = scene.sleeps_in("send").sleeps_in("send");
    let act = || assert_eq!(rx.try_recv_batch(&mut Vec::new(), 2), Ok(2));
    scene.woken_by(act, &[SENT, SENT]);
}

for_each_kind!([mpsc mpmc] two_for_room);

/// Heavy and thorough barriers so far.
fn barriers() -> (u64, u64) {
    let heavy = passages(Failpoint::HeavyBarrier);
    (heavy, passages(Failpoint::ThoroughBarrier))
}

/// R17: an end is reported after a barrier, which makes the sends visible that began
/// before.
#[test]
fn no_end_without_a_barrier() {
    if ran_in_own_process() {
        return;
    }
    failpoints::watch();
    barriers_of::<memring::Spsc>();
    barriers_of::<memring::Mpsc>();
    barriers_of::<memring::Spmc>();
    barriers_of::<memring::Mpmc>();
}

fn barriers_of<K: Kind>() {
    let ring = Ring::<u64, K>::anonymous(2).expect("make a ring");
    let mut rx = ring.receiver().expect("attach");
    drop(ring.sender().expect("attach"));
    let (heavy, thorough) = barriers();
    assert_eq!(rx.try_recv(), Err(memring::TryRecvError::Disconnected));
    assert_eq!(barriers(), (heavy + 1, thorough));
    // Concluded once; it is as it was.
    assert_eq!(rx.try_recv(), Err(memring::TryRecvError::Disconnected));
    assert_eq!(barriers(), (heavy + 1, thorough));
    // `close` makes its own, once, and no receiver has to.
    for _ in 0..2 {
        ring.close().expect("close the ring");
        assert_eq!(barriers(), (heavy + 1, thorough + 1));
    }
    for _ in 0..2 {
        assert_eq!(rx.try_recv(), Err(memring::TryRecvError::Closed));
        assert_eq!(barriers(), (heavy + 1, thorough + 1));
    }
    // Another one finds that it was made.
    drop(rx);
    let mut rx = ring.receiver().expect("attach");
    assert_eq!(rx.try_recv(), Err(memring::TryRecvError::Closed));
    assert_eq!(barriers(), (heavy + 1, thorough + 1));
}
