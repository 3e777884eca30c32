//! Where a ring's memory is.

use memring::{Kind, Receiver, Ring, Sender, channel};
use memring_testkit::homes::Home;

/// Both ends of a ring.
pub struct Ends<K: Kind> {
    pub tx: Sender<u64, K>,
    pub rx: Receiver<u64, K>,
    /// Where its name is, if it has one.
    home: Option<Home>,
}

impl<K: Kind> Ends<K> {
    /// The ring's name.
    pub fn name(&self) -> Option<String> {
        self.home.as_ref().map(Home::ring)
    }

    /// Fills a ring of this capacity.
    pub fn fill(&mut self, capacity: usize) {
        for number in 0..capacity {
            assert_eq!(self.tx.try_send(number as u64), Ok(()));
        }
    }

    /// Takes all that is there, and says how many.
    pub fn drain(&mut self) -> usize {
        self.rx.try_iter().count()
    }
}

/// A sort of memory.
pub trait Place {
    fn ends<K: Kind>(capacity: usize) -> Ends<K>;
}

/// A file with a name; each end has it mapped by itself.
pub struct Named;

impl Place for Named {
    fn ends<K: Kind>(capacity: usize) -> Ends<K> {
        let home = Home::new();
        let made = Ring::<u64, K>::create(home.ring(), capacity).expect("make a ring");
        let opened = Ring::<u64, K>::open(home.ring()).expect("open it");
        let (tx, rx) = (made.sender(), opened.receiver());
        Ends {
            tx: tx.expect("attach"),
            rx: rx.expect("attach"),
            home: Some(home),
        }
    }
}

/// Memory without a name, behind one handle.
pub struct Anonymous;

impl Place for Anonymous {
    fn ends<K: Kind>(capacity: usize) -> Ends<K> {
        let ring = Ring::<u64, K>::anonymous(capacity).expect("make a ring");
        let (tx, rx) = (ring.sender(), ring.receiver());
        Ends {
            tx: tx.expect("attach"),
            rx: rx.expect("attach"),
            home: None,
        }
    }
}

/// Both ends at once, for threads.
pub struct Heap;

impl Place for Heap {
    fn ends<K: Kind>(capacity: usize) -> Ends<K> {
        let (tx, rx) = channel::<u64, K>(capacity).expect("make a channel");
        Ends { tx, rx, home: None }
    }
}
