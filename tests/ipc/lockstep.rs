//! Several processes in lockstep with the oracle: each has endpoints of one
//! ring, this one says which makes the next call, and every answer is known.

use std::cell::RefCell;
use std::fmt::Debug;
use std::thread;
use std::time::Instant;

use memring::{Kind, Ring};
use memring_testkit::boards::Board;
use memring_testkit::children::{Args, Child, Role};
use memring_testkit::homes::Home;
use memring_testkit::kinds::Cloning;
use memring_testkit::oracle::{
    Answer, Bytes, Call, Endpoints, Figures, Format, Oracle, Payload, Step, World, check, strategy,
};
use memring_testkit::time::LIMIT;
use memring_testkit::{for_each_kind, of_kind};
use proptest::collection::vec;
use proptest::test_runner::{Config, TestRunner};

/// What the children of these tests do.
pub const ROLES: [Role; 2] = [
    ("lockstep words", of_kind!(K => obey::<u64, K>)),
    ("lockstep bytes", of_kind!(K => obey::<Bytes<40>, K>)),
];

// The words of a board between this process and another.
const ASKED: usize = 0;
const ANSWERED: usize = 1;
/// The number of a ring to open first, or 0.
const RING: usize = 2;
const CALL: usize = 3;
const ANSWER: usize = 5;
const WORDS: usize = ANSWER + Answer::MAX_WORDS;

/// Another process, and the board by which it is told what to do.
struct Remote {
    board: Board,
    asked: u64,
    child: Child,
}

impl Remote {
    fn new<K: Kind>(home: &Home, role: &str, number: usize) -> Remote {
        let name = format!("board-{number}");
        let board = home.board(&name, WORDS);
        let child = home.spawn(role, &[("kind", &K::KIND), ("board", &name)]);
        let asked = 0;
        Remote {
            board,
            asked,
            child,
        }
    }

    fn open(&mut self, ring: u64) {
        self.board.set(RING, ring);
        self.ask(&"open the ring");
    }

    fn carry_out(&mut self, call: &Call) -> Answer {
        self.board.set(RING, 0);
        for (index, word) in call.to_words().into_iter().enumerate() {
            self.board.set(CALL + index, word);
        }
        self.ask(call);
        let answer = (ANSWER..WORDS).map(|index| self.board.get(index));
        Answer::from_words(&answer.collect::<Vec<u64>>())
    }

    fn ask(&mut self, what: &dyn Debug) {
        self.asked += 1;
        self.board.set(ASKED, self.asked);
        let check = || assert!(self.child.is_running(), "ended, asked to {what:?}");
        wait_for(&self.board, ANSWERED, self.asked, check);
    }
}

/// Offers the processor until the word at `index` is `value`.
fn wait_for(board: &Board, index: usize, value: u64, mut check: impl FnMut()) {
    let late = Instant::now() + LIMIT;
    let mut polls = 0u32;
    while board.get(index) != value {
        polls += 1;
        if polls.is_multiple_of(1024) {
            check();
            assert!(Instant::now() < late, "word {index} never became {value}");
        }
        thread::yield_now();
    }
}

/// One process: makes calls for ever; dies with its parent.
fn obey<P: Payload, K: Cloning>(args: &Args) {
    let board = args.board(&args.get::<String>("board"));
    let mut endpoints: Option<Endpoints<P, K>> = None;
    for turn in 1.. {
        wait_for(&board, ASKED, turn, || {});
        match board.get(RING) {
            0 => {
                let call = Call::from_words([board.get(CALL), board.get(CALL + 1)]);
                let answer = endpoints.as_mut().expect("a ring").carry_out(&call);
                for (index, word) in answer.to_words().into_iter().enumerate() {
                    board.set(ANSWER + index, word);
                }
            }
            ring => {
                drop(endpoints.take());
                let ring = Ring::open(name(ring)).expect("the parent has made it");
                endpoints = Some(Endpoints::new(ring));
            }
        }
        board.set(ANSWERED, turn);
    }
}

fn name(ring: u64) -> String {
    format!("ring-{ring}")
}

/// A ring whose endpoints are in other processes.
struct Lockstep<'r, P: Payload, K: Kind> {
    ring: Ring<P::Message, K>,
    remotes: &'r mut [Remote],
}

impl<P: Payload, K: Kind> World for Lockstep<'_, P, K> {
    fn carry_out(&mut self, call: &Call) -> Answer {
        self.remotes[call.process].carry_out(call)
    }

    fn figures(&self) -> Figures {
        Figures::of(&self.ring)
    }
}

/// One of each side first, in different processes; then the steps.
fn sequence(steps: &[Step]) -> Vec<Step> {
    let mut all = vec![
        Step::AttachSender { process: 0 },
        Step::AttachReceiver { process: 1 },
    ];
    all.extend(steps);
    all
}

fn agrees<P: Payload, K: Cloning>(role: &str, processes: usize, cases: u32) {
    let home = Home::new();
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 200,
        // All of it has to end before the test counts as hanging.
        max_shrink_time: 20_000,
        ..Config::default()
    });
    let state = RefCell::new((Vec::new(), 0u64));
    let plan = (strategy::config(), vec(strategy::step(), 1..120));
    let run = runner.run(&plan, |(config, steps)| {
        let (remotes, number) = &mut *state.borrow_mut();
        *number += 1;
        if !remotes
            .iter_mut()
            .all(|remote: &mut Remote| remote.child.is_running())
        {
            remotes.clear(); // one has failed in the case before
        }
        while remotes.len() < processes {
            let board = *number as usize * processes + remotes.len();
            remotes.push(Remote::new::<K>(&home, role, board));
        }
        let made = config.builder::<P, K>().create(home.named(&name(*number)));
        let ring = made.expect("a fresh name");
        remotes.iter_mut().for_each(|remote| remote.open(*number));
        let pids = remotes.iter().map(|remote| remote.child.pid()).collect();
        let oracle = Oracle::new(K::KIND, &config, Format::of::<P>(), pids);
        check(
            oracle,
            &mut Lockstep::<P, K> { ring, remotes },
            &sequence(&steps),
        );
        memring::remove(home.named(&name(*number))).expect("the ring");
        Ok(())
    });
    if let Err(error) = run {
        panic!("{error}");
    }
}

fn two_processes_agree_with_the_oracle<K: Cloning>() {
    agrees::<u64, K>("lockstep words", 2, 40);
}

fn three_processes_agree_with_the_oracle<K: Cloning>() {
    agrees::<Bytes<40>, K>("lockstep bytes", 3, 20);
}

for_each_kind!(
    two_processes_agree_with_the_oracle,
    three_processes_agree_with_the_oracle,
);
