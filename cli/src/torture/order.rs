//! What a process of the storm is told.

use std::path::PathBuf;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::load::Size;
use super::plan::Traffic;
use super::target::ObjectKind;

/// What a process is told, in its one argument.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    /// Send or receive.
    Serve(Box<RingAssignment>),
    /// Use a shared object.
    Use(Box<Assignment>, ObjectKind),
    /// Outlive the run and remove its directory.
    Guard(PathBuf),
}

/// A place, and the process that takes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Assignment {
    /// Where everything is.
    pub dir: PathBuf,
    /// Which place.
    pub place: usize,
    /// Which process of this storm.
    pub incarnation: u32,
    /// How it uses the ring or the object.
    pub traffic: Traffic,
    /// How it misbehaves, to see that that is found.
    pub sabotage: Option<Sabotage>,
    /// The process that starts it.
    pub parent: i32,
}

/// The place of a sender or receiver.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RingAssignment {
    /// What each process is told.
    pub common: Assignment,
    /// The ring's kind, by name.
    pub kind: String,
    /// What messages are like.
    pub size: Size,
    /// Whether it sends.
    pub sends: bool,
    /// Whether it keeps receivers awake on the way to rest.
    pub nudges: bool,
}

/// A breach of the contract, made on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
pub enum Sabotage {
    /// A message is written down as sent, and is not.
    Lose,
    /// A message is sent twice.
    Double,
    /// A message is spoilt.
    Tear,
    /// Two messages change places.
    Swap,
    /// A sender stops working.
    Hang,
}
