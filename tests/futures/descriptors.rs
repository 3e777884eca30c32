//! Descriptors in event loops: epoll as in C, and Python's `selectors`.

use std::io::{BufRead, BufReader};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use memring::{
    AttachError, Kind, Mpmc, Ring, Spsc, TryRecvError, TrySendError, WaitStrategy, Wakeups,
};
use memring_testkit::for_each_kind;
use memring_testkit::forks::ran_in_own_process;
use memring_testkit::time::in_time;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::executors::raise_cap;

const A_WHILE: Duration = Duration::from_millis(30);

/// Whether it is readable within so many seconds.
fn is_readable(fd: impl AsFd, seconds: i64) -> bool {
    let (tv_sec, tv_nsec) = (seconds, 0);
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec { tv_sec, tv_nsec })).unwrap() == 1
}

/// Far below the cap.
const SOON: i64 = 5;

fn readable_when_there_is_a_message<K: Kind>() {
    raise_cap();
    let ring = Ring::<u64, K>::anonymous(4).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let fd = rx.ready_fd().unwrap();
    assert!(!is_readable(&fd, 0));
    for number in 0..50 {
        tx.try_send(number).unwrap();
        assert!(is_readable(&fd, SOON), "message {number}");
        assert_eq!(rx.rearm().ok(), Some(true), "there is a message");
        assert!(is_readable(&fd, 0));
        assert_eq!(rx.try_recv(), Ok(number));
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(rx.rearm().ok(), Some(false));
        assert!(!is_readable(&fd, 0), "cleared");
    }
    assert_eq!(fd.as_raw_fd(), rx.ready_fd().unwrap().as_raw_fd());
    ring.close().unwrap();
    assert!(is_readable(&fd, SOON));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));
    assert_eq!(rx.rearm().ok(), Some(true), "the end is something to do");
}

fn readable_when_there_is_room<K: Kind>() {
    raise_cap();
    let ring = Ring::<u64, K>::anonymous(2).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let fd = tx.ready_fd().unwrap();
    assert!(is_readable(&fd, 0), "there is room");
    let mut next = 0;
    for taken in 0..50 {
        while tx.try_send(next).is_ok() {
            next += 1;
        }
        assert_eq!(tx.rearm().ok(), Some(false));
        assert!(!is_readable(&fd, 0));
        assert_eq!(rx.try_recv(), Ok(taken));
        assert!(is_readable(&fd, SOON), "room {taken}");
    }
    assert!(!matches!(tx.try_send(next), Err(TrySendError::Full(_))));
    assert_eq!(tx.rearm().ok(), Some(false));
    drop(rx);
    assert!(is_readable(&fd, SOON), "the last receiver has gone");
}

/// A loop over several rings, edge-triggered or not, of which threads send to each.
fn epoll_loop(edge: EventFlags) {
    raise_cap();
    in_time(move || {
        const MESSAGES: u64 = 3000;
        let rings: Vec<_> = (0..3)
            .map(|_| Ring::<u64, Spsc>::anonymous(4).unwrap())
            .collect();
        let epoll = epoll::create(CreateFlags::CLOEXEC).unwrap();
        let mut receivers: Vec<_> = rings.iter().map(|ring| ring.receiver().unwrap()).collect();
        for (at, rx) in receivers.iter_mut().enumerate() {
            let (fd, data) = (rx.ready_fd().unwrap(), EventData::new_u64(at as u64));
            epoll::add(&epoll, &fd, data, EventFlags::IN | edge).unwrap();
        }
        let senders: Vec<_> = rings
            .iter()
            .map(|ring| {
                let mut tx = ring.sender().unwrap();
                thread::spawn(move || {
                    for number in 0..MESSAGES {
                        tx.send(number).unwrap();
                        if number % 64 == 0 {
                            thread::yield_now();
                        }
                    }
                    tx
                })
            })
            .collect();
        let mut next = [0; 3];
        while next.iter().sum::<u64>() < 3 * MESSAGES {
            let mut events = Vec::with_capacity(8);
            let (tv_sec, tv_nsec) = (SOON, 0);
            let limit = Timespec { tv_sec, tv_nsec };
            let space = rustix::buffer::spare_capacity(&mut events);
            epoll::wait(&epoll, space, Some(&limit)).unwrap();
            assert!(!events.is_empty(), "no wake-up: {next:?}");
            for event in events {
                let at = event.data.u64() as usize;
                loop {
                    match receivers[at].try_recv() {
                        Ok(number) => {
                            assert_eq!(number, next[at]);
                            next[at] += 1;
                        }
                        Err(TryRecvError::Empty | TryRecvError::Held(_)) => {
                            if !receivers[at].rearm().unwrap() {
                                break;
                            }
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        }
        for sender in senders {
            sender.join().unwrap();
        }
    });
}

#[test]
fn epoll_by_level() {
    epoll_loop(EventFlags::empty());
}

#[test]
fn epoll_by_edge() {
    epoll_loop(EventFlags::ET);
}

/// What the user of a descriptor does not do is not kept from another: the wake-up goes on.
#[test]
fn a_descriptor_takes_no_wake_up_from_a_call_that_blocks() {
    raise_cap();
    in_time(|| {
        let ring = Ring::<u64, Mpmc>::anonymous(4).unwrap();
        let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        let mut other = ring.receiver_with(WaitStrategy::Park).unwrap();
        let fd = rx.ready_fd().unwrap();
        thread::sleep(A_WHILE);
        let blocked = thread::spawn(move || other.recv());
        thread::sleep(A_WHILE);
        tx.try_send(6).unwrap();
        assert_eq!(blocked.join().unwrap(), Ok(6));
        assert!(is_readable(&fd, SOON));
    });
}

/// A child of another language inherits the descriptor, and polls it, as `docs/async.md` shows.
#[test]
fn python_waits_by_selectors() {
    raise_cap();
    let ring = Ring::<u64, Spsc>::anonymous(4).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let fd = rx.ready_fd().unwrap();
    let inherited: OwnedFd = rustix::io::dup(&fd).unwrap(); // without close-on-exec
    let document = include_str!("../../docs/async.md");
    let (_, script) = document.split_once("```python\n").unwrap();
    let (script, _) = script.split_once("```").unwrap();
    let mut python = Command::new("python3");
    python.args(["-c", script, &inherited.as_raw_fd().to_string()]);
    let mut python = match python.stdout(Stdio::piped()).spawn() {
        Ok(python) => python,
        Err(error) => {
            println!("skipped: cannot start python3: {error}");
            return;
        }
    };
    let mut said = BufReader::new(python.stdout.take().unwrap()).lines();
    assert_eq!(said.next().unwrap().unwrap(), "waits");
    assert!(!is_readable(&fd, 0), "readable at once");
    tx.try_send(8).unwrap();
    in_time(move || assert_eq!(said.next().unwrap().unwrap(), "readable"));
    assert!(python.wait().unwrap().success());
    assert_eq!(rx.try_recv(), Ok(8));
}

#[test]
fn rings_of_spinners_have_none() {
    let ring = Ring::<u64, Spsc>::builder().wakeups(Wakeups::SpinOnly);
    let mut rx = ring.capacity(2).anonymous().unwrap().receiver().unwrap();
    assert!(matches!(rx.ready_fd(), Err(AttachError::CannotPark)));
}

for_each_kind! {
    readable_when_there_is_a_message,
    readable_when_there_is_room,
}

/// A message makes the descriptor readable once, however near its sender is: what is passed
/// on to others does not come back.
#[test]
fn a_message_is_told_once() {
    if ran_in_own_process() {
        return; // beside tests that raise caps
    }
    in_time(|| {
        const MESSAGES: u64 = 100;
        let ring = Ring::<u64, Spsc>::anonymous(8).unwrap();
        let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        let sending = thread::spawn(move || {
            for number in 0..MESSAGES {
                tx.send(number).unwrap();
                thread::sleep(Duration::from_millis(5));
            }
            tx
        });
        let fd = rx.ready_fd().unwrap();
        let (mut received, mut wakes) = (0, 0);
        while received < MESSAGES {
            let mut polled = [PollFd::new(&fd, PollFlags::IN)];
            poll(&mut polled, None).unwrap();
            wakes += 1;
            while let Ok(number) = rx.try_recv() {
                assert_eq!(number, received);
                received += 1;
            }
            rx.rearm().unwrap();
        }
        drop(sending.join().unwrap());
        assert!(wakes <= MESSAGES + MESSAGES / 2, "{wakes} wake-ups");
    });
}
