//! The macro `select!`.

/// Waits until one of several operations can be carried out, and carries it out.
///
/// The form is that of crossbeam-channel's `select!`:
///
/// ```
/// use std::time::Duration;
///
/// use memring::{Mpmc, Ring, Spsc, select};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (jobs, results) = (Ring::<u64, Mpmc>::anonymous(4)?, Ring::<[u8], Spsc>::anonymous(4)?);
/// # jobs.sender()?.send(7)?;
/// # let mut rx = results.receiver()?;
/// let (mut jobs, mut results) = (jobs.receiver()?, results.sender()?);
/// # for _ in 0..2 {
/// select! {
///     recv(jobs) -> job => println!("to do: {}", job?),
///     send(results, b"done") -> sent => sent?,
///     default(Duration::from_secs(1)) => println!("nothing for a second"),
/// }
/// # }
/// # Ok(())
/// # }
/// ```
///
/// * `recv(rx) -> result => ...`: `result` is a `Result<T, RecvError>`; `rx` a
///   [`Receiver`](crate::Receiver), [`After`](crate::After), [`Ticker`](crate::Ticker) or
///   [`Never`](crate::Never).
/// * `send(tx, message) -> result => ...`: `result` is a `Result<(), SendError<T>>`. The message
///   is evaluated only if this arm is selected, when its place is sure. On a
///   [rendezvous](crate::RingBuilder::rendezvous) ring the arm is selected when a receiver waits,
///   and leaves the message to that receiver, as `try_send` does. If another sender was quicker,
///   the arm waits for the next receiver. Two `select!`, one at each end, do not meet.
/// * `default => ...`: selected if no operation can be carried out now.
/// * `default(timeout) => ...`: selected if no operation can be carried out within `timeout`.
///
/// Each endpoint is a variable, a field, or any expression on which a method that takes `&mut
/// self` can be called. Each is evaluated once, in order. The code of an arm may use all
/// endpoints. No endpoint can be in two arms. There may be any number of arms, for any kinds of
/// ring and any messages.
///
/// Exactly one operation is carried out; the others take and send nothing. If several operations
/// are possible, one of them is chosen at random. An operation that fails (the ring is closed, or
/// all peers have detached or died) counts as possible: its result has the error. Without a
/// `default`, `select!` sleeps, on all endpoints together in one system call, as
/// [`WaitStrategy::default`](crate::WaitStrategy) would. If the set of endpoints is known only at
/// run time, use [`Select`](crate::Select).
#[macro_export]
macro_rules! select {
    ($($arms:tt)*) => {{
        #[allow(unused_imports)]
        use $crate::__select::{RecvOperand as _, SendOperand as _};
        $crate::__select_arms!(@read [] [] $($arms)*)
    }};
}

/// What [`select!`] becomes: each arm that is read is bound to a name of its own, for which
/// the hygiene of macros sees; then one of them runs.
#[doc(hidden)]
#[macro_export]
macro_rules! __select_arms {
    (@read [$($arms:tt)*] [$($default:tt)*]
        recv($receiver:expr) -> $result:pat => $body:expr, $($rest:tt)*) => {
        match ($receiver).__recv_arm() {
            mut arm => $crate::__select_arms!(
                @read [$($arms)* { recv arm [] $result => $body }] [$($default)*] $($rest)*
            ),
        }
    };
    (@read [$($arms:tt)*] [$($default:tt)*]
        send($sender:expr, $message:expr $(,)?) -> $result:pat => $body:expr, $($rest:tt)*) => {
        match ($sender).__send_arm() {
            mut arm => $crate::__select_arms!(
                @read [$($arms)* { send arm [$message] $result => $body }] [$($default)*] $($rest)*
            ),
        }
    };
    (@read [$($arms:tt)*] [] default => $body:expr, $($rest:tt)*) => {
        $crate::__select_arms!(
            @read [$($arms)*] [{ $crate::__select::Limit::NOW; $body }] $($rest)*
        )
    };
    (@read [$($arms:tt)*] [] default() => $body:expr, $($rest:tt)*) => {
        $crate::__select_arms!(@read [$($arms)*] [] default => $body, $($rest)*)
    };
    (@read [$($arms:tt)*] [] default($timeout:expr) => $body:expr, $($rest:tt)*) => {
        $crate::__select_arms!(
            @read [$($arms)*] [{ $crate::__select::Limit::timeout($timeout); $body }] $($rest)*
        )
    };
    // The last one needs no comma, and a block needs none.
    (@read $arms:tt $default:tt
        $name:ident $(($($inside:tt)*))? $(-> $result:pat)? => $body:expr) => {
        $crate::__select_arms!(
            @read $arms $default $name $(($($inside)*))? $(-> $result)? => $body,
        )
    };
    (@read $arms:tt $default:tt
        $name:ident $(($($inside:tt)*))? $(-> $result:pat)? => $body:block $($rest:tt)*) => {
        $crate::__select_arms!(
            @read $arms $default $name $(($($inside)*))? $(-> $result)? => $body, $($rest)*
        )
    };

    (@read [$({ $kind:ident $arm:ident $message:tt $result:pat => $body:expr })*] []) => {{
        $crate::__select::run(&mut [$(&mut $arm),*], $crate::__select::Limit::NONE);
        $crate::__select_arms!(@pick [$({ $kind $arm $message $result => $body })*] [])
    }};
    (@read [$({ $kind:ident $arm:ident $message:tt $result:pat => $body:expr })*]
        [{ $limit:expr; $default:expr }]) => {{
        $crate::__select::run(&mut [$(&mut $arm),*], $limit);
        $crate::__select_arms!(
            @pick [$({ $kind $arm $message $result => $body })*] [{ $default }]
        )
    }};

    (@pick [] [{ $default:expr }]) => { $default };
    // Without a default one arm is selected: the last, if no other is.
    (@pick [{ $kind:ident $arm:ident $message:tt $result:pat => $body:expr }] []) => {{
        let $result = $crate::__select_arms!(@finish $kind $arm $message);
        $body
    }};
    (@pick [{ $kind:ident $arm:ident $message:tt $result:pat => $body:expr } $($rest:tt)*]
        $default:tt) => {
        if $arm.is_selected() {
            let $result = $crate::__select_arms!(@finish $kind $arm $message);
            $body
        } else {
            $crate::__select_arms!(@pick [$($rest)*] $default)
        }
    };

    (@finish recv $arm:ident []) => { $arm.finish() };
    (@finish send $arm:ident [$message:expr]) => {{
        let claimed = $arm.claimed();
        claimed.finish($message)
    }};
}
