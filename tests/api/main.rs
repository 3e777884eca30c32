//! The public interface in one process: what each call answers, and when; random sequences of
//! calls; what the fuzzer found.

mod attach;
mod ends;
mod held;
mod in_place;
mod options;
mod replay;
mod sequences;
mod threads;
mod waits;
