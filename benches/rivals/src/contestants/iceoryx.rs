//! iceoryx2: publish and subscribe, with one subscriber and without overflow.

#![allow(unsafe_code)] // its interface for writing in place

use std::fmt::Debug;

use anyhow::{Result, anyhow};
use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::*;
use iceoryx2::service::port_factory::{event, publish_subscribe};

use memring_harness::contestant::{Crossing, Link, Made, Profile, Skill};
use memring_harness::ends::{Rx, Tx};
use memring_harness::message::{Check, Source};
use memring_harness::worker::until;

/// Polled.
pub struct Iceoryx;
/// With an event for each message, for which the subscriber sleeps.
pub struct IceoryxEvent;

impl Profile for Iceoryx {
    const NAME: &'static str = "iceoryx2";
    const HOW: &'static str = "send_copy, or loan_uninit and send; receive; looks, then yields";
    const SKILLS: &'static [Skill] = &[Skill::Single, Skill::InPlace, Skill::Spin, Skill::Attach];
}

impl Profile for IceoryxEvent {
    const NAME: &'static str = "iceoryx2-event";
    const HOW: &'static str = "send_copy and notify; blocking_wait and receive";
    const SKILLS: &'static [Skill] = &[Skill::Sleep, Skill::Wake, Skill::Idle];
}

type Service = ipc::Service;
type Messages<const N: usize> = publish_subscribe::PortFactory<Service, [u64; N], ()>;
type Events = event::PortFactory<Service>;

fn failed(error: impl Debug) -> anyhow::Error {
    anyhow!("iceoryx2: {error:?}")
}

fn node() -> Result<Node<Service>> {
    set_log_level(LogLevel::Error);
    let builder = NodeBuilder::new().signal_handling_mode(SignalHandlingMode::Disabled);
    builder.create::<Service>().map_err(failed)
}

fn name(link: &Link) -> Result<ServiceName> {
    let path = link.path.to_string_lossy();
    path.as_ref().try_into().map_err(failed)
}

fn messages<const N: usize>(node: &Node<Service>, link: &Link) -> Result<Messages<N>> {
    let builder = node.service_builder(&name(link)?);
    let builder = builder.publish_subscribe::<[u64; N]>().history_size(0);
    let builder = builder.enable_safe_overflow(false);
    let builder = builder.subscriber_max_buffer_size(link.shape.capacity);
    builder.open_or_create().map_err(failed)
}

fn events(node: &Node<Service>, link: &Link) -> Result<Events> {
    let builder = node.service_builder(&name(link)?).event();
    builder.open_or_create().map_err(failed)
}

/// Publishes.
pub struct IceTx<const N: usize> {
    publisher: Publisher<Service, [u64; N], ()>,
    notifier: Option<Notifier<Service>>,
    _node: Node<Service>,
}

/// Subscribes.
pub struct IceRx<const N: usize> {
    subscriber: Subscriber<Service, [u64; N], ()>,
    listener: Option<Listener<Service>>,
    _node: Node<Service>,
}

fn tx<const N: usize>(link: &Link, with_events: bool) -> Result<IceTx<N>> {
    let node = node()?;
    let messages = messages::<N>(&node, link)?;
    let builder = messages.publisher_builder();
    let builder = builder.backpressure_strategy(BackpressureStrategy::RetryUntilDelivered);
    let notifier = match with_events {
        true => Some(
            events(&node, link)?
                .notifier_builder()
                .create()
                .map_err(failed)?,
        ),
        false => None,
    };
    Ok(IceTx {
        publisher: builder.create().map_err(failed)?,
        notifier,
        _node: node,
    })
}

fn rx<const N: usize>(link: &Link, with_events: bool) -> Result<IceRx<N>> {
    let node = node()?;
    let messages = messages::<N>(&node, link)?;
    let builder = messages.subscriber_builder();
    let listener = match with_events {
        true => Some(
            events(&node, link)?
                .listener_builder()
                .create()
                .map_err(failed)?,
        ),
        false => None,
    };
    Ok(IceRx {
        subscriber: builder.create().map_err(failed)?,
        listener,
        _node: node,
    })
}

/// Keep the services while their users come and go.
fn make<const N: usize>(link: &Link, with_events: bool) -> Result<Made> {
    let node = node()?;
    let messages = messages::<N>(&node, link)?;
    let events = match with_events {
        true => Some(events(&node, link)?),
        false => None,
    };
    Ok(Made {
        fds: Vec::new(),
        keep: Some(Box::new((messages, events, node))),
    })
}

macro_rules! crossing {
    ($family:ident, $with_events:literal) => {
        impl Crossing for $family {
            type Tx<const N: usize> = IceTx<N>;
            type Rx<const N: usize> = IceRx<N>;

            fn make<const N: usize>(link: &Link) -> Result<Made> {
                make::<N>(link, $with_events)
            }

            fn tx<const N: usize>(link: &Link) -> Result<IceTx<N>> {
                tx(link, $with_events)
            }

            fn rx<const N: usize>(link: &Link) -> Result<IceRx<N>> {
                rx(link, $with_events)
            }
        }
    };
}
crossing!(Iceoryx, false);
crossing!(IceoryxEvent, true);

impl<const N: usize> Tx<N> for IceTx<N> {
    #[inline(always)]
    fn send(&mut self, source: &mut Source) {
        let message = source.next();
        // Nobody gets it while the subscriber has not yet connected and the buffer is full.
        until(|| {
            let reached = self.publisher.send_copy(message).expect("cannot send");
            (reached > 0).then_some(())
        });
        if let Some(notifier) = &self.notifier {
            notifier.notify().expect("cannot notify");
        }
    }

    #[inline(always)]
    fn send_in_place(&mut self, source: &mut Source) {
        let again = source.clone();
        until(|| {
            *source = again.clone();
            let mut sample = self.publisher.loan_uninit().expect("cannot loan");
            // SAFETY: any bytes are integers, and all of them are written before it is sent.
            source.fill(unsafe { &mut *sample.payload_mut().as_mut_ptr() });
            // SAFETY: it was written.
            let sample = unsafe { sample.assume_init() };
            // As above.
            (sample.send().expect("cannot send") > 0).then_some(())
        });
    }
}

impl<const N: usize> Rx<N> for IceRx<N> {
    #[inline(always)]
    fn recv(&mut self, check: &mut impl Check) {
        let look = || self.subscriber.receive().expect("cannot receive");
        let sample = match &self.listener {
            None => until(look),
            Some(listener) => loop {
                if let Some(sample) = look() {
                    break sample;
                }
                let waited = listener.blocking_wait(|_| ());
                waited.expect("cannot wait");
            },
        };
        check.take(&sample);
    }
}
