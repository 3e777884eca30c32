//! Calls that do not return.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::step::{Call, Verb};

/// No call that the oracle lets block takes as long, on however busy a machine.
const LIMIT: Duration = Duration::from_secs(10);

/// Ends this process, naming the call, unless it is dropped in time: a call that
/// waits for ever can be ended in no other way.
pub(super) struct Watch {
    _returned: mpsc::Sender<()>,
}

impl Watch {
    /// Watches a call that has no time limit of its own.
    pub fn on(mut call: Call) -> Option<Watch> {
        if call.step.verb_mut() != Some(&mut Verb::Block) {
            return None;
        }
        let (returned, waiting) = mpsc::channel();
        thread::spawn(move || {
            if waiting.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
                crate::text::print(format_args!("{call:?} waits for ever"));
                std::process::exit(101);
            }
        });
        Some(Watch {
            _returned: returned,
        })
    }
}
