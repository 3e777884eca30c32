//! What a doomed process does until it is killed or stopped at its point, and
//! what it does after it was stopped.

use std::str::FromStr;
use std::time::Duration;

use memring::failpoints;
use memring::{Receiver, RecvTimeoutError, Ring, SendError, Sender, TryRecvError, WaitStrategy};
use memring_testkit::children::Args;
use memring_testkit::homes::RING;
use memring_testkit::kinds::Cloning;
use memring_testkit::loads::{Load, Pair, Stamp};
use memring_testkit::progress::{MOST, Progress};
use memring_testkit::verbs::{self, Verb};

use super::cases::Plan;
use super::table::Program;
use super::traffic::PASSAGES;

/// The doomed process is the first incarnation of a sender.
pub const DOOMED: u64 = 0;

/// How long it waits for a message before it does something else.
const SHORT: Duration = Duration::from_millis(20);

impl FromStr for Program {
    type Err = String;

    fn from_str(word: &str) -> Result<Program, String> {
        use Program::*;
        [
            Send,
            Receive,
            RepairAsSender,
            RepairAsReceiver,
            SucceedAsSender,
            SucceedAsReceiver,
            LeaveAsSender,
            LeaveAsReceiver,
            Close,
            SendLate,
            SendSliceLate,
        ]
        .into_iter()
        .find(|program| format!("{program:?}") == word)
        .ok_or_else(|| format!("no program {word}"))
    }
}

struct Doomed<K: Cloning> {
    ring: Ring<Pair, K>,
    progress: Progress,
    plan: Plan,
    number: u64,
}

pub fn doomed<K: Cloning>(args: &Args) {
    let builder = Ring::<Pair, K>::builder().wait_through_disconnect(true);
    let mut doomed = Doomed {
        ring: builder.open(RING).expect("open the ring"),
        progress: Progress::open(args),
        plan: args.get("plan"),
        number: 0,
    };
    let is_unharmed = doomed.plan.0.is_empty();
    if is_unharmed {
        failpoints::watch();
    }
    match args.get("program") {
        Program::Send => doomed.send(),
        Program::Receive => doomed.receive(),
        Program::RepairAsSender => doomed.repair_as_sender(),
        Program::RepairAsReceiver => doomed.repair_as_receiver(),
        Program::SucceedAsSender => doomed.succeed_as_sender(),
        Program::SucceedAsReceiver => doomed.succeed_as_receiver(),
        Program::LeaveAsSender => doomed.leave_as_sender(),
        Program::LeaveAsReceiver => doomed.leave_as_receiver(),
        Program::Close => doomed.close(),
        Program::SendLate => doomed.send_late(),
        Program::SendSliceLate => doomed.send_slice_late(),
    }
    if is_unharmed {
        let passages = args.board(PASSAGES);
        for (index, count) in failpoints::reached().into_iter().enumerate() {
            passages.set(index, count);
        }
    }
}

impl<K: Cloning> Doomed<K> {
    fn sender(&self) -> Sender<Pair, K> {
        let tx = self.ring.sender_with(WaitStrategy::Park);
        tx.expect("a place for a sender")
    }

    fn receiver(&self) -> Receiver<Pair, K> {
        let rx = self.ring.receiver_with(WaitStrategy::Park);
        rx.expect("a place for a receiver")
    }

    fn is_stopping(&self) -> bool {
        self.progress.is_stopping() || self.number + 32 > MOST
    }

    fn send_some(&mut self, tx: &mut Sender<Pair, K>, verb: Verb, count: u64) {
        let to = self.number + count;
        self.progress.begin(DOOMED, to);
        verbs::send(tx, verb, DOOMED, self.number, to).expect("send");
        self.progress.done(DOOMED, to);
        self.number = to;
    }

    fn send(&mut self) {
        self.plan.arm();
        while !self.is_stopping() {
            let mut tx = self.sender();
            for verb in [Verb::One, Verb::InPlace, Verb::Batch] {
                self.send_some(&mut tx, verb, 3);
            }
            if let Some(mut clone) = K::clone_sender(&tx) {
                self.send_some(&mut clone, Verb::One, 1);
            }
            std::thread::sleep(Duration::from_millis(3)); // let receivers sleep
        }
    }

    /// Writes a lease down while it is in this process's hands.
    fn lease_one(&mut self, rx: &mut Receiver<Pair, K>) {
        match rx.lease_timeout(SHORT) {
            Ok(lease) => {
                self.progress
                    .received(Pair::stamp(&lease.read()), lease.redeliveries());
                lease.release();
            }
            Err(RecvTimeoutError::Timeout(_)) => {}
            Err(end) => panic!("{end}"),
        }
    }

    fn receive(&mut self) {
        self.plan.arm();
        while !self.is_stopping() {
            let mut rx = self.receiver();
            self.lease_one(&mut rx);
            match rx.try_lease_batch(3) {
                Ok(batch) => {
                    for message in batch.iter() {
                        self.progress
                            .received(Pair::stamp(&message.read()), message.redeliveries());
                    }
                    batch.release();
                }
                Err(TryRecvError::Empty | TryRecvError::Held(_)) => {}
                Err(end) => panic!("{end}"),
            }
            // Acknowledged before they can be written down: these may go with us.
            self.progress.hands(1);
            if let Ok(message) = rx.recv_timeout(SHORT) {
                self.progress.received_unmarked(Pair::stamp(&message));
            }
            self.progress.hands(3);
            let mut batch = Vec::new();
            if rx.try_recv_batch(&mut batch, 3).is_ok() {
                for message in &batch {
                    self.progress.received_unmarked(Pair::stamp(message));
                }
            }
            self.progress.hands(0);
            if let Ok(lease) = rx.lease_timeout(SHORT) {
                lease.requeue();
            }
            if let Some(mut clone) = K::clone_receiver(&rx) {
                self.lease_one(&mut clone);
            }
            std::thread::sleep(Duration::from_millis(3)); // let senders fill the ring
        }
    }

    fn repair_as_sender(&mut self) {
        let mut tx = self.sender();
        self.progress.ready();
        self.progress.wait_for_go();
        self.plan.arm();
        while !self.is_stopping() {
            self.progress.begin(DOOMED, self.number + 1);
            let made = Pair::make(Stamp {
                sender: DOOMED,
                number: self.number,
            });
            if tx.send_timeout(made, SHORT).is_ok() {
                self.number += 1;
                self.progress.done(DOOMED, self.number);
            }
        }
    }

    fn repair_as_receiver(&mut self) {
        let mut rx = self.receiver();
        self.progress.ready();
        self.progress.wait_for_go();
        self.plan.arm();
        while !self.progress.is_stopping() {
            self.lease_one(&mut rx);
        }
    }

    fn succeed_as_sender(&mut self) {
        self.plan.arm();
        let mut tx = self.sender();
        while !self.is_stopping() {
            self.send_some(&mut tx, Verb::One, 1);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn succeed_as_receiver(&mut self) {
        self.plan.arm();
        let mut rx = self.receiver();
        while !self.progress.is_stopping() {
            self.lease_one(&mut rx);
        }
    }

    fn leave_as_sender(&mut self) {
        let mut tx = self.sender();
        self.send_some(&mut tx, Verb::One, 1);
        // The other side finds nothing and somebody here: it will remember.
        std::thread::sleep(2 * SHORT);
        self.plan.arm();
        drop(tx);
    }

    fn leave_as_receiver(&mut self) {
        let mut rx = self.receiver();
        self.lease_one(&mut rx);
        std::thread::sleep(2 * SHORT); // likewise
        self.plan.arm();
        drop(rx);
    }

    fn send_late(&mut self) {
        let mut tx = self.sender();
        self.progress.begin(DOOMED, 1);
        self.plan.arm();
        let sent = tx.send(Pair::numbered(0));
        match sent {
            Ok(()) => self.progress.done(DOOMED, 1),
            Err(error) => assert!(matches!(error, SendError::Closed(_)), "{error}"),
        }
    }

    fn send_slice_late(&mut self) {
        let mut tx = self.sender();
        let all: Vec<Pair> = (0..8).map(Pair::numbered).collect();
        self.progress.begin(DOOMED, 8);
        self.plan.arm();
        match tx.send_slice(&all) {
            Ok(sent) => self.progress.done(DOOMED, sent as u64),
            Err(error) => {
                assert_eq!(error.cause, SendError::Closed(()));
                self.progress.done(DOOMED, error.sent as u64);
            }
        }
    }

    /// The closing, and the end as a receiver reports it.
    fn close(&mut self) {
        let mut rx = self.receiver();
        self.plan.arm();
        self.ring.close().expect("close the ring");
        loop {
            match rx.lease() {
                Ok(lease) => {
                    self.progress
                        .received(Pair::stamp(&lease.read()), lease.redeliveries());
                    lease.release();
                }
                Err(end) => {
                    assert_eq!(end, memring::RecvError::Closed);
                    return;
                }
            }
        }
    }
}
