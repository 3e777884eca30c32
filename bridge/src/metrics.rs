//! Figures for people and programs: Prometheus text over HTTP, lines of JSON, a progress line.

mod http;
mod show;

pub use http::serve;
pub use show::{Show, show};

use std::fmt::Write;
use std::sync::Mutex;
use std::time::Duration;

/// One figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// Its name, without the prefix.
    pub name: &'static str,
    /// What it is.
    pub help: &'static str,
    /// Whether it only grows.
    pub counts: bool,
    /// Its value.
    pub value: f64,
}

/// The figures of a bridge, as they were last reported.
#[derive(Debug, Default)]
pub struct Status {
    figures: Mutex<Vec<Figure>>,
}

fn count(name: &'static str, help: &'static str, value: u64) -> Figure {
    Figure {
        name,
        help,
        counts: true,
        value: value as f64,
    }
}

fn gauge(name: &'static str, help: &'static str, value: f64) -> Figure {
    Figure {
        name,
        help,
        counts: false,
        value,
    }
}

impl Status {
    /// Replaces the figures.
    pub fn set(&self, figures: Vec<Figure>) {
        *self
            .figures
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = figures;
    }

    /// The figures.
    pub fn get(&self) -> Vec<Figure> {
        self.figures
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    /// Those of a sending end, whose ring has `lag` messages.
    pub fn sending(&self, figures: &crate::sender::Figures, lag: usize) {
        let round_trip = figures.round_trip.unwrap_or(Duration::ZERO).as_secs_f64();
        self.set(vec![
            count(
                "messages",
                "Messages that are acknowledged",
                figures.acknowledged,
            ),
            count(
                "bytes",
                "Bytes of messages that are acknowledged",
                figures.bytes,
            ),
            count(
                "packets",
                "Packets of messages sent, resends included",
                figures.packets,
            ),
            count("resends", "Packets sent again", figures.resends),
            count(
                "uncertain",
                "Messages that may have been sent elsewhere before",
                figures.uncertain,
            ),
            count(
                "reassigned",
                "Messages taken from a target that was given up",
                figures.reassigned,
            ),
            count("invalid", "Packets that made no sense", figures.invalid),
            gauge(
                "under_way",
                "Messages sent and not acknowledged",
                figures.under_way as f64,
            ),
            gauge("lag", "Messages in the ring", lag as f64),
            gauge("peers", "Targets that are there", figures.targets as f64),
            gauge(
                "round_trip_seconds",
                "Smoothed round trip of the nearest target",
                round_trip,
            ),
        ]);
    }

    /// Those of a receiving end, whose inbox has dropped packets.
    pub fn receiving(&self, figures: &crate::receiver::Figures, dropped: u64) {
        let refused = figures.refused + dropped;
        self.set(vec![
            count("messages", "Messages put", figures.put),
            count("bytes", "Bytes of messages put", figures.bytes),
            count(
                "duplicates",
                "Messages that came again, and were not put again",
                figures.duplicates,
            ),
            count(
                "refused",
                "Packets dropped for want of memory, which come again",
                refused,
            ),
            count(
                "uncertain",
                "Messages put that may have been put before",
                figures.uncertain,
            ),
            count("invalid", "Packets that made no sense", figures.invalid),
            gauge("held", "Messages that wait for room", figures.held as f64),
            gauge(
                "held_bytes",
                "Bytes of messages that wait for room",
                figures.held_bytes as f64,
            ),
            gauge("peers", "Sources that are there", figures.sources as f64),
            gauge(
                "full",
                "Whether the ring is full",
                f64::from(u8::from(figures.full)),
            ),
        ]);
    }

    /// As Prometheus reads it.
    pub fn prometheus(&self) -> String {
        let mut text = String::new();
        for figure in self.get() {
            let Figure {
                name,
                help,
                counts,
                value,
            } = figure;
            let (suffix, kind) = if counts {
                ("_total", "counter")
            } else {
                ("", "gauge")
            };
            let name = format!("memring_bridge_{name}{suffix}");
            let _ = write!(
                text,
                "# HELP {name} {help}.\n# TYPE {name} {kind}\n{name} {value}\n"
            );
        }
        text
    }

    /// As one line of JSON.
    pub fn json(&self) -> String {
        let fields = self.get().into_iter().map(|figure| {
            let value = match figure.value.fract() == 0.0 {
                true => serde_json::Value::from(figure.value as u64),
                false => serde_json::Value::from(figure.value),
            };
            (figure.name.to_string(), value)
        });
        serde_json::Value::Object(fields.collect()).to_string()
    }
}

#[cfg(test)]
mod tests;
