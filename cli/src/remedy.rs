//! What can be done about a ring that cannot be opened or made, in the words of the command line: those of
//! the library name its functions.

use anyhow::{Error, anyhow};
use memring::{Mismatch, RingError};

use crate::format::printable;

/// What the command line says.
pub struct Asked<'a> {
    /// The ring.
    pub name: &'a str,
    /// To make it, if there is none.
    pub makes: bool,
    /// To wait for it.
    pub waits: bool,
}

/// The error with what can be done about it, where that is for the command line to say.
pub fn advise(asked: &Asked<'_>, error: Error) -> Error {
    let name = printable(asked.name);
    let advice = match error.downcast_ref() {
        Some(RingError::NotFound { path }) if !asked.makes => {
            let path = path.display();
            match asked.waits {
                true => format!("no ring at {path}: it was not made in time"),
                false => {
                    format!("no ring at {path}: make it with --create, or wait for it with --wait")
                }
            }
        }
        Some(RingError::AlreadyExists { path }) => format!(
            "{} exists already: use it without --exclusive, or replace it with --recreate",
            path.display()
        ),
        Some(RingError::Closed {
            path,
            messages,
            attached,
        }) => {
            let remedy = match messages {
                0 => "--wait waits until they have left, --recreate replaces it".to_owned(),
                _ => format!("memring recv {name} drains it, --recreate replaces it"),
            };
            format!(
                "{} is closed, with {messages} messages left in it and {attached} endpoints \
                 attached: {remedy}",
                path.display()
            )
        }
        Some(RingError::Mismatch { mismatch, .. }) => match of_mismatch(mismatch) {
            Some(text) => format!("ring {name}: {text}"),
            None => return error,
        },
        _ => return error,
    };
    anyhow!(advice)
}

/// Of a ring that is not what was asked for.
fn of_mismatch(mismatch: &Mismatch) -> Option<String> {
    let replace = "or replace the ring with --recreate";
    let trust = "to trust all who can write to it, give --allow-foreign";
    let text = match mismatch {
        Mismatch::Option {
            what,
            expected,
            found,
        } => format!("{what} {found}, expected {expected}: leave the option out, {replace}"),
        Mismatch::Kind { expected, found } => {
            format!("a ring of kind {found}, expected {expected}: leave --kind out, {replace}")
        }
        Mismatch::NoRendezvous { found } => {
            format!("capacity {found}, expected 0: leave --capacity out, {replace}")
        }
        Mismatch::Owner { expected, found } => {
            format!("belongs to user {found}, expected {expected}; {trust}")
        }
        Mismatch::Permissions { found } => format!(
            "has mode {found:04o}, expected no write permission for group or others; {trust}"
        ),
        Mismatch::Links { found } => format!("has {found} names, expected 1; {trust}"),
        _ => return None,
    };
    Some(text)
}
