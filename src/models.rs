//! What the loom models of all floors share: exploring, threads, and death.
//!
//! loom runs a model through every interleaving, and every value that a load
//! may return, up to the bound that the model names (none: all of them). It takes
//! `SeqCst` accesses for `AcqRel` ones (fences it takes for what they are): it
//! allows more than the language does, so what holds here rests on the fences alone.
//! It keeps the last seven values of an atomic.
//!
//! Each model names the faults that were put into the code once, to see it fail.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool as Flag, AtomicUsize as Count, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use loom::sync::atomic::AtomicBool;
use loom::thread;

use crate::sys::atomic::Ordering;

/// Explores a model, with at most `preemptions` forced switches, or all.
pub(crate) fn explore(
    name: &str,
    preemptions: Option<usize>,
    model: impl Fn() + Sync + Send + 'static,
) {
    let runs = Arc::new(Count::new(0));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions.or(builder.preemption_bound);
    let counted = Arc::clone(&runs);
    let start = std::time::Instant::now();
    builder.check(move || {
        counted.fetch_add(1, Relaxed);
        model();
    });
    let runs = runs.load(Relaxed);
    println!("{name}: {runs} executions in {:?}", start.elapsed());
}

/// Something that a model must be able to reach, or it shows nothing.
#[derive(Clone)]
pub(crate) struct Witness(Arc<Flag>, &'static str);

impl Witness {
    pub(crate) fn of(what: &'static str) -> Self {
        Witness(Arc::new(Flag::new(false)), what)
    }

    pub(crate) fn note_if(&self, reached: bool) {
        self.0.fetch_or(reached, Relaxed);
    }

    pub(crate) fn check(&self) {
        assert!(self.0.load(Relaxed), "never reached: {}", self.1);
    }
}

/// A thread whose result can be waited for. (loom's own `join` prints.)
pub(crate) struct Task<T> {
    done: Arc<AtomicBool>,
    result: Arc<Mutex<Option<T>>>,
}

pub(crate) fn spawn<T: 'static>(work: impl FnOnce() -> T + 'static) -> Task<T> {
    let task = Task {
        done: Arc::new(AtomicBool::new(false)),
        result: Arc::new(Mutex::new(None)),
    };
    let (done, result) = (Arc::clone(&task.done), Arc::clone(&task.result));
    let parent = thread::current();
    thread::spawn(move || {
        let value = work();
        *result.lock().unwrap() = Some(value);
        done.store(true, Ordering::Release);
        parent.unpark();
    });
    task
}

impl<T> Task<T> {
    /// Waits for the end: everything that the thread did happened before.
    pub(crate) fn join(self) -> T {
        while !self.done.load(Ordering::Acquire) {
            thread::park();
        }
        self.result.lock().unwrap().take().unwrap()
    }
}

/// What unwinds a thread that dies; no panic, so nothing is printed.
struct Death;

/// The steps in shared memory that a thread makes before it is killed.
pub(crate) struct Steps(Cell<u32>);

impl Steps {
    /// Makes a step, or dies before it.
    pub(crate) fn step(&self) {
        match self.0.get() {
            0 => resume_unwind(Box::new(Death)),
            left => self.0.set(left - 1),
        }
    }
}

/// Runs `life` until it ends or has made `steps` steps; says whether it was
/// killed. The caller then frees its locks, as the kernel would.
pub(crate) fn live(steps: u32, life: impl FnOnce(&Steps)) -> bool {
    let steps = Steps(Cell::new(steps));
    match catch_unwind(AssertUnwindSafe(|| life(&steps))) {
        Ok(()) => false,
        Err(cause) if cause.is::<Death>() => true,
        Err(cause) => resume_unwind(cause),
    }
}
