//! The errors of all verbs as the one answer that they stand for.

use memring::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};

use crate::ledger::No;

/// The answer, and the message if it came back.
pub fn split<M, E>(answer: Result<(), E>, back: impl FnOnce(E) -> M) -> (Result<(), No>, Option<M>)
where
    for<'e> No: From<&'e E>,
{
    match answer {
        Ok(()) => (Ok(()), None),
        Err(error) => (Err(No::from(&error)), Some(back(error))),
    }
}

macro_rules! no {
    ($error:ident<M>, $now:pat) => {
        impl<M> From<&$error<M>> for No {
            fn from(error: &$error<M>) -> No {
                match error {
                    $now => No::Now,
                    $error::Closed(_) => No::Closed,
                    $error::Disconnected(_) => No::Disconnected,
                    $error::Failed(_, failure) => panic!("{failure}"),
                }
            }
        }
    };
    ($error:ident, $now:pat) => {
        impl From<&$error> for No {
            fn from(error: &$error) -> No {
                match error {
                    $now => No::Now,
                    $error::Closed => No::Closed,
                    $error::Disconnected => No::Disconnected,
                    $error::Failed(failure) => panic!("{failure}"),
                }
            }
        }
    };
}

no!(TrySendError<M>, TrySendError::Full(_));
no!(SendTimeoutError<M>, SendTimeoutError::Timeout(..));
no!(TryRecvError, TryRecvError::Empty);
no!(RecvTimeoutError, RecvTimeoutError::Timeout(_));

impl<M> From<&SendError<M>> for No {
    fn from(error: &SendError<M>) -> No {
        match error {
            SendError::Closed(_) => No::Closed,
            SendError::Disconnected(_) => No::Disconnected,
            SendError::Failed(_, failure) => panic!("{failure}"),
        }
    }
}

impl From<&RecvError> for No {
    fn from(error: &RecvError) -> No {
        match error {
            RecvError::Closed => No::Closed,
            RecvError::Disconnected => No::Disconnected,
            RecvError::Failed(failure) => panic!("{failure}"),
        }
    }
}
