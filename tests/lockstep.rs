//! Every kind of ring against a `VecDeque`, across processes: one process
//! sends, another receives, a third says what each does next and what must
//! come of it.

#[path = "common/mod.rs"]
mod common;

use std::collections::VecDeque;
use std::time::Instant;

use common::board::Board;
use common::child::{self, Args, Child, LIMIT};
use common::home::Home;
use memring::{
    Kind, Mpmc, Mpsc, Receiver, Ring, RingKind, Sender, Spmc, Spsc, TryRecvError, TrySendError,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// The entry of child processes; in an ordinary run it does nothing.
#[test]
fn child() {
    child::enter(&[("lockstep", lockstep)]);
}

/// What a process is told to do next.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(u64)]
enum Order {
    /// Open the ring of that number and attach, in the place of what was.
    Open,
    /// Detach and attach anew.
    Reattach,
    Send,
    /// Send so many.
    SendBatch,
    Commit,
    Abandon,
    /// Leak a grant; the next order finds it.
    Forget,
    Receive,
    /// Receive up to so many.
    ReceiveBatch,
    Lease,
    /// Lease and give back: single receivers only, whose order stays.
    Requeue,
}

const ALL: [Order; 11] = [
    Order::Open,
    Order::Reattach,
    Order::Send,
    Order::SendBatch,
    Order::Commit,
    Order::Abandon,
    Order::Forget,
    Order::Receive,
    Order::ReceiveBatch,
    Order::Lease,
    Order::Requeue,
];

const SENDING: [Order; 6] = [
    Order::Send,
    Order::SendBatch,
    Order::Commit,
    Order::Abandon,
    Order::Forget,
    Order::Reattach,
];

const RECEIVING: [Order; 5] = [
    Order::Receive,
    Order::ReceiveBatch,
    Order::Lease,
    Order::Requeue,
    Order::Reattach,
];

// Words of the board between the test and one process.
const ASKED: usize = 0;
const ORDER: usize = 1;
const OPERAND: usize = 2;
const ANSWERED: usize = 3;
const COUNT: usize = 4;
const VALUE: usize = 5;

/// A count that says: nothing, for the ring is full or empty.
const NOTHING: u64 = u64::MAX;

/// Another process, and the board that it obeys.
struct Puppet {
    board: Board,
    asked: u64,
    _child: Child,
}

impl Puppet {
    fn new(home: &Home, kind: RingKind, side: &str) -> Puppet {
        let board = home.board(&format!("{kind}-{side}"), 8);
        let child = home.spawn("lockstep", &[("kind", &kind), ("side", &side)]);
        Puppet {
            board,
            asked: 0,
            _child: child,
        }
    }

    /// Has it carry out one order: how many messages moved, and which last.
    fn obey(&mut self, order: Order, operand: u64) -> (u64, u64) {
        self.asked += 1;
        self.board.set(ORDER, order as u64);
        self.board.set(OPERAND, operand);
        self.board.set(ASKED, self.asked);
        await_word(&self.board, ANSWERED, self.asked);
        (self.board.get(COUNT), self.board.get(VALUE))
    }
}

fn await_word(board: &Board, index: usize, value: u64) {
    let late = Instant::now() + LIMIT;
    while board.get(index) != value {
        assert!(Instant::now() < late, "word {index} never became {value}");
        std::thread::yield_now();
    }
}

fn lockstep(args: &Args) {
    let side: String = args.get("side");
    match args.get::<RingKind>("kind") {
        RingKind::Spsc => play::<Spsc>(args, &side),
        RingKind::Mpsc => play::<Mpsc>(args, &side),
        RingKind::Spmc => play::<Spmc>(args, &side),
        RingKind::Mpmc => play::<Mpmc>(args, &side),
    }
}

/// One process: carries out orders for ever; dies with its parent.
fn play<K: Kind>(args: &Args, side: &str) {
    let board = args.board(&format!("{}-{side}", K::KIND));
    let mut ring: Option<Ring<u64, K>> = None;
    let mut sender: Option<Sender<u64, K>> = None;
    let mut receiver: Option<Receiver<u64, K>> = None;
    for turn in 1.. {
        await_word(&board, ASKED, turn);
        let order = ALL[board.get(ORDER) as usize];
        let operand = board.get(OPERAND);
        let (count, value) = match order {
            Order::Open | Order::Reattach => {
                (sender, receiver) = (None, None);
                if order == Order::Open {
                    let name = format!("{}-{operand}", K::KIND);
                    ring = Some(Ring::open(&name).expect("the test has made it"));
                }
                let ring = ring.as_ref().expect("opened first");
                match side {
                    "sender" => sender = Some(ring.sender().expect("nobody else sends")),
                    _ => receiver = Some(ring.receiver().expect("nobody else receives")),
                }
                (0, 0)
            }
            Order::Send | Order::SendBatch | Order::Commit | Order::Abandon | Order::Forget => {
                send(sender.as_mut().expect("attached"), order, operand)
            }
            _ => receive(receiver.as_mut().expect("attached"), order, operand),
        };
        board.set(COUNT, count);
        board.set(VALUE, value);
        board.set(ANSWERED, turn);
    }
}

/// `operand` is the first message; of a batch, its low byte is the length.
fn send<K: Kind>(sender: &mut Sender<u64, K>, order: Order, operand: u64) -> (u64, u64) {
    let sent = match order {
        Order::Send => sender
            .try_send(operand)
            .map(|()| 1)
            .map_err(|error| error.map_away()),
        Order::SendBatch => {
            let messages = (operand >> 8)..(operand >> 8) + (operand & 0xff);
            sender
                .try_send_batch(messages)
                .map(|count| count as u64)
                .or_else(|error| match error.sent {
                    0 => Err(error.cause.map_away()),
                    sent => Ok(sent as u64),
                })
        }
        _ => match sender.try_reserve() {
            Ok(mut grant) => match order {
                Order::Commit => {
                    grant.write(operand).expect("it fits");
                    grant.commit().expect("a sound ring");
                    Ok(1)
                }
                Order::Abandon => {
                    drop(grant);
                    Ok(0)
                }
                _ => {
                    std::mem::forget(grant);
                    Ok(0)
                }
            },
            Err(error) => Err(error.map_away()),
        },
    };
    match sent {
        Ok(count) => (count, 0),
        Err(TrySendError::Full(())) => (NOTHING, 0),
        Err(error) => panic!("{error}"),
    }
}

/// Forgets the message in an error.
trait MapAway {
    fn map_away(self) -> TrySendError<()>;
}

impl<M> MapAway for TrySendError<M> {
    fn map_away(self) -> TrySendError<()> {
        match self {
            TrySendError::Full(_) => TrySendError::Full(()),
            TrySendError::Closed(_) => TrySendError::Closed(()),
            TrySendError::Disconnected(_) => TrySendError::Disconnected(()),
            TrySendError::Failed(_, failure) => TrySendError::Failed((), failure),
        }
    }
}

/// The value is a digest of the messages in order.
fn receive<K: Kind>(receiver: &mut Receiver<u64, K>, order: Order, operand: u64) -> (u64, u64) {
    let received = match order {
        Order::Receive => receiver.try_recv().map(|message| vec![message]),
        Order::ReceiveBatch => {
            let mut messages = Vec::new();
            let count = receiver.try_recv_batch(&mut messages, operand as usize);
            count.map(|_| messages)
        }
        _ => receiver.try_lease().map(|lease| {
            let message = lease.read();
            match order {
                Order::Requeue => lease.requeue(),
                _ => lease.release(),
            }
            vec![message]
        }),
    };
    match received {
        Ok(messages) => (messages.len() as u64, digest(messages.into_iter())),
        Err(TryRecvError::Empty) => (NOTHING, 0),
        Err(error) => panic!("{error}"),
    }
}

fn digest(messages: impl Iterator<Item = u64>) -> u64 {
    messages.fold(0, |sum, message| {
        sum.wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(message)
    })
}

/// What a ring ought to do: messages in order, and the places of claims that
/// were given up behind a message, which take up room until they are passed.
struct Model {
    places: VecDeque<Option<u64>>,
    capacity: usize,
    gaps: bool,
    forgotten: bool,
}

impl Model {
    fn is_full(&self) -> bool {
        self.places.len() == self.capacity
    }

    /// A claim that was given up; a single sender's was never seen.
    fn gap(&mut self) {
        if self.gaps {
            self.places.push_back(None);
            self.pass_gaps();
        }
    }

    fn pass_gaps(&mut self) {
        while self.places.front() == Some(&None) {
            self.places.pop_front();
        }
    }

    fn pop(&mut self) -> Option<u64> {
        let message = self.places.pop_front().flatten();
        self.pass_gaps();
        message
    }

    /// The next order to a sender finds the grant that was leaked.
    fn settle_forgotten(&mut self) {
        if std::mem::take(&mut self.forgotten) {
            self.gap();
        }
    }
}

#[derive(Clone, Debug)]
struct Case {
    capacity: usize,
    start: u64,
    orders: Vec<(Order, u64)>,
}

fn cases() -> impl Strategy<Value = Case> {
    let sending = (0..SENDING.len(), 1..6u64).prop_map(|(which, many)| (SENDING[which], many));
    let receiving =
        (0..RECEIVING.len(), 1..6u64).prop_map(|(which, many)| (RECEIVING[which], many));
    let order = prop_oneof![sending, receiving];
    let start = prop_oneof![Just(0), Just(u64::MAX - 2), Just((1 << 50) - 3)];
    (0..4u32, start, vec(order, 1..120)).prop_map(|(power, start, orders)| Case {
        capacity: 1 << power,
        start,
        orders,
    })
}

fn check<K: Kind>(
    case: &Case,
    number: u64,
    ring: &str,
    sender: &mut Puppet,
    receiver: &mut Puppet,
) -> Result<(), TestCaseError> {
    let builder = Ring::<u64, K>::builder().capacity(case.capacity);
    let made = builder.start_position(case.start).create(ring);
    let _ring = made.expect("a fresh name");
    let mut model = Model {
        places: VecDeque::new(),
        capacity: case.capacity,
        gaps: K::KIND.has_many_senders(),
        forgotten: false,
    };
    // Both sides first, so that nobody finds the other side gone.
    for puppet in [&mut *sender, &mut *receiver] {
        puppet.obey(Order::Open, number);
    }
    let mut next = 1;
    let mut requeued = 0;
    for &(order, many) in &case.orders {
        if SENDING.contains(&order) && order != Order::Reattach {
            model.settle_forgotten();
            let room = model.capacity - model.places.len();
            let (moved, operand) = match order {
                Order::Send | Order::Commit => (1, next),
                Order::SendBatch => (many, next << 8 | many),
                _ => (0, 0),
            };
            let expected = if model.is_full() {
                NOTHING
            } else {
                moved.min(room as u64)
            };
            let (count, _) = sender.obey(order, operand);
            prop_assert_eq!(count, expected, "{:?} into {:?}", order, &model.places);
            if count == NOTHING {
                continue;
            }
            model.places.extend((next..next + count).map(Some));
            next += moved;
            match order {
                Order::Abandon => model.gap(),
                Order::Forget => model.forgotten = true,
                _ => {}
            }
        } else if order == Order::Reattach {
            // Not while a grant is out: the other side would be gone.
            model.settle_forgotten();
            sender.obey(order, 0);
            receiver.obey(order, 0);
        } else {
            let order = match order {
                // The ring drops a message that is given back too often.
                Order::Requeue if K::KIND.has_many_receivers() || requeued == 6 => Order::Lease,
                order => order,
            };
            let most = if order == Order::ReceiveBatch {
                many as usize
            } else {
                1
            };
            let there = model.places.iter().flatten().copied();
            let messages: Vec<u64> = there.take(most).collect();
            let expected = match messages.len() as u64 {
                0 => (NOTHING, 0),
                count => (count, digest(messages.iter().copied())),
            };
            // A leaked grant of one of many senders stands in the way of all
            // that comes later; there is nothing later, for it is the last.
            let answer = receiver.obey(order, many);
            prop_assert_eq!(answer, expected, "{:?} from {:?}", order, &model.places);
            if order == Order::Requeue {
                requeued += 1;
            } else {
                requeued = 0;
                for _ in &messages {
                    model.pop();
                }
            }
        }
    }
    Ok(())
}

fn agrees_with_a_queue<K: Kind>() {
    let home = Home::new();
    let mut sender = Puppet::new(&home, K::KIND, "sender");
    let mut receiver = Puppet::new(&home, K::KIND, "receiver");
    let mut number = 0;
    let mut runner = TestRunner::new(Config {
        cases: 40,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    });
    let both = std::cell::RefCell::new((&mut sender, &mut receiver, &mut number));
    let outcome = runner.run(&cases(), |case| {
        let mut both = both.borrow_mut();
        let (sender, receiver, number) = &mut *both;
        **number += 1;
        let ring = home.named(&format!("{}-{number}", K::KIND));
        check::<K>(&case, **number, &ring, sender, receiver)
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[test]
fn spsc_agrees_with_a_queue() {
    agrees_with_a_queue::<Spsc>();
}

#[test]
fn mpsc_agrees_with_a_queue() {
    agrees_with_a_queue::<Mpsc>();
}

#[test]
fn spmc_agrees_with_a_queue() {
    agrees_with_a_queue::<Spmc>();
}

#[test]
fn mpmc_agrees_with_a_queue() {
    agrees_with_a_queue::<Mpmc>();
}
