//! NATS: by a server, with its core publish and subscribe. Numbers and acknowledgements are
//! the bridges' own, so nothing needs JetStream.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::{Client, ConnectOptions, ServerAddr};
use futures_util::StreamExt;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::{Engine, Inbox, Topic};

/// How long a packet waits while the server is away, before it is lost.
const PATIENT_FOR: Duration = Duration::from_secs(2);
/// How long to try to reach the server at first.
const REACHED_IN: Duration = Duration::from_secs(10);

/// How to reach the server.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its address, such as `nats://10.0.0.1:4222`, or `tls://…`.
    pub server: String,
    /// A file of credentials, as `nsc` writes it.
    pub credentials: Option<PathBuf>,
    /// A file with the certificate of the authority that the server's is signed by.
    pub root_certificate: Option<PathBuf>,
}

/// A connection to a server of NATS.
#[derive(Debug)]
pub struct NatsEngine {
    client: Client,
    limit: usize,
    runtime: Runtime,
}

impl NatsEngine {
    /// Connects.
    ///
    /// # Errors
    /// If the server cannot be reached, or refuses.
    pub fn open(options: &Options) -> Result<NatsEngine> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("cannot start the threads of NATS")?;
        let client = runtime.block_on(async {
            let mut connect = ConnectOptions::new().name("memring-bridge");
            if let Some(path) = &options.credentials {
                let read = connect.credentials_file(path).await;
                connect = read.with_context(|| format!("cannot read {}", path.display()))?;
            }
            if let Some(path) = &options.root_certificate {
                connect = connect
                    .add_root_certificates(path.clone())
                    .require_tls(true);
            }
            let address: ServerAddr = options.server.parse().with_context(|| {
                let found = &options.server;
                format!("invalid address {found}: expected such as nats://10.0.0.1:4222")
            })?;
            let connected = timeout(REACHED_IN, connect.connect(address)).await;
            connected
                .ok()
                .with_context(|| format!("NATS: {} does not answer", options.server))?
                .with_context(|| format!("NATS: cannot connect to {}", options.server))
        })?;
        let limit = client.server_info().max_payload;
        Ok(NatsEngine {
            client,
            limit,
            runtime,
        })
    }
}

impl Engine for NatsEngine {
    fn limit(&self) -> usize {
        self.limit
    }

    fn publish(&self, topic: &Topic, packet: Vec<u8>) -> Result<()> {
        let sending = self.client.publish(topic.joined("."), packet.into());
        // Not sent in time: it is lost, as packets may be.
        match self
            .runtime
            .block_on(async { timeout(PATIENT_FOR, sending).await })
        {
            Ok(sent) => sent.context("NATS: cannot publish"),
            Err(_) => Ok(()),
        }
    }

    fn subscribe(&self, topic: &Topic, inbox: &Inbox) -> Result<()> {
        let subject = topic.joined(".");
        let subscribed = self.runtime.block_on(async {
            let subscriber = self.client.subscribe(subject).await?;
            // Known to the server when this returns.
            let _ = timeout(PATIENT_FOR, self.client.flush()).await;
            Ok::<_, async_nats::SubscribeError>(subscriber)
        });
        let mut subscriber = subscribed.context("NATS: cannot subscribe")?;
        let inbox = inbox.clone();
        self.runtime.spawn(async move {
            while let Some(message) = subscriber.next().await {
                inbox.packet(&message.payload);
            }
        });
        Ok(())
    }

    /// NATS has no tokens of presence: silence tells.
    fn announce(&self, _topic: &Topic, _id: u64) -> Result<()> {
        Ok(())
    }

    fn watch(&self, _topic: &Topic, _inbox: &Inbox) -> Result<()> {
        Ok(())
    }
}
