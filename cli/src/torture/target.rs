//! What the processes of a storm use.

use std::fmt;

use clap::ValueEnum;
use memring::RingKind;
use serde::{Deserialize, Serialize};

/// A ring, or a shared object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A ring of this kind.
    Ring(RingKind),
    /// A shared object.
    Object(ObjectKind),
}

/// Which shared object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    /// A value that one process at a time changes.
    Mutex,
    /// A value that many read, or one changes.
    Rwlock,
    /// Tokens that are passed on under a mutex, and processes that wait for them.
    Condvar,
    /// Permits.
    Semaphore,
    /// The last value of one writer.
    Latest,
}

impl ObjectKind {
    /// All of them.
    pub const ALL: [ObjectKind; 5] = [
        ObjectKind::Mutex,
        ObjectKind::Rwlock,
        ObjectKind::Condvar,
        ObjectKind::Semaphore,
        ObjectKind::Latest,
    ];
}

impl Target {
    /// Each has another.
    pub fn number(self) -> u64 {
        let number = match self {
            Target::Ring(kind) => RingKind::ALL.iter().position(|one| *one == kind),
            Target::Object(object) => {
                let position = ObjectKind::ALL.iter().position(|one| *one == object);
                position.map(|position| RingKind::ALL.len() + position)
            }
        };
        number.unwrap_or(0) as u64
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ObjectKind::Mutex => "mutex",
            ObjectKind::Rwlock => "rwlock",
            ObjectKind::Condvar => "condvar",
            ObjectKind::Semaphore => "semaphore",
            ObjectKind::Latest => "latest",
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Ring(kind) => kind.fmt(f),
            Target::Object(object) => object.fmt(f),
        }
    }
}
