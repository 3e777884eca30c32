//! Services that are called.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use futures_util::StreamExt;
use iceoryx2::port::client::Client as IceClient;
use iceoryx2::port::server::Server as IceServer;
use iceoryx2::prelude::*;
use iceoryx2::service::port_factory::request_response::PortFactory;
use memring::rpc::{Client, Server, Service};
use memring::{Kind, Mpmc, Mpsc, Receiver, Ring, Sender, Spsc};
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::{client, context, serde_transport};
use tokio::runtime::{Builder, Runtime};

use crate::calls::{Calls, answer};
use memring_harness::contestant::{Link, Made, Profile, Skill};
use memring_harness::rings::strategy;
use memring_harness::task::Wait;
use memring_harness::worker::until;

/// Our own.
pub struct Rpc;

impl Profile for Rpc {
    const NAME: &'static str = "memring-rpc";
    const HOW: &'static str = "rpc::Service: call; serve";
    const SKILLS: &'static [Skill] = &[Skill::CallSpin, Skill::CallPark, Skill::Calls];
}

impl Calls for Rpc {
    type Client<const N: usize> = Client<[u64; N], [u64; N]>;
    type Server<const N: usize> = Server<[u64; N], [u64; N]>;

    fn make<const N: usize>(link: &Link) -> Result<Made> {
        let service = Service::<[u64; N], [u64; N]>::builder().create(&link.path)?;
        Ok(Made {
            keep: Some(Box::new(service)),
            ..Made::default()
        })
    }

    fn client<const N: usize>(link: &Link, wait: Wait) -> Result<Self::Client<N>> {
        Ok(Service::open(&link.path)?.client_with(strategy(wait))?)
    }

    fn server<const N: usize>(link: &Link, wait: Wait) -> Result<Self::Server<N>> {
        Ok(Service::open(&link.path)?.server_with(strategy(wait))?)
    }

    fn call<const N: usize>(client: &mut Self::Client<N>, request: [u64; N]) -> Result<[u64; N]> {
        Ok(client.call(request)?)
    }

    fn serve<const N: usize>(
        server: &mut Self::Server<N>,
        _: impl Fn() -> bool + Send,
    ) -> Result<()> {
        Ok(server.serve(|request| answer(&request))?)
    }

    fn end<const N: usize>(_: &mut Self::Client<N>, link: &Link) -> Result<()> {
        Ok(Service::<[u64; N], [u64; N]>::open(&link.path)?.close()?)
    }
}

/// Two rings, there and back: what a call cannot be quicker than. They are of the kinds `A` and
/// `B`.
pub struct Pair<A, B>(pub PhantomData<(A, B)>);

const PAIR: &[Skill] = &[Skill::CallSpin, Skill::CallPark];

impl Profile for Pair<Spsc, Spsc> {
    const NAME: &'static str = "ring-pair";
    const HOW: &'static str = "memring, two Spsc rings: send, recv";
    const SKILLS: &'static [Skill] = PAIR;
}

impl Profile for Pair<Mpmc, Mpsc> {
    const NAME: &'static str = "ring-pair-many";
    const HOW: &'static str = "memring, Mpmc there and Mpsc back, as a service has: send, recv";
    const SKILLS: &'static [Skill] = PAIR;
}

/// The ends of one party.
pub struct PairEnds<const N: usize, T: Kind, R: Kind> {
    tx: Sender<[u64; N], T>,
    rx: Receiver<[u64; N], R>,
}

/// Paths of both rings.
fn both(link: &Link) -> [PathBuf; 2] {
    ["there", "back"].map(|way| link.path.with_extension(way))
}

impl<A: Kind, B: Kind> Calls for Pair<A, B>
where
    Pair<A, B>: Profile,
{
    type Client<const N: usize> = PairEnds<N, A, B>;
    type Server<const N: usize> = PairEnds<N, B, A>;

    fn make<const N: usize>(link: &Link) -> Result<Made> {
        let [there, back] = both(link);
        let there = Ring::<[u64; N], A>::create(there, 64)?;
        let back = Ring::<[u64; N], B>::create(back, 64)?;
        Ok(Made {
            keep: Some(Box::new((there, back))),
            ..Made::default()
        })
    }

    fn client<const N: usize>(link: &Link, wait: Wait) -> Result<Self::Client<N>> {
        let [there, back] = both(link);
        Ok(PairEnds {
            tx: Ring::open(there)?.sender_with(strategy(wait))?,
            rx: Ring::open(back)?.receiver_with(strategy(wait))?,
        })
    }

    fn server<const N: usize>(link: &Link, wait: Wait) -> Result<Self::Server<N>> {
        let [there, back] = both(link);
        Ok(PairEnds {
            tx: Ring::open(back)?.sender_with(strategy(wait))?,
            rx: Ring::open(there)?.receiver_with(strategy(wait))?,
        })
    }

    fn call<const N: usize>(client: &mut Self::Client<N>, request: [u64; N]) -> Result<[u64; N]> {
        client.tx.send(request)?;
        Ok(client.rx.recv()?)
    }

    fn serve<const N: usize>(
        server: &mut Self::Server<N>,
        _: impl Fn() -> bool + Send,
    ) -> Result<()> {
        while let Ok(request) = server.rx.recv() {
            server.tx.send(answer(&request))?;
        }
        Ok(())
    }

    fn end<const N: usize>(client: &mut Self::Client<N>, _: &Link) -> Result<()> {
        Ok(client.tx.close()?)
    }
}

/// iceoryx2's request and response, polled.
pub struct IceoryxCalls;

impl Profile for IceoryxCalls {
    const NAME: &'static str = "iceoryx2-request-response";
    const HOW: &'static str = "send_copy, receive; looks, then yields";
    const SKILLS: &'static [Skill] = &[Skill::CallSpin, Skill::Calls];
}

type Ice = ipc::Service;
type Factory<const N: usize> = PortFactory<Ice, [u64; N], (), [u64; N], ()>;

/// A port, and its node, which must live as long.
pub struct WithNode<P> {
    port: P,
    _node: Node<Ice>,
}

fn failed(error: impl Debug) -> anyhow::Error {
    anyhow!("iceoryx2: {error:?}")
}

fn factory<const N: usize>(link: &Link) -> Result<(Node<Ice>, Factory<N>)> {
    set_log_level(LogLevel::Error);
    let node = NodeBuilder::new().signal_handling_mode(SignalHandlingMode::Disabled);
    let node = node.create::<Ice>().map_err(failed)?;
    let path = link.path.to_string_lossy();
    let name: ServiceName = path.as_ref().try_into().map_err(failed)?;
    let builder = node.service_builder(&name);
    let builder = builder.request_response::<[u64; N], [u64; N]>();
    let factory = builder.open_or_create().map_err(failed)?;
    Ok((node, factory))
}

impl Calls for IceoryxCalls {
    type Client<const N: usize> = WithNode<IceClient<Ice, [u64; N], (), [u64; N], ()>>;
    type Server<const N: usize> = WithNode<IceServer<Ice, [u64; N], (), [u64; N], ()>>;

    fn make<const N: usize>(link: &Link) -> Result<Made> {
        Ok(Made {
            keep: Some(Box::new(factory::<N>(link)?)),
            ..Made::default()
        })
    }

    fn client<const N: usize>(link: &Link, _: Wait) -> Result<Self::Client<N>> {
        let (node, factory) = factory::<N>(link)?;
        Ok(WithNode {
            port: factory.client_builder().create().map_err(failed)?,
            _node: node,
        })
    }

    fn server<const N: usize>(link: &Link, _: Wait) -> Result<Self::Server<N>> {
        let (node, factory) = factory::<N>(link)?;
        Ok(WithNode {
            port: factory.server_builder().create().map_err(failed)?,
            _node: node,
        })
    }

    /// A request goes to all servers. The first response is taken, and the others are not waited
    /// for.
    fn call<const N: usize>(client: &mut Self::Client<N>, request: [u64; N]) -> Result<[u64; N]> {
        let pending = client.port.send_copy(request).map_err(failed)?;
        let response = until(|| pending.receive().map_err(failed).transpose())?;
        Ok(*response.payload())
    }

    fn serve<const N: usize>(
        server: &mut Self::Server<N>,
        is_over: impl Fn() -> bool + Send,
    ) -> Result<()> {
        loop {
            let mut over = false;
            let request = until(|| match server.port.receive().map_err(failed).transpose() {
                None if is_over() => {
                    over = true;
                    Some(Err(anyhow!("it is over")))
                }
                found => found,
            });
            if over {
                return Ok(());
            }
            let request = request?;
            // A client that has its response from another server has gone on.
            let _ = request.send_copy(answer(request.payload()));
        }
    }

    fn end<const N: usize>(_: &mut Self::Client<N>, _: &Link) -> Result<()> {
        Ok(())
    }
}

/// tarpc over a Unix domain socket.
pub struct Tarpc;

impl Profile for Tarpc {
    const NAME: &'static str = "tarpc";
    const HOW: &'static str = "over a Unix domain socket, bincode; tokio of one thread";
    const SKILLS: &'static [Skill] = &[Skill::CallPark];
}

#[tarpc::service]
trait Turn {
    async fn turn(words: Vec<u64>) -> Vec<u64>;
}

/// Answers.
#[derive(Clone)]
struct Turner;

impl Turn for Turner {
    async fn turn(self, _: context::Context, mut words: Vec<u64>) -> Vec<u64> {
        if let Some(first) = words.first_mut() {
            *first = !*first;
        }
        words
    }
}

/// A client and what it runs in.
pub struct TarpcClient {
    client: TurnClient,
    runtime: Runtime,
}

/// A server that has yet to listen, and what it runs in.
pub struct TarpcServer {
    listener: tokio::net::UnixListener,
    runtime: Runtime,
}

fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

impl Calls for Tarpc {
    type Client<const N: usize> = TarpcClient;
    type Server<const N: usize> = TarpcServer;

    fn make<const N: usize>(_: &Link) -> Result<Made> {
        Ok(Made::default())
    }

    fn client<const N: usize>(link: &Link, _: Wait) -> Result<TarpcClient> {
        let runtime = runtime()?;
        let client = runtime.block_on(async {
            // The server may come later.
            for _ in 0..10_000 {
                match serde_transport::unix::connect(&link.path, Bincode::default).await {
                    Ok(transport) => {
                        return Ok(TurnClient::new(client::Config::default(), transport).spawn());
                    }
                    Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
                }
            }
            bail!("there is no server")
        })?;
        Ok(TarpcClient { client, runtime })
    }

    fn server<const N: usize>(link: &Link, _: Wait) -> Result<TarpcServer> {
        let runtime = runtime()?;
        let listener = runtime.block_on(async { tokio::net::UnixListener::bind(&link.path) })?;
        Ok(TarpcServer { listener, runtime })
    }

    fn call<const N: usize>(client: &mut TarpcClient, request: [u64; N]) -> Result<[u64; N]> {
        let call = client.client.turn(context::current(), request.to_vec());
        let response = client.runtime.block_on(call)?;
        response
            .try_into()
            .map_err(|_| anyhow!("a response of another length"))
    }

    fn serve<const N: usize>(server: &mut TarpcServer, _: impl Fn() -> bool + Send) -> Result<()> {
        let TarpcServer { listener, runtime } = server;
        runtime.block_on(async {
            let (stream, _) = listener.accept().await?;
            let framed = tarpc::tokio_util::codec::length_delimited::Builder::new();
            let transport = serde_transport::new(framed.new_framed(stream), Bincode::default());
            let channel = BaseChannel::with_defaults(transport);
            // Until the client hangs up.
            let answering = channel.execute(Turner.serve());
            answering.for_each(|answer| answer).await;
            Ok(())
        })
    }

    fn end<const N: usize>(client: &mut TarpcClient, _: &Link) -> Result<()> {
        // The connection ends with the last client.
        client.runtime.block_on(async {
            let (nobody, _) = tarpc::transport::channel::unbounded();
            client.client = TurnClient::new(client::Config::default(), nobody).spawn();
            tokio::time::sleep(Duration::from_millis(1)).await;
        });
        Ok(())
    }
}
