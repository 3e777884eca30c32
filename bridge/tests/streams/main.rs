//! Both ends of streams without processes, clocks or networks: ends that die at any step, a
//! network that loses, doubles and reorders, and an exact ledger.

mod calls;
mod hostile;
mod network;
mod storms;
mod world;
