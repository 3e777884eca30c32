//! A configuration that one process sets and others read, without a lock. Run it with
//! `cargo run --example config`.
//!
//! The process that sets it is killed while it writes. The readers wait for nobody: they go
//! on with the last whole value, and the next writer continues.

use std::env;
use std::error::Error;
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use memring::sync::Latest;

// Programs that take the fields for others do not get the object open.
memring::schema! {
    #[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
    #[repr(C)]
    struct Limits {
        requests_per_second: u64,
        /// A tenth of it, always: so a reader knows a torn value when it sees one.
        requests_in_flight: u64,
    }
}

impl Limits {
    fn new(requests_per_second: u64) -> Limits {
        Limits {
            requests_per_second,
            requests_in_flight: requests_per_second / 10,
        }
    }
}

/// At these limits the readers end.
const END: u64 = 0;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().collect();
    let open = |name: &str| Latest::builder().schema_of::<Limits>().open(name);
    match &arguments[..] {
        [_, name, role] if role == "read" => read(&open(name)?),
        [_, name, role] if role == "write" => write(&open(name)?),
        _ => supervise(),
    }
}

/// A process that works by the configuration.
fn read(limits: &Latest<Limits>) -> Result<(), Box<dyn Error>> {
    let mut changes = 0;
    loop {
        let (number, now) = limits.read_numbered()?;
        if now != Limits::new(now.requests_per_second) {
            return Err(format!("half of one value and half of another: {now:?}").into());
        }
        if now.requests_per_second == END {
            println!("a reader saw {changes} changes, each of them whole");
            return Ok(());
        }
        // A real one would work meanwhile, and ask `has_changed_since` now and then.
        limits.wait_changed(number)?;
        changes += 1;
    }
}

/// The process that sets it, without a pause.
fn write(limits: &Latest<Limits>) -> Result<(), Box<dyn Error>> {
    let mut writer = limits.writer()?;
    for tens in 1.. {
        writer.write(Limits::new(10 * tens))?;
    }
    Ok(())
}

fn supervise() -> Result<(), Box<dyn Error>> {
    let name = format!("config-{}", std::process::id());
    let limits = Latest::builder().schema_of::<Limits>();
    let limits = limits.create(&name, Limits::new(1000))?;
    let mut children = Vec::new();
    let outcome = run(&limits, &mut children, |role| {
        let program = env::current_exe()?;
        Ok(Command::new(program).args([&name, role]).spawn()?)
    });
    for mut child in children {
        if outcome.is_err() {
            child.kill()?;
        }
        if outcome.is_ok() && !child.wait()?.success() {
            return Err("a reader failed".into());
        }
    }
    memring::remove(&name)?;
    outcome
}

fn run(
    limits: &Latest<Limits>,
    children: &mut Vec<Child>,
    start: impl Fn(&str) -> Result<Child, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    children.push(start("read")?);
    children.push(start("read")?);
    let mut first = start("write")?;
    while limits.number()? < 10_000 {
        thread::sleep(Duration::from_millis(1));
    }
    // As the out-of-memory killer might, in the middle of a value.
    first.kill()?;
    first.wait()?;
    let (number, last) = limits.read_numbered()?;
    println!("the writer was killed; its last value is number {number}: {last:?}");
    // There is one writer at a time. The kernel says that the last one is dead.
    let mut writer = limits.writer()?;
    writer.write(Limits::new(END))?;
    Ok(())
}
