//! Everybody who is measured.

mod calls;
mod channels;
mod futures;
mod iceoryx;
mod ipc;
mod kernel;
mod locks;
mod memring;
mod others;
mod ringfire;
mod sets;
mod spsc;
mod vyukov;

use std::marker::PhantomData;

use ::memring::{Mpmc, Mpsc, Spsc};

use memring_harness::floor::Floor;
use memring_harness::streams;

use crate::calls::Services;
use crate::futures::Futures;
use crate::locks::{Locks, Values};
use crate::sets::{ProcessSet, ThreadSet};
use crate::threads::Threads;
use memring_harness::contestant::{Contestant, Processes};

/// Everybody, in the order in which they take turns.
pub static ALL: &[&dyn Contestant] = &[
    &Processes(Floor),
    &Processes(memring::Memring::<memring::Plain>(PhantomData)),
    &Processes(memring::Memring::<memring::SpinOnly>(PhantomData)),
    &Processes(memring::Memring::<memring::Leases>(PhantomData)),
    &Processes(memring::Memring::<memring::Fence>(PhantomData)),
    &Processes(memring::Memring::<memring::Park>(PhantomData)),
    &Processes(memring::Memring::<memring::Many>(PhantomData)),
    &Processes(memring::Memring::<memring::ManySpin>(PhantomData)),
    &ProcessSet::<sets::SelectRings<memring::Plain>, memring::Memring<memring::Plain>>(PhantomData),
    &ProcessSet::<sets::SelectRings<memring::Park>, memring::Memring<memring::Park>>(PhantomData),
    &Futures(futures::AsyncRings),
    &Processes(vyukov::Vyukov),
    &Processes(ringfire::Ringfire::<ringfire::Busy>(PhantomData)),
    &Processes(ringfire::Ringfire::<ringfire::Futex>(PhantomData)),
    &Processes(ringfire::Ringfire::<ringfire::Sleepy>(PhantomData)),
    &Processes(iceoryx::Iceoryx),
    &Processes(iceoryx::IceoryxEvent),
    &Processes(ipc::Shmem),
    &Processes(ipc::ShmemSleep),
    &Processes(ipc::Ipmpsc),
    &Processes(ipc::IpcChannel),
    &Processes(streams::PipeLink),
    &ProcessSet::<sets::Pipes, streams::PipeLink>(PhantomData),
    &Processes(streams::Stream),
    &Futures(futures::Sockets),
    &Processes(streams::Datagram),
    &Processes(streams::Seqpacket),
    &Processes(kernel::Futex),
    &Processes(kernel::Eventfd),
    &Threads(spsc::Rtrb),
    &Threads(others::Ringbuf),
    &Threads(others::Heapless),
    &Threads(others::Thingbuf),
    &Threads(spsc::Gil),
    &Threads(spsc::Disruptor),
    &Threads(channels::Array),
    &Threads(channels::Kanal),
    &Threads(channels::GilMany),
    &Threads(channels::Crossbeam),
    &ThreadSet::<sets::Channels, channels::Crossbeam>(PhantomData),
    &Threads(channels::Flume),
    &Threads(others::Std),
    &Futures(futures::Mpsc),
    &Locks(locks::MemringMutex),
    &Locks(locks::MemringMutexThreads),
    &Locks(locks::Pthread),
    &Locks(locks::ParkingLot),
    &Locks(locks::StdMutex),
    &Values(locks::MemringLatest),
    &Values(locks::MemringRwLock),
    &Values(locks::ParkingLotRwLock),
    &Values(locks::PlainCopy),
    &Services(calls::Rpc),
    &Services(calls::Pair::<Spsc, Spsc>(PhantomData)),
    &Services(calls::Pair::<Mpmc, Mpsc>(PhantomData)),
    &Services(calls::IceoryxCalls),
    &Services(calls::Tarpc),
];

/// The one of this name.
pub fn named(name: &str) -> Option<&'static dyn Contestant> {
    ALL.iter()
        .copied()
        .find(|contestant| contestant.name() == name)
}
