//! A key-value service with two servers, one of which is killed. Run it with
//! `cargo run --features serde --example key_value`.
//!
//! The values are files in a directory, which both servers have; a value is put in one step,
//! by renaming. To put it twice changes nothing, so a call whose server dies goes to the other
//! one. Here a server hangs with a call in hand, and is killed, as the out-of-memory killer
//! might. No time-out decides that it is dead: the kernel drops its lock, and the other sees
//! that.

use std::env;
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use memring::rpc::{self, Client, Postcard, Service};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
enum Request {
    Get { key: String },
    Put { key: String, value: String },
}

#[derive(Serialize, Deserialize, Debug)]
enum Response {
    Value(Option<String>),
    Put { attempt: u8 },
}

type KeyValue = Service<Postcard<Request>, Postcard<Response>>;
type KeyValueClient = Client<Postcard<Request>, Postcard<Response>>;

/// The server that puts this value hangs.
const HANG: &str = "hang";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().collect();
    match &arguments[..] {
        [_, service, values] => serve(service, Path::new(values)),
        _ => supervise(),
    }
}

/// A server process.
fn serve(service: &str, values: &Path) -> Result<(), Box<dyn Error>> {
    let mut server = KeyValue::open(service)?.server()?;
    // Until the service is closed. An error is the caller's.
    server.try_serve(|request| {
        let attempt = request.attempt();
        answer(request.into_inner(), attempt, values)
    })?;
    Ok(())
}

fn answer(request: Request, attempt: u8, values: &Path) -> io::Result<Response> {
    match request {
        Request::Get { key } => match fs::read_to_string(file(values, &key)?) {
            Ok(value) => Ok(Response::Value(Some(value))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Response::Value(None)),
            Err(error) => Err(error),
        },
        Request::Put { key, value } => {
            let new = values.join(format!(".new-{}", std::process::id()));
            fs::write(&new, &value)?;
            if value == HANG && attempt == 1 {
                // Says which process it is. Long past the end of this example; killed before.
                fs::write(&new, std::process::id().to_string())?;
                fs::rename(&new, values.join(".hangs"))?;
                thread::sleep(Duration::from_secs(60));
            }
            fs::rename(&new, file(values, &key)?)?;
            Ok(Response::Put { attempt })
        }
    }
}

/// Where the value of `key` is, which is the caller's promise.
fn file(values: &Path, key: &str) -> io::Result<PathBuf> {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    match !key.is_empty() && key.chars().all(is_letter) {
        true => Ok(values.join(key)),
        false => Err(io::Error::other(format!("{key:?} is no key"))),
    }
}

fn supervise() -> Result<(), Box<dyn Error>> {
    let name = format!("key-value-{}", std::process::id());
    let values = env::temp_dir().join(&name);
    fs::create_dir(&values)?;
    let service = KeyValue::builder().create(&name)?;
    let mut servers = Vec::new();
    let outcome = run(&service, &values, &mut servers, || {
        Command::new(env::current_exe()?)
            .arg(&name)
            .arg(&values)
            .spawn()
    });
    // Whatever came of it.
    service.close()?;
    for mut server in servers {
        if outcome.is_err() {
            server.kill()?;
        }
        server.wait()?;
    }
    rpc::remove(&name)?;
    fs::remove_dir_all(&values)?;
    outcome
}

fn run(
    service: &KeyValue,
    values: &Path,
    servers: &mut Vec<Child>,
    start: impl Fn() -> io::Result<Child>,
) -> Result<(), Box<dyn Error>> {
    servers.push(start()?);
    servers.push(start()?);
    let mut client = service.client()?;
    for number in 0..100 {
        put(&mut client, &format!("key-{number}"), &number.to_string())?;
    }
    match client.call(&Request::Get { key: "../x".into() }) {
        Err(error) => println!("an error of the handler: {error}"),
        Ok(response) => return Err(format!("expected an error, found {response:?}").into()),
    }

    // A call that its server never answers: the client goes on meanwhile.
    let hanging = client.submit(&Request::Put {
        key: "last".into(),
        value: HANG.into(),
    })?;
    let hangs = values.join(".hangs");
    while !hangs.exists() {
        thread::sleep(Duration::from_millis(1));
    }
    put(&mut client, "key-0", "of the other server")?;
    let pid: u32 = fs::read_to_string(hangs)?.parse()?;
    println!("a server hangs with a call in hand; killing it");
    for server in servers.iter_mut().filter(|server| server.id() == pid) {
        server.kill()?;
    }
    match hanging.wait()? {
        Response::Put { attempt: 2 } => println!("the other server has put it, at attempt 2"),
        response => return Err(format!("expected a second attempt, found {response:?}").into()),
    }

    for (key, expected) in [
        ("key-0", Some("of the other server")),
        ("key-99", Some("99")),
        ("last", Some(HANG)),
        ("none", None),
    ] {
        let found = client.call(&Request::Get { key: key.into() })?;
        match found {
            Response::Value(value) if value.as_deref() == expected => {}
            found => return Err(format!("{key}: expected {expected:?}, found {found:?}").into()),
        }
    }
    println!("101 values, one server killed, nothing lost");
    Ok(())
}

fn put(client: &mut KeyValueClient, key: &str, value: &str) -> Result<(), Box<dyn Error>> {
    let request = Request::Put {
        key: key.into(),
        value: value.into(),
    };
    match client.call_timeout(&request, Duration::from_secs(30))? {
        Response::Put { .. } => Ok(()),
        response => Err(format!("expected Put, found {response:?}").into()),
    }
}
