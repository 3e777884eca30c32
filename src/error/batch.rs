//! Why a batch was not sent to its end.

use std::fmt;

use super::{SendError, SendTimeoutError, TrySendError};

macro_rules! batch {
    ($(#[$doc:meta])* $name:ident: $cause:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $name<M> {
            /// How many messages were sent before.
            pub sent: usize,
            /// What happened, with the first message that was not sent.
            pub cause: $cause<M>,
        }

        // By hand: derived, it would ask for `M: Debug`.
        impl<M> fmt::Debug for $name<M> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("sent", &self.sent)
                    .field("cause", &self.cause)
                    .finish()
            }
        }

        impl<M> fmt::Display for $name<M> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let $name { sent, cause } = self;
                write!(f, "{cause} (after {sent} messages of the batch were sent)")
            }
        }

        impl<M> std::error::Error for $name<M> {}
    };
}

batch!(
    /// Why [`Sender::send_batch`](crate::Sender::send_batch) ended early.
    SendBatchError: SendError
);
batch!(
    /// Why [`Sender::try_send_batch`](crate::Sender::try_send_batch) ended early.
    TrySendBatchError: TrySendError
);
batch!(
    /// Why [`Sender::send_batch_timeout`](crate::Sender::send_batch_timeout) ended early.
    SendBatchTimeoutError: SendTimeoutError
);
