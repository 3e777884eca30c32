//! Readings from one process to another, by iceoryx2 and by memring: `docs/moving.md` shows
//! both. Each side is a thread here, and could be a process: they share the name alone.

use std::error::Error;
use std::{process, thread};

type Answer = Result<f64, Box<dyn Error + Send + Sync>>;

fn before() -> Answer {
    use iceoryx2::prelude::*;

    #[derive(Clone, Copy, Debug, ZeroCopySend)]
    #[repr(C)]
    struct Reading {
        number: u64,
        celsius: f64,
    }

    fn publish(name: &ServiceName) -> Answer {
        let node = NodeBuilder::new().create::<ipc::Service>()?;
        let service = node.service_builder(name).publish_subscribe::<Reading>();
        let service = service.subscriber_max_buffer_size(16);
        let service = service.enable_safe_overflow(false).open_or_create()?;
        let publisher = service.publisher_builder();
        let waits = BackpressureStrategy::RetryUntilDelivered;
        let publisher = publisher.backpressure_strategy(waits).create()?;
        for number in 1..=1000 {
            let celsius = number as f64 / 4.0;
            loop {
                let sample = publisher.loan_uninit()?;
                let sample = sample.write_payload(Reading { number, celsius });
                if sample.send()? == 1 {
                    break;
                }
                thread::yield_now(); // no subscriber has connected yet: that one is lost
            }
        }
        Ok(0.0)
    }

    fn subscribe(name: &ServiceName) -> Answer {
        let node = NodeBuilder::new().create::<ipc::Service>()?;
        let service = node.service_builder(name).publish_subscribe::<Reading>();
        let service = service.subscriber_max_buffer_size(16);
        let service = service.enable_safe_overflow(false).open_or_create()?;
        let subscriber = service.subscriber_builder().create()?;
        let mut sum = 0.0;
        loop {
            match subscriber.receive()? {
                None => thread::yield_now(), // or wait for an event
                Some(reading) => {
                    sum += reading.celsius;
                    if reading.number == 1000 {
                        break; // the program decides what an end is
                    }
                }
            }
        }
        Ok(sum)
    }

    let name = ServiceName::new(&format!("readings-{}", process::id()))?;
    thread::scope(|scope| {
        let publisher = scope.spawn(|| publish(&name));
        let sum = subscribe(&name)?;
        publisher.join().expect("no panic")?;
        Ok(sum)
    })
}

fn after() -> Answer {
    use memring::{Ring, Spsc};

    memring::schema! {
        #[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
        #[repr(C)]
        struct Reading {
            number: u64,
            celsius: f64,
        }
    }

    fn publish(name: &str) -> Answer {
        let ring = Ring::<Reading, Spsc>::builder().schema_of::<Reading>();
        let ring = ring.capacity(16).open_or_create(name)?;
        let mut sender = ring.sender()?;
        for number in 1..=1000 {
            let celsius = number as f64 / 4.0;
            let mut grant = sender.reserve()?; // waits for room
            grant.write(Reading { number, celsius })?;
            grant.commit()?;
        }
        ring.close()?; // what was sent stays until it is received
        Ok(0.0)
    }

    fn subscribe(name: &str) -> Answer {
        let ring = Ring::<Reading, Spsc>::builder().schema_of::<Reading>();
        let ring = ring.capacity(16).open_or_create(name)?;
        let mut receiver = ring.receiver()?;
        let mut sum = 0.0;
        loop {
            match receiver.lease() {
                Ok(reading) => {
                    sum += reading.read().celsius;
                    reading.release();
                }
                Err(error) if error.is_closed() => break,
                Err(error) => return Err(error.into()),
            }
        }
        memring::remove(name)?;
        Ok(sum)
    }

    let name = format!("readings-{}", process::id());
    thread::scope(|scope| {
        let publisher = scope.spawn(|| publish(&name));
        let sum = subscribe(&name)?;
        publisher.join().expect("no panic")?;
        Ok(sum)
    })
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let (before, after) = (before()?, after()?);
    assert_eq!(before, after);
    println!("before and after: {after}");
    Ok(())
}
