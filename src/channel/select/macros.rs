//! The macro `select!`.

/// Waits for one of several operations, and carries out the first that can be.
///
/// In the form of crossbeam-channel's:
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
/// * `send(tx, message) -> result => ...`: `result` is a `Result<(), SendError<T>>`. The
///   message is evaluated only if this arm is selected, when its place is sure.
///   On a [rendezvous](crate::RingBuilder::rendezvous) ring it is selected when a receiver
///   waits, and leaves the message to that one, as `try_send` does; if another sender was
///   quicker it waits for the next. Two `select!`, one at each end, do not meet.
/// * `default => ...`: if no operation can be carried out now.
/// * `default(timeout) => ...`: if none can be within `timeout`.
///
/// Each endpoint is a variable, a field, or any expression of which a method could be
/// called that takes `&mut self`; each is evaluated once, in order. Arms may use all
/// endpoints. No endpoint can stand in two arms. As many arms as one likes, of any kinds of
/// ring and of any messages.
///
/// Exactly one operation is carried out, and what the others would have taken or sent
/// stays as it was. If several can be, it is one of them at random. An operation that
/// fails (the ring is closed, or all peers are gone) can be carried out: its result says
/// so. Without a `default` it sleeps, all endpoints together in one system call, as
/// [`WaitStrategy::default`](crate::WaitStrategy) would. For a set that is not known when
/// the program is compiled there is [`Select`](crate::Select).
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
