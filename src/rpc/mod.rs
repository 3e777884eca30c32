//! Calls between processes: a request goes to one of the servers of a service, and the answer
//! comes back to the caller.
//!
//! A [`Service`] is a named ring of requests, which any number of [`Client`]s send to and any
//! number of [`Server`]s receive from. Each client has a ring of its own for the replies,
//! `NAME.reply-ID`, beside the service's ring. The ring of replies is removed when the client is
//! dropped. If a client is killed, the next client that connects, or an idle server, removes its
//! ring.
//!
//! ```
//! use memring::rpc::Service;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let name = &format!("doc-rpc-{}", std::process::id());
//! let service = Service::<u64, u64>::open_or_create(name)?; // `name` is "squares", say
//! let mut server = service.server()?;
//! let worker = std::thread::spawn(move || server.serve(|number| *number * *number));
//!
//! // Another process, as a rule.
//! let mut client = Service::<u64, u64>::open(name)?.client()?;
//! assert_eq!(client.call(12)?, 144);
//! # service.close()?;
//! # worker.join().unwrap()?;
//! # memring::rpc::remove(name)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Requests and responses
//!
//! Each is a [`Body`]: a plain `T` of fixed size, as the messages of rings; `[u8]`, up to the
//! service's limit; or, with the feature `serde`, `Postcard<T>` of any serde type. For a service
//! with several methods, use an enum.
//!
//! # When a process dies
//!
//! A server holds a request until it has replied. If the server dies before, the service's policy
//! decides ([`OnServerDeath`]): another server gets the call, and sees that in
//! [`Request::attempt`], or the caller gets [`CallError::ServerDied`]. The kernel reports the
//! death; no timer decides it. So a call may be carried out more than once under
//! [`OnServerDeath::Redeliver`], and at most once under [`OnServerDeath::Fail`]. If no server is
//! left, the caller gets [`CallError::Disconnected`] within a second or so. A stopped server
//! keeps its call: only the caller's deadline ends it.
//!
//! The replies to a client that has died are dropped. A client that does not take its replies
//! stalls only itself: it has at most [`ServiceBuilder::window`] calls under way.

mod body;
mod calls;
mod client;
mod ends;
mod error;
mod gate;
mod leftovers;
mod marks;
mod pending;
#[cfg(feature = "serde")]
mod postcard;
mod put_off;
mod replies;
mod responder;
mod server;
mod service;
mod wakers;
mod wire;

#[cfg(feature = "serde")]
pub use self::postcard::Postcard;
pub use body::Body;
pub use client::Client;
pub use error::{CallError, ReplyError, ServiceError};
pub use gate::ServerStats;
pub use marks::ServiceRing;
pub(crate) use marks::service_ring;
pub use pending::PendingCall;
pub use responder::{Request, Responder};
pub use server::Server;
pub use service::{OnServerDeath, Service, ServiceBuilder, remove};
