//! Streams and round trips over the loopback: by bridges, by their engine alone, and by a
//! bare TCP stream, each between processes of its own.
//!
//!     cargo bench -p memring-bridge [-- ROUNDS]
//!
//! One round measures everything once; medians of all rounds are printed, and the ratio to
//! the engine.

#[cfg(feature = "zenoh")]
mod bridges;
#[cfg(feature = "zenoh")]
mod engine;
#[cfg(feature = "zenoh")]
mod tcp;

#[cfg(feature = "zenoh")]
fn main() -> anyhow::Result<()> {
    measured::main()
}

#[cfg(not(feature = "zenoh"))]
fn main() {
    eprintln!("this measures Zenoh: build it with the feature zenoh");
}

#[cfg(feature = "zenoh")]
mod measured {
    use std::process::{Child, Command};
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::{Duration, Instant};

    use anyhow::{Context, Result};

    use crate::{bridges, engine, tcp};

    const ROUNDS: usize = 5;
    /// Until a stream is at its pace.
    const WARM_UP: Duration = Duration::from_millis(500);
    const STREAM: Duration = Duration::from_secs(1);
    /// Round trips of one measurement.
    pub const TRIPS: usize = 2000;

    /// A process that ends with its owner.
    pub struct Helper(Child);

    impl Helper {
        /// This program in another role.
        pub fn start(role: &str, arguments: &[String]) -> Result<Helper> {
            let mut command = Command::new(std::env::current_exe()?);
            let command = command.arg("role").arg(role).args(arguments);
            Ok(Helper(command.spawn().context("cannot start a helper")?))
        }

        pub fn of(command: &mut Command) -> Result<Helper> {
            Ok(Helper(command.spawn().context("cannot start a bridge")?))
        }
    }

    impl Drop for Helper {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    /// How many messages a second `count` grows by.
    pub fn rate(count: &AtomicU64) -> f64 {
        // Relaxed: a count, which publishes nothing.
        let there = || count.load(Ordering::Relaxed);
        while there() == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(WARM_UP);
        let (first, began) = (there(), Instant::now());
        std::thread::sleep(STREAM);
        (there() - first) as f64 / began.elapsed().as_secs_f64()
    }

    /// The median time of a round trip, in microseconds.
    pub fn trips(mut trip: impl FnMut() -> Result<()>) -> Result<f64> {
        for _ in 0..TRIPS / 10 {
            trip()?;
        }
        let mut times = Vec::with_capacity(TRIPS);
        for _ in 0..TRIPS {
            let began = Instant::now();
            trip()?;
            times.push(began.elapsed().as_secs_f64() * 1e6);
        }
        Ok(median(&mut times))
    }

    fn median(figures: &mut [f64]) -> f64 {
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    }

    type Measure = fn() -> Result<f64>;

    /// What is measured: by bridges, by the engine alone, by TCP.
    const ROWS: [(&str, [Measure; 3]); 4] = [
        (
            "messages a second, 64 B",
            [bridges::stream::<8>, engine::stream::<8>, tcp::stream::<8>],
        ),
        (
            "messages a second, 1 KiB",
            [
                bridges::stream::<128>,
                engine::stream::<128>,
                tcp::stream::<128>,
            ],
        ),
        (
            "round trip in us, 64 B",
            [bridges::trip::<8>, engine::trip::<8>, tcp::trip::<8>],
        ),
        (
            "round trip in us, 1 KiB",
            [bridges::trip::<128>, engine::trip::<128>, tcp::trip::<128>],
        ),
    ];

    pub fn main() -> Result<()> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        if let ["role", role, rest @ ..] =
            &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..]
        {
            return match *role {
                "tcp" => tcp::other_end(rest),
                _ => engine::other_end(role, rest),
            };
        }
        let rounds = arguments.iter().find_map(|it| it.parse().ok());
        let rounds = rounds.unwrap_or(ROUNDS);
        let mut found = ROWS.map(|_| [const { Vec::new() }; 3]);
        for round in 1..=rounds {
            eprintln!("round {round} of {rounds}");
            for ((_, measures), row) in ROWS.iter().zip(&mut found) {
                for (measure, figures) in measures.iter().zip(row) {
                    figures.push(measure()?);
                }
            }
        }
        println!("|  | bridge | Zenoh alone | bridge ÷ Zenoh | bare TCP |");
        println!("|---|---|---|---|---|");
        for ((what, _), row) in ROWS.iter().zip(&mut found) {
            let [bridge, engine, tcp] = row.each_mut().map(|figures| median(figures));
            let ratio = bridge / engine;
            println!("| {what} | {bridge:.0} | {engine:.0} | {ratio:.2} | {tcp:.0} |");
        }
        println!("\nMedians of {rounds} rounds.");
        Ok(())
    }
}
