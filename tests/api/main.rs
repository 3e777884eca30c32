//! The public interface in one process: what each call answers, and when; random sequences of
//! calls; what the fuzzer found.

mod attach;
mod batches;
mod cancel;
mod chunks;
mod conformance;
mod counts;
mod ends;
mod errors;
mod events;
mod familiar;
mod guards;
mod held;
mod in_place;
mod large;
mod limits;
mod markers;
mod options;
mod pair;
mod places;
mod questions;
mod redelivered;
mod rendezvous;
mod replay;
mod schemas;
mod select;
mod sequences;
mod streams;
mod threads;
mod timed;
mod waits;
mod windows;
