//! Locks, and values that are shared without one.

#![allow(unsafe_code)] // the C library's mutex, and a copy of memory that others write

use std::cell::UnsafeCell;
use std::fs::File;
use std::hint::black_box;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use memring::sync::{Latest, Mutex, RwLock};
use rustix::mm::{MapFlags, ProtFlags, mmap};

use crate::locks::{Guarded, Lock, Shared, VALUE, Value};
use memring_harness::contestant::{Home, Link, Made, Profile, Skill};

const LOCK: &[Skill] = &[Skill::Lock];
const LOAD: &[Skill] = &[Skill::Load];

/// Our own.
pub struct MemringMutex;

impl Profile for MemringMutex {
    const NAME: &'static str = "memring-mutex";
    const HOW: &'static str = "sync::Mutex: lock, drop of the guard";
    const SKILLS: &'static [Skill] = LOCK;
}

impl Lock for MemringMutex {
    const HOME: Home = Home::Processes;
    type Handle = Mutex<Guarded>;

    fn make(link: &Link) -> Result<Made> {
        let mutex = Mutex::<Guarded>::create(&link.path, [0; 2])?;
        Ok(Made {
            keep: Some(Box::new(mutex)),
            ..Made::default()
        })
    }

    fn open(link: &Link) -> Result<Self::Handle> {
        Ok(Mutex::open(&link.path)?)
    }

    #[inline(always)]
    fn with(handle: &Self::Handle, act: impl FnOnce(&mut Guarded)) {
        match handle.lock() {
            Ok(mut guard) => act(&mut guard),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Our own, of which the threads of one process share a handle.
pub struct MemringMutexThreads;

impl Profile for MemringMutexThreads {
    const NAME: &'static str = "memring-mutex-threads";
    const HOW: &'static str = "sync::Mutex, one handle for all threads: lock, drop of the guard";
    const SKILLS: &'static [Skill] = LOCK;
}

impl Lock for MemringMutexThreads {
    const HOME: Home = Home::Threads;
    type Handle = Arc<Mutex<Guarded>>;

    fn make(_: &Link) -> Result<Made> {
        Ok(Made::default())
    }

    fn open(_: &Link) -> Result<Self::Handle> {
        Ok(Arc::new(Mutex::anonymous([0; 2])?))
    }

    #[inline(always)]
    fn with(handle: &Self::Handle, act: impl FnOnce(&mut Guarded)) {
        MemringMutex::with(handle, act);
    }
}

/// parking_lot's.
pub struct ParkingLot;

impl Profile for ParkingLot {
    const NAME: &'static str = "parking_lot-mutex";
    const HOW: &'static str = "Mutex: lock, drop of the guard";
    const SKILLS: &'static [Skill] = LOCK;
}

impl Lock for ParkingLot {
    const HOME: Home = Home::Threads;
    type Handle = Arc<parking_lot::Mutex<Guarded>>;

    fn make(_: &Link) -> Result<Made> {
        Ok(Made::default())
    }

    fn open(_: &Link) -> Result<Self::Handle> {
        Ok(Arc::default())
    }

    #[inline(always)]
    fn with(handle: &Self::Handle, act: impl FnOnce(&mut Guarded)) {
        act(&mut handle.lock());
    }
}

/// The standard library's.
pub struct StdMutex;

impl Profile for StdMutex {
    const NAME: &'static str = "std-mutex";
    const HOW: &'static str = "Mutex: lock, drop of the guard";
    const SKILLS: &'static [Skill] = LOCK;
}

impl Lock for StdMutex {
    const HOME: Home = Home::Threads;
    type Handle = Arc<std::sync::Mutex<Guarded>>;

    fn make(_: &Link) -> Result<Made> {
        Ok(Made::default())
    }

    fn open(_: &Link) -> Result<Self::Handle> {
        Ok(Arc::default())
    }

    #[inline(always)]
    fn with(handle: &Self::Handle, act: impl FnOnce(&mut Guarded)) {
        match handle.lock() {
            Ok(mut guard) => act(&mut guard),
            Err(error) => panic!("{error}"),
        }
    }
}

/// The C library's, shared between processes and robust.
pub struct Pthread;

#[repr(C)]
struct RobustMutex {
    mutex: UnsafeCell<libc::pthread_mutex_t>,
    value: UnsafeCell<Guarded>,
}

/// One that is mapped, as long as the process lives.
#[derive(Clone, Copy)]
pub struct Robust(&'static RobustMutex);

// SAFETY: the value is touched by who holds the mutex, which is for all threads.
unsafe impl Send for Robust {}

impl Robust {
    fn map(file: &File) -> Result<Robust> {
        let length = size_of::<RobustMutex>();
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping, which is never unmapped.
        let at = unsafe { mmap(ptr::null_mut(), length, access, MapFlags::SHARED, file, 0)? };
        // SAFETY: the file is so long; all bytes are valid of these types' cells.
        Ok(Robust(unsafe { &*at.cast() }))
    }
}

fn done(code: i32) -> Result<()> {
    ensure!(code == 0, "pthread: {}", io::Error::from_raw_os_error(code));
    Ok(())
}

impl Profile for Pthread {
    const NAME: &'static str = "pthread-robust";
    const HOW: &'static str = "pthread_mutex, PROCESS_SHARED, ROBUST: lock, unlock";
    const SKILLS: &'static [Skill] = LOCK;
}

impl Lock for Pthread {
    const HOME: Home = Home::Processes;
    type Handle = Robust;

    fn make(link: &Link) -> Result<Made> {
        let mut options = File::options();
        let options = options.read(true).write(true).create_new(true);
        let file = options.open(&link.path).context("cannot make the mutex")?;
        file.set_len(size_of::<RobustMutex>() as u64)?;
        let robust = Robust::map(&file)?;
        let mut how = MaybeUninit::uninit();
        // SAFETY: the attributes are made before they are used, and the mutex is in memory that
        // nobody else has.
        unsafe {
            done(libc::pthread_mutexattr_init(how.as_mut_ptr()))?;
            let how = how.as_mut_ptr();
            let shared = libc::PTHREAD_PROCESS_SHARED;
            done(libc::pthread_mutexattr_setpshared(how, shared))?;
            let robustly = libc::PTHREAD_MUTEX_ROBUST;
            done(libc::pthread_mutexattr_setrobust(how, robustly))?;
            done(libc::pthread_mutex_init(robust.0.mutex.get(), how))?;
        }
        Ok(Made::default())
    }

    fn open(link: &Link) -> Result<Self::Handle> {
        let mut options = File::options();
        Robust::map(&options.read(true).write(true).open(&link.path)?)
    }

    #[inline(always)]
    fn with(handle: &Self::Handle, act: impl FnOnce(&mut Guarded)) {
        // SAFETY: it was made, and stays mapped; the value is touched between the two.
        unsafe {
            let code = libc::pthread_mutex_lock(handle.0.mutex.get());
            assert_eq!(code, 0, "pthread_mutex_lock");
            act(&mut *handle.0.value.get());
            let code = libc::pthread_mutex_unlock(handle.0.mutex.get());
            assert_eq!(code, 0, "pthread_mutex_unlock");
        }
    }
}

/// Our value without a lock.
pub struct MemringLatest;

impl Profile for MemringLatest {
    const NAME: &'static str = "memring-latest";
    const HOW: &'static str = "sync::Latest: read";
    const SKILLS: &'static [Skill] = LOAD;
}

impl Shared for MemringLatest {
    type Reader = Latest<Value>;

    fn open(_: &Link) -> Result<Self::Reader> {
        Ok(Latest::anonymous(VALUE)?)
    }

    #[inline(always)]
    fn read(reader: &Self::Reader) -> Value {
        match reader.read() {
            Ok(value) => value,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Our lock of many readers.
pub struct MemringRwLock;

impl Profile for MemringRwLock {
    const NAME: &'static str = "memring-rwlock";
    const HOW: &'static str = "sync::RwLock: read, a copy, drop of the guard";
    const SKILLS: &'static [Skill] = LOAD;
}

impl Shared for MemringRwLock {
    type Reader = RwLock<Value>;

    fn open(_: &Link) -> Result<Self::Reader> {
        Ok(RwLock::anonymous(VALUE)?)
    }

    #[inline(always)]
    fn read(reader: &Self::Reader) -> Value {
        match reader.read() {
            Ok(guard) => *guard,
            Err(error) => panic!("{error}"),
        }
    }
}

/// parking_lot's lock of many readers.
pub struct ParkingLotRwLock;

impl Profile for ParkingLotRwLock {
    const NAME: &'static str = "parking_lot-rwlock";
    const HOW: &'static str = "RwLock: read, a copy, drop of the guard; in one process";
    const SKILLS: &'static [Skill] = LOAD;
}

impl Shared for ParkingLotRwLock {
    type Reader = parking_lot::RwLock<Value>;

    fn open(_: &Link) -> Result<Self::Reader> {
        Ok(parking_lot::RwLock::new(VALUE))
    }

    #[inline(always)]
    fn read(reader: &Self::Reader) -> Value {
        *reader.read()
    }
}

/// A plain copy: what it costs to read at all.
pub struct PlainCopy;

impl Profile for PlainCopy {
    const NAME: &'static str = "copy";
    const HOW: &'static str = "a copy of the bytes, which are nobody else's";
    const SKILLS: &'static [Skill] = LOAD;
}

impl Shared for PlainCopy {
    type Reader = Box<Value>;

    fn open(_: &Link) -> Result<Self::Reader> {
        Ok(Box::new(VALUE))
    }

    #[inline(always)]
    fn read(reader: &Self::Reader) -> Value {
        **black_box(reader)
    }
}
