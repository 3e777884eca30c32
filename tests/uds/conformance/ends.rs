//! The verbs of both ends, whatever carries them.

use std::time::{Duration, Instant};

use memring::uds::{SocketReceiver, SocketSender};
use memring::{
    Kind, Receiver, RecvError, RecvTimeoutError, Select, SendError, SendTimeoutError, Sender,
    TryRecvError, TrySendError, WaitStrategy, select,
};
use memring_testkit::futures::block_on;

/// What a verb came to, in the same words for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CameTo {
    NotYet,
    Timeout,
    Closed,
    Disconnected,
    Cancelled,
    Other,
}

macro_rules! came_to {
    ($($error:ty { $($pattern:pat => $came_to:ident),* $(,)? })*) => {
        $(impl From<$error> for CameTo {
            fn from(error: $error) -> CameTo {
                #[allow(unreachable_patterns)]
                match error {
                    $($pattern => CameTo::$came_to,)*
                    _ => CameTo::Other,
                }
            }
        })*
    };
}

came_to! {
    TrySendError<u64> {
        TrySendError::Full(7) | TrySendError::Held(7, _) => NotYet,
        TrySendError::Closed(7) => Closed,
        TrySendError::Disconnected(7) => Disconnected,
    }
    SendError<u64> {
        SendError::Closed(7) => Closed,
        SendError::Disconnected(7) => Disconnected,
        SendError::Cancelled(7) => Cancelled,
    }
    SendTimeoutError<u64> {
        SendTimeoutError::Timeout(7, _) => Timeout,
        SendTimeoutError::Closed(7) => Closed,
        SendTimeoutError::Disconnected(7) => Disconnected,
        SendTimeoutError::Cancelled(7) => Cancelled,
    }
    TryRecvError {
        TryRecvError::Empty | TryRecvError::Held(_) => NotYet,
        TryRecvError::Closed => Closed,
        TryRecvError::Disconnected => Disconnected,
    }
    RecvError {
        RecvError::Closed => Closed,
        RecvError::Disconnected => Disconnected,
        RecvError::Cancelled => Cancelled,
    }
    RecvTimeoutError {
        RecvTimeoutError::Timeout(_) => Timeout,
        RecvTimeoutError::Closed => Closed,
        RecvTimeoutError::Disconnected => Disconnected,
        RecvTimeoutError::Cancelled => Cancelled,
    }
}

/// How a verb of the tables waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    Not,
    /// Not at all, by one that could: it tells of a cancellation.
    Zero,
    Limited,
    Forever,
}

/// How a [`Select`] waits.
#[derive(Clone, Copy)]
pub enum Readies {
    Now,
    Within(Duration),
    Until(Instant),
    Forever,
}

impl Readies {
    fn wait(self, select: &mut Select<'_>) -> Result<(), CameTo> {
        let ready = match self {
            Readies::Now => select.try_ready().map_err(|_| CameTo::NotYet),
            Readies::Within(limit) => select.ready_timeout(limit).map_err(|_| CameTo::Timeout),
            Readies::Until(late) => select.ready_deadline(late).map_err(|_| CameTo::Timeout),
            Readies::Forever => Ok(select.ready()),
        };
        assert_eq!(ready?, 0);
        Ok(())
    }
}

/// The verbs that send, of whatever end.
pub trait SendingEnd: Send + 'static {
    fn try_one(&mut self, message: u64) -> Result<(), CameTo>;
    fn send_one(&mut self, message: u64) -> Result<(), CameTo>;
    fn send_in(&mut self, message: u64, limit: Duration) -> Result<(), CameTo>;
    fn send_until(&mut self, message: u64, limit: Duration) -> Result<(), CameTo>;
    fn send_later(&mut self, message: u64) -> Result<(), CameTo>;
    fn send_selected(&mut self, message: u64, limit: Option<Duration>) -> Result<(), CameTo>;
    fn send_when_ready(&mut self, message: u64, wait: Readies) -> Result<(), CameTo>;
    fn close_end(&mut self);
    fn cancel(&self) -> Box<dyn Fn() + Send>;
    fn reset(&self);
}

/// The verbs that receive.
pub trait ReceivingEnd: Send + 'static {
    fn try_one(&mut self) -> Result<u64, CameTo>;
    fn recv_one(&mut self) -> Result<u64, CameTo>;
    fn recv_in(&mut self, limit: Duration) -> Result<u64, CameTo>;
    fn recv_until(&mut self, limit: Duration) -> Result<u64, CameTo>;
    fn recv_later(&mut self) -> Result<u64, CameTo>;
    fn recv_selected(&mut self, limit: Option<Duration>) -> Result<u64, CameTo>;
    fn recv_when_ready(&mut self, wait: Readies) -> Result<u64, CameTo>;
    fn close_end(&mut self);
    fn cancel(&self) -> Box<dyn Fn() + Send>;
    fn reset(&self);
}

/// One text for the ends of rings and of sockets: their verbs are the same.
macro_rules! ends {
    ($([$($generics:tt)*] $sender:ty, $receiver:ty;)*) => {
        $(
            impl<$($generics)*> SendingEnd for $sender {
                fn try_one(&mut self, message: u64) -> Result<(), CameTo> {
                    Ok(self.try_send(message)?)
                }
                fn send_one(&mut self, message: u64) -> Result<(), CameTo> {
                    Ok(self.send(message)?)
                }
                fn send_in(&mut self, message: u64, limit: Duration) -> Result<(), CameTo> {
                    Ok(self.send_timeout(message, limit)?)
                }
                fn send_until(&mut self, message: u64, limit: Duration) -> Result<(), CameTo> {
                    Ok(self.send_deadline(message, Instant::now() + limit)?)
                }
                fn send_later(&mut self, message: u64) -> Result<(), CameTo> {
                    Ok(block_on(self.send_async(message))?)
                }
                fn send_selected(
                    &mut self,
                    message: u64,
                    limit: Option<Duration>,
                ) -> Result<(), CameTo> {
                    match limit {
                        None => select! { send(self, message) -> sent => Ok(sent?) },
                        Some(Duration::ZERO) => select! {
                            send(self, message) -> sent => Ok(sent?),
                            default => Err(CameTo::NotYet),
                        },
                        Some(limit) => select! {
                            send(self, message) -> sent => Ok(sent?),
                            default(limit) => Err(CameTo::Timeout),
                        },
                    }
                }
                fn send_when_ready(&mut self, message: u64, wait: Readies) -> Result<(), CameTo> {
                    let mut select = Select::with_strategy(WaitStrategy::Park);
                    let token = select.send(self);
                    loop {
                        wait.wait(&mut select)?;
                        match select[token].send_timeout(message, Duration::ZERO) {
                            Err(SendTimeoutError::Timeout(_, _)) => {}
                            sent => return Ok(sent?),
                        }
                    }
                }
                fn close_end(&mut self) {
                    self.close().expect("close");
                }
                fn cancel(&self) -> Box<dyn Fn() + Send> {
                    let canceller = self.canceller();
                    Box::new(move || canceller.cancel())
                }
                fn reset(&self) {
                    self.canceller().reset();
                }
            }

            impl<$($generics)*> ReceivingEnd for $receiver {
                fn try_one(&mut self) -> Result<u64, CameTo> {
                    Ok(self.try_recv()?)
                }
                fn recv_one(&mut self) -> Result<u64, CameTo> {
                    Ok(self.recv()?)
                }
                fn recv_in(&mut self, limit: Duration) -> Result<u64, CameTo> {
                    Ok(self.recv_timeout(limit)?)
                }
                fn recv_until(&mut self, limit: Duration) -> Result<u64, CameTo> {
                    Ok(self.recv_deadline(Instant::now() + limit)?)
                }
                fn recv_later(&mut self) -> Result<u64, CameTo> {
                    Ok(block_on(self.recv_async())?)
                }
                fn recv_selected(&mut self, limit: Option<Duration>) -> Result<u64, CameTo> {
                    match limit {
                        None => select! { recv(self) -> message => Ok(message?) },
                        Some(Duration::ZERO) => select! {
                            recv(self) -> message => Ok(message?),
                            default => Err(CameTo::NotYet),
                        },
                        Some(limit) => select! {
                            recv(self) -> message => Ok(message?),
                            default(limit) => Err(CameTo::Timeout),
                        },
                    }
                }
                fn recv_when_ready(&mut self, wait: Readies) -> Result<u64, CameTo> {
                    let mut select = Select::with_strategy(WaitStrategy::Park);
                    let token = select.recv(self);
                    loop {
                        wait.wait(&mut select)?;
                        match select[token].recv_timeout(Duration::ZERO) {
                            Err(RecvTimeoutError::Timeout(_)) => {}
                            received => return Ok(received?),
                        }
                    }
                }
                fn close_end(&mut self) {
                    self.close().expect("close");
                }
                fn cancel(&self) -> Box<dyn Fn() + Send> {
                    let canceller = self.canceller();
                    Box::new(move || canceller.cancel())
                }
                fn reset(&self) {
                    self.canceller().reset();
                }
            }
        )*
    };
}

ends! {
    [K: Kind] Sender<u64, K>, Receiver<u64, K>;
    [] SocketSender<u64>, SocketReceiver<u64>;
}

pub type Sends<E> = (
    &'static str,
    Waiting,
    fn(&mut E, u64, Duration) -> Result<(), CameTo>,
);
pub type Receives<E> = (
    &'static str,
    Waiting,
    fn(&mut E, Duration) -> Result<u64, CameTo>,
);

pub fn sends<E: SendingEnd>() -> [Sends<E>; 12] {
    [
        ("try_send", Waiting::Not, |end, message, _| {
            end.try_one(message)
        }),
        ("send", Waiting::Forever, |end, message, _| {
            end.send_one(message)
        }),
        ("send_timeout", Waiting::Limited, |end, message, limit| {
            end.send_in(message, limit)
        }),
        ("send_deadline", Waiting::Limited, |end, message, limit| {
            end.send_until(message, limit)
        }),
        ("send_async", Waiting::Forever, |end, message, _| {
            end.send_later(message)
        }),
        ("select!", Waiting::Forever, |end, message, _| {
            end.send_selected(message, None)
        }),
        ("select! default", Waiting::Zero, |end, message, _| {
            end.send_selected(message, Some(Duration::ZERO))
        }),
        (
            "select! default()",
            Waiting::Limited,
            |end, message, limit| end.send_selected(message, Some(limit)),
        ),
        ("ready", Waiting::Forever, |end, message, _| {
            end.send_when_ready(message, Readies::Forever)
        }),
        ("try_ready", Waiting::Zero, |end, message, _| {
            end.send_when_ready(message, Readies::Now)
        }),
        ("ready_timeout", Waiting::Limited, |end, message, limit| {
            end.send_when_ready(message, Readies::Within(limit))
        }),
        ("ready_deadline", Waiting::Limited, |end, message, limit| {
            end.send_when_ready(message, Readies::Until(Instant::now() + limit))
        }),
    ]
}

pub fn receives<E: ReceivingEnd>() -> [Receives<E>; 12] {
    [
        ("try_recv", Waiting::Not, |end, _| end.try_one()),
        ("recv", Waiting::Forever, |end, _| end.recv_one()),
        ("recv_timeout", Waiting::Limited, |end, limit| {
            end.recv_in(limit)
        }),
        ("recv_deadline", Waiting::Limited, |end, limit| {
            end.recv_until(limit)
        }),
        ("recv_async", Waiting::Forever, |end, _| end.recv_later()),
        ("select!", Waiting::Forever, |end, _| {
            end.recv_selected(None)
        }),
        ("select! default", Waiting::Zero, |end, _| {
            end.recv_selected(Some(Duration::ZERO))
        }),
        ("select! default()", Waiting::Limited, |end, limit| {
            end.recv_selected(Some(limit))
        }),
        ("ready", Waiting::Forever, |end, _| {
            end.recv_when_ready(Readies::Forever)
        }),
        ("try_ready", Waiting::Zero, |end, _| {
            end.recv_when_ready(Readies::Now)
        }),
        ("ready_timeout", Waiting::Limited, |end, limit| {
            end.recv_when_ready(Readies::Within(limit))
        }),
        ("ready_deadline", Waiting::Limited, |end, limit| {
            end.recv_when_ready(Readies::Until(Instant::now() + limit))
        }),
    ]
}
