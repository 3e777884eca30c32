//! Zenoh, embedded: peer to peer, without a daemon.

use std::path::Path;
use std::sync::Mutex;

use anyhow::{Result, anyhow};
use zenoh::liveliness::LivelinessToken;
use zenoh::pubsub::Subscriber;
use zenoh::qos::CongestionControl;
use zenoh::sample::SampleKind;
use zenoh::{Config, Session, Wait};

use super::{Engine, Inbox, Topic, id_at_end};

/// A packet of Zenoh may be larger; this is what a bridge holds in memory several of.
const LIMIT: usize = 32 << 20;

/// Where to listen, and whom to connect to.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A file of Zenoh's own configuration, which decides everything that is not given here.
    pub config: Option<std::path::PathBuf>,
    /// Endpoints to listen at. None: of the configuration, or else the loopback alone.
    pub listen: Vec<String>,
    /// Endpoints to connect to.
    pub connect: Vec<String>,
}

/// A session of Zenoh.
#[derive(Debug)]
pub struct ZenohEngine {
    // Before the session, which they belong to.
    subscribers: Mutex<Vec<Subscriber<()>>>,
    tokens: Mutex<Vec<LivelinessToken>>,
    session: Session,
}

fn failed(what: &str) -> impl FnOnce(zenoh::Error) -> anyhow::Error {
    move |error| anyhow!("Zenoh: cannot {what}: {error}")
}

fn configure(options: &Options) -> Result<Config> {
    let mut config = match &options.config {
        Some(path) => Config::from_file(path).map_err(failed(&reading(path)))?,
        None => Config::default(),
    };
    let mut set = |key: &str, value: String| {
        let set = config.insert_json5(key, &value);
        set.map_err(|error| anyhow!("Zenoh: cannot set {key} to {value}: {error}"))
    };
    if options.config.is_none() {
        set("mode", "\"peer\"".into())?;
        // Nobody finds it, or is found, who was not named.
        set("scouting/multicast/enabled", "false".into())?;
        set("scouting/gossip/enabled", "false".into())?;
    }
    let listen = match (&options.listen[..], &options.config) {
        ([], Some(_)) => None,
        ([], None) => Some(vec!["tcp/127.0.0.1:0".to_string()]),
        (given, _) => Some(given.to_vec()),
    };
    if let Some(listen) = listen {
        set("listen/endpoints", serde_json::to_string(&listen)?)?;
    }
    if !options.connect.is_empty() {
        set(
            "connect/endpoints",
            serde_json::to_string(&options.connect)?,
        )?;
        // Who is not there yet is tried again for ever.
        set("connect/timeout_ms", "-1".into())?;
        set("connect/exit_on_failure", "false".into())?;
        let retry = r#"{"period_init_ms":100,"period_max_ms":1000,"period_increase_factor":2}"#;
        set("connect/retry", retry.into())?;
    }
    Ok(config)
}

fn reading(path: &Path) -> String {
    format!("read the configuration {}", path.display())
}

impl ZenohEngine {
    /// Opens a session.
    ///
    /// # Errors
    /// If the configuration is wrong, or it cannot listen where it should.
    pub fn open(options: &Options) -> Result<ZenohEngine> {
        let session = zenoh::open(configure(options)?)
            .wait()
            .map_err(failed("open a session"))?;
        Ok(ZenohEngine {
            subscribers: Mutex::default(),
            tokens: Mutex::default(),
            session,
        })
    }
}

impl Engine for ZenohEngine {
    fn limit(&self) -> usize {
        LIMIT
    }

    fn publish(&self, topic: &Topic, packet: Vec<u8>) -> Result<()> {
        // It waits while the network is busy, and closes a link on which nothing moves for
        // seconds.
        self.session
            .put(topic.joined("/"), packet)
            .congestion_control(CongestionControl::Block)
            .wait()
            .map_err(failed("publish"))
    }

    fn subscribe(&self, topic: &Topic, inbox: &Inbox) -> Result<()> {
        let inbox = inbox.clone();
        let subscriber = self
            .session
            .declare_subscriber(topic.joined("/"))
            .callback(move |sample| inbox.packet(&sample.payload().to_bytes()))
            .wait()
            .map_err(failed("subscribe"))?;
        keep(&self.subscribers, subscriber);
        Ok(())
    }

    fn announce(&self, topic: &Topic, id: u64) -> Result<()> {
        let key = topic.of_id(id).joined("/");
        let declared = self.session.liveliness().declare_token(key).wait();
        keep(&self.tokens, declared.map_err(failed("declare a token"))?);
        Ok(())
    }

    fn watch(&self, topic: &Topic, inbox: &Inbox) -> Result<()> {
        let inbox = inbox.clone();
        let watching = self
            .session
            .liveliness()
            .declare_subscriber(topic.below("*").joined("/"))
            .callback(move |sample| {
                if sample.kind() == SampleKind::Delete
                    && let Some(id) = id_at_end(sample.key_expr().as_str())
                {
                    inbox.gone(id);
                }
            })
            .wait()
            .map_err(failed("watch tokens"))?;
        keep(&self.subscribers, watching);
        Ok(())
    }
}

fn keep<T>(kept: &Mutex<Vec<T>>, item: T) {
    let mut kept = kept
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    kept.push(item);
}
