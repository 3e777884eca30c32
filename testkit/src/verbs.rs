//! Sending and receiving with each verb of the interface, whatever the kind
//! and the message.

use std::str::FromStr;

use memring::{
    Kind, Receiver, RecvError, SendBatchError, SendError, Sender, TryRecvError, TrySendError,
};

use crate::loads::{Load, Stamp};

/// How an endpoint does its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `send`, `recv`.
    One,
    /// `try_send`, `try_recv`, and offering the processor.
    Try,
    /// `send_batch`, `recv_batch`.
    Batch,
    /// `reserve` and `commit`, now and then abandoned; `lease` and
    /// `lease_batch` in turn.
    InPlace,
}

impl Verb {
    /// All of them.
    pub const ALL: [Verb; 4] = [Verb::One, Verb::Try, Verb::Batch, Verb::InPlace];
}

impl std::fmt::Display for Verb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl FromStr for Verb {
    type Err = String;

    fn from_str(word: &str) -> Result<Verb, String> {
        let found = Verb::ALL.into_iter().find(|verb| verb.to_string() == word);
        found.ok_or_else(|| format!("no verb {word}"))
    }
}

/// The most messages of a batch.
const BATCH: usize = 32;

/// Sends the messages of `sender` numbered `from..to`; says which was the
/// first that was not sent, if it could not go on.
pub fn send<T: Load + ?Sized, K: Kind>(
    tx: &mut Sender<T, K>,
    verb: Verb,
    sender: u64,
    from: u64,
    to: u64,
) -> Result<(), (u64, SendError<()>)> {
    let make = |number| T::make(Stamp { sender, number });
    let mut number = from;
    while number < to {
        let sent = match verb {
            Verb::One => tx.send(T::lend(&make(number))).map(|()| 1).map_err(bare),
            Verb::Try => try_one(tx, &make(number)).map(|()| 1),
            Verb::InPlace => in_place(tx, number, &make(number)).map(|()| 1),
            Verb::Batch => {
                let size = (1 + number % BATCH as u64).min(to - number);
                let made: Vec<_> = (number..number + size).map(make).collect();
                match tx.send_batch(made.iter().map(T::lend)) {
                    Ok(sent) => Ok(sent as u64),
                    Err(SendBatchError { sent, cause, .. }) => {
                        number += sent as u64;
                        Err(bare(cause))
                    }
                }
            }
        };
        number += sent.map_err(|cause| (number, cause))?;
    }
    Ok(())
}

fn bare<M>(error: SendError<M>) -> SendError<()> {
    match error {
        SendError::Closed(_) => SendError::Closed(()),
        SendError::Disconnected(_) => SendError::Disconnected(()),
        SendError::Removed(_) => SendError::Removed(()),
        SendError::Cancelled(_) => SendError::Cancelled(()),
        SendError::Failed(_, failure) => SendError::Failed((), failure),
    }
}

fn try_one<T: Load + ?Sized, K: Kind>(
    tx: &mut Sender<T, K>,
    message: &T::Received,
) -> Result<(), SendError<()>> {
    loop {
        match tx.try_send(T::lend(message)) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Full(_) | TrySendError::Held(..)) => std::thread::yield_now(),
            Err(TrySendError::Closed(_)) => return Err(SendError::Closed(())),
            Err(TrySendError::Disconnected(_)) => return Err(SendError::Disconnected(())),
            Err(TrySendError::Removed(_)) => return Err(SendError::Removed(())),
            Err(TrySendError::Failed(_, failure)) => return Err(SendError::Failed((), failure)),
        }
    }
}

fn in_place<T: Load + ?Sized, K: Kind>(
    tx: &mut Sender<T, K>,
    number: u64,
    message: &T::Received,
) -> Result<(), SendError<()>> {
    if number % 7 == 3 {
        drop(tx.reserve()?); // given up: receivers pass over it
    }
    let mut grant = tx.reserve()?;
    let written = grant.write(T::lend(message));
    written.map_err(|failure| SendError::Failed((), failure))?;
    grant.commit()
}

/// Receives until the end, which it returns. `note` gets each message's stamp
/// and how often it was given back before, while this receiver holds the
/// message if `verb` leases.
pub fn receive<T: Load + ?Sized, K: Kind>(
    rx: &mut Receiver<T, K>,
    verb: Verb,
    mut note: impl FnMut(Stamp, u8),
) -> RecvError {
    let mut batch = Vec::new();
    let mut many = false;
    loop {
        let received = match verb {
            Verb::One => rx.recv().map(|message| note(T::stamp(&message), 0)),
            Verb::Try => match rx.try_recv() {
                Ok(message) => {
                    note(T::stamp(&message), 0);
                    Ok(())
                }
                Err(TryRecvError::Empty | TryRecvError::Held(_)) => {
                    std::thread::yield_now();
                    Ok(())
                }
                Err(TryRecvError::Closed) => Err(RecvError::Closed),
                Err(TryRecvError::Disconnected) => Err(RecvError::Disconnected),
                Err(TryRecvError::Removed) => Err(RecvError::Removed),
                Err(TryRecvError::Failed(failure)) => Err(RecvError::Failed(failure)),
            },
            Verb::Batch => rx.recv_batch(&mut batch, BATCH).map(|count| {
                assert_eq!(count, batch.len());
                batch.drain(..).for_each(|got| note(T::stamp(&got), 0));
            }),
            Verb::InPlace => {
                many = !many;
                if many {
                    rx.lease_batch(BATCH).map(|leased| {
                        for message in leased.iter() {
                            note(T::stamp(&message.read()), message.redeliveries());
                        }
                        leased.release();
                    })
                } else {
                    rx.lease().map(|lease| {
                        note(T::stamp(&lease.read()), lease.redeliveries());
                        lease.release();
                    })
                }
            }
        };
        if let Err(end) = received {
            return end;
        }
    }
}
