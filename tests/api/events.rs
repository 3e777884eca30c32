//! What a subscriber of `tracing` hears.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use memring::{Mpmc, Ring, Spsc};
use memring_testkit::forks;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

/// Every event, as one line.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.0 = format!("{value:?}{}", self.0),
            name => self.0 += &format!(" {name}={value:?}"),
        }
    }
}

impl Subscriber for Heard {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "memring"
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        let level = event.metadata().level();
        self.0.lock().unwrap().push(format!("{level} {}", line.0));
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// A receiver dies with two messages in hand, in a ring of many and in one of single sides.
#[test]
#[cfg_attr(feature = "portable", ignore = "it passes a descriptor")]
fn a_takeover_and_what_it_gave_back() {
    fn told<K: memring::Kind>() -> Vec<String> {
        let ring = Ring::<u64, K>::anonymous(4).unwrap();
        let fd = ring.share_fd().unwrap();
        let mut tx = ring.sender().unwrap();
        tx.send(1).unwrap();
        tx.send(2).unwrap();
        let died = forks::fork_checked(|| {
            let mut rx = Ring::<u64, K>::from_fd(fd).unwrap().receiver().unwrap();
            let batch = rx.lease_batch(2).unwrap();
            std::mem::forget(batch);
            std::process::exit(0)
        });
        assert!(died.succeeded());
        let heard = Heard::default();
        tracing::subscriber::with_default(heard.clone(), || {
            let mut rx = ring.receiver().unwrap();
            assert_eq!(heard_marked(&mut rx), [1, 2]);
        });
        heard.take()
    }
    fn heard_marked<K: memring::Kind>(rx: &mut memring::Receiver<u64, K>) -> Vec<u64> {
        let batch = rx.lease_batch(2).unwrap();
        assert!(batch.iter().all(|message| message.is_redelivered()));
        let numbers = batch.iter().map(|message| message.read()).collect();
        batch.release();
        numbers
    }
    for told in [told::<Spsc>(), told::<Mpmc>()] {
        let recovered = "WARN recovered what a dead endpoint held \
                         ring=(anonymous) redelivered=2 lost=0";
        assert!(told.iter().any(|line| line == recovered), "{told:#?}");
    }
    let one = told::<Spsc>();
    let starts = |line: &String, text: &str| line.starts_with(text);
    assert!(
        one.iter()
            .any(|line| starts(line, "DEBUG endpoint attached")),
        "{one:#?}"
    );
    assert!(
        one.iter()
            .any(|line| starts(line, "INFO endpoint takes over")),
        "{one:#?}"
    );
    assert!(
        one.iter()
            .any(|line| starts(line, "DEBUG endpoint detached")),
        "{one:#?}"
    );
}

#[test]
fn leases_that_are_given_back_and_the_path() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ring");
    let ring = Ring::<u64, Spsc>::create(&path, 4).unwrap();
    let mut tx = ring.sender().unwrap();
    let mut rx = ring.receiver().unwrap();
    tx.send(1).unwrap();
    let heard = Heard::default();
    tracing::subscriber::with_default(heard.clone(), || drop(rx.lease().unwrap()));
    let line = &heard.take()[0];
    assert!(line.starts_with("DEBUG messages given back"), "{line}");
    assert!(line.contains(&format!("ring={}", path.display())), "{line}");
    assert!(line.contains("messages=1"), "{line}");
}
