//! What memring's tests, benches and commands share.
//!
//! - [`processes`], [`placement`], [`words`]: for programs that measure or torture, too.
//! - [`children`], [`homes`], [`boards`]: tests with several processes. A test starts the test
//!   binary again with a role; what its processes tell each other is in shared memory.
//! - [`programs`], [`commands`]: programs as a user runs them.
//! - [`forks`], [`sys`], [`sockets`]: forks without exec, system calls that have no safe form,
//!   descriptors passed on.
//! - [`mod@format`], [`shapes`]: where things are in a ring's file.
//! - [`kinds`], [`loads`], [`verbs`]: a body for each kind of ring, message and verb.
//! - [`ledgers`], [`progress`]: which message was received how often.
//! - [`holders`]: a process that holds something, to be killed or stopped.
//! - [`page`]: pages with charts, of what was measured.
//! - `oracle`, `fuzzing`, with the feature `oracle`: what each call of the interface must answer, and
//!   what the fuzzer runs.
//! - [`random`], [`text`], [`time`].

pub mod boards;
pub mod children;
pub mod commands;
pub mod forks;
pub mod format;
pub mod futures;
#[cfg(feature = "oracle")]
pub mod fuzzing;
pub mod holders;
pub mod homes;
pub mod kinds;
pub mod ledgers;
pub mod loads;
/// As in the library, for the file of it that `fuzzing` includes.
#[cfg(feature = "oracle")]
#[path = "../../src/members/id.rs"]
#[allow(dead_code)]
mod members;
#[cfg(feature = "oracle")]
pub mod oracle;
pub mod page;
pub mod placement;
pub mod processes;
pub mod programs;
pub mod progress;
pub mod random;
pub mod shapes;
pub mod sockets;
pub mod sys;
pub mod text;
pub mod time;
pub mod verbs;
pub mod words;

pub use words::Words;
