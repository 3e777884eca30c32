//! The ring protocols: slots and positions, the four sides, recovery, the end.
//!
//! They know no operating system: they run over a [`Memory`](memory::Memory) that may be mapped, on
//! the heap or loom's, never sleep and never call the system. What stands in the way
//! of an operation is a [`ClaimError`]; a floor above waits, or finds the holder dead
//! and has [`recover`] free the slot.
//!
//! (Items are `pub` where [`Kind`](crate::Kind) names them; the module is not.)
//!
//! The numbered rules are those of `docs/protocol.md` (R1 to R21), of
//! `docs/protocol-one-to-one.md` (S1 to S20), and of `docs/rendezvous.md` (RV1 to RV12).

mod arity;
#[cfg(not(loom))]
pub(crate) mod config;
pub(crate) mod end;
pub(crate) mod kind;
pub(crate) mod layout;
pub(crate) mod memory;
#[cfg(all(test, loom))]
mod models;
pub(crate) mod multi;
#[cfg(not(loom))]
pub(crate) mod options;
pub(crate) mod pairing;
pub(crate) mod payload;
#[cfg(not(loom))]
pub(crate) mod progress;
pub(crate) mod recover;
pub(crate) mod rendezvous;
pub(crate) mod side;
pub(crate) mod single;
pub(crate) mod slot;
pub(crate) mod spsc;
#[cfg(all(test, not(loom)))]
mod tests;

pub(crate) use arity::{Arity, Multi, Single};
pub(crate) use memory::start_at;
pub(crate) use pairing::{Multiplicity, Pairing};
pub(crate) use side::{Claim, ClaimError, Held, ReceiveSide, RedeliveryPolicy, SendSide};
