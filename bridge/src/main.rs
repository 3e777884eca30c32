//! The command `memring-bridge`: carries rings between hosts.

mod args;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::Parser;
use memring_bridge::drive::{self, Context};
use memring_bridge::engine::Engine;
use memring_bridge::metrics::{self, Status};

use args::{Args, Command, EngineArgs, EngineName};

fn main() -> ExitCode {
    let args = Args::parse(); // which ends with 2 if it is wrong
    log(&args);
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("memring-bridge: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What is logged unless told otherwise. (Of Zenoh, not that a choice of ours is unusual.)
const QUIET: &str = "warn,memring_bridge=info,zenoh::net::routing=error,zenoh::net::runtime=error";

fn log(args: &Args) {
    use tracing_subscriber::EnvFilter;
    let filter = match &args.common.log {
        Some(filter) => EnvFilter::try_new(filter),
        None => EnvFilter::try_from_default_env().or_else(|_| EnvFilter::try_new(QUIET)),
    };
    match filter {
        Ok(filter) => tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .init(),
        Err(error) => {
            eprintln!(
                "memring-bridge: --log: {error}: expected such as info, or memring_bridge=debug"
            );
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let common = &args.common;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        // A second one ends it at once.
        let ends = signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop));
        ends.context("cannot handle signals")?;
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("cannot handle signals")?;
    }
    let status = Arc::new(Status::default());
    if let Some(address) = common.metrics {
        let at = metrics::serve(address, Arc::clone(&status))
            .with_context(|| format!("cannot serve metrics at {address}"))?;
        tracing::info!("metrics at http://{at}/metrics");
    }
    let shown = Arc::new(AtomicBool::new(false));
    metrics::show(common.show(), Arc::clone(&status), Arc::clone(&shown));
    let context = Context {
        engine: open_engine(&common.engine)?,
        topic: args.command.topic(),
        stop,
        status: Arc::clone(&status),
        began: Instant::now(),
    };
    let ended = match &args.command {
        Command::Send(send) => drive::send(&context, &send.options()),
        Command::Receive(receive) => drive::receive(&context, &receive.options()),
    };
    shown.store(true, Ordering::Relaxed);
    if common.json && ended.is_ok() {
        println!("{}", status.json());
    }
    ended
}

fn open_engine(args: &EngineArgs) -> Result<Arc<dyn Engine>> {
    match args.engine {
        #[cfg(feature = "zenoh")]
        EngineName::Zenoh => {
            use memring_bridge::engine::zenoh::{Options, ZenohEngine};
            Ok(Arc::new(ZenohEngine::open(&Options {
                config: args.config.clone(),
                listen: args.listen.clone(),
                connect: args.connect.clone(),
            })?))
        }
        #[cfg(feature = "nats")]
        EngineName::Nats => {
            use memring_bridge::engine::nats::{NatsEngine, Options};
            Ok(Arc::new(NatsEngine::open(&Options {
                server: args.server.clone(),
                credentials: args.credentials.clone(),
                root_certificate: args.root_certificate.clone(),
            })?))
        }
        #[cfg(not(all(feature = "zenoh", feature = "nats")))]
        other => anyhow::bail!(
            "this memring-bridge was built without the engine {other:?}: build it with `cargo \
             install --path bridge --features zenoh,nats`"
        ),
    }
}
