//! Two processes that meet at a socket, and one of which is killed. Run it with
//! `cargo run --example rendezvous`.
//!
//! A calculator listens. Clients connect, each gets rings of its own, both ways, and nothing of
//! them has a name. The second client is killed while the calculator waits for its next
//! question: the socket of the rendezvous tells at once. Change `Rings` for `Stream`, and the
//! same program runs over a socket and shares no memory.

#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
fn main() {
    println!("the portable backend cannot pass memory: nothing to show");
}

#[cfg(all(target_os = "linux", not(feature = "portable")))]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    meeting::main()
}

#[cfg(all(target_os = "linux", not(feature = "portable")))]
mod meeting {
    use std::env;
    use std::error::Error;
    use std::process::{Child, Command};
    use std::time::{Duration, Instant};

    use memring::RecvError;
    use memring::uds::{Connection, Rendezvous, Rings};

    memring::schema! {
        #[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
        #[repr(C)]
        struct Question {
            left: u64,
            right: u64,
        }

        #[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
        #[repr(C)]
        struct Product {
            product: u64,
        }
    }

    /// What carries the messages: `Rings`, `Stream`, `SeqPacket` or `Datagram`.
    type Carried = Rings;

    type Calculator = Rendezvous<Product, Question, Carried>;
    type Client = Rendezvous<Question, Product, Carried>;

    const QUESTIONS: u64 = 1000;
    const HANGS_AFTER: u64 = 501;

    pub fn main() -> Result<(), Box<dyn Error>> {
        let arguments: Vec<String> = env::args().collect();
        match &arguments[..] {
            [_, address, role] => ask(address, role == "hangs"),
            _ => calculate(),
        }
    }

    fn start(address: &str, role: &str) -> Result<Child, Box<dyn Error>> {
        let child = Command::new(env::current_exe()?)
            .args([address, role])
            .spawn()?;
        Ok(child)
    }

    fn calculate() -> Result<(), Box<dyn Error>> {
        let address = format!("@memring-example-{}", std::process::id());
        let calculator = Calculator::new().schemas_of::<Product, Question>();
        let calculator = calculator.on_refused(|_, error| eprintln!("refused: {error}"));
        let mut listener = calculator.capacity(16).bind(&address)?;
        for role in ["asks", "hangs"] {
            let mut child = start(&address, role)?;
            let Connection {
                mut tx,
                mut rx,
                peer,
            } = listener.accept()?;
            assert_eq!(peer.pid, child.id());
            let mut answered = 0;
            let mut killed = None;
            let end = loop {
                match rx.recv_timeout(Duration::from_millis(200)) {
                    Ok(Question { left, right }) => {
                        let product = left.wrapping_mul(right);
                        tx.send(Product { product })?;
                        answered += 1;
                    }
                    Err(error)
                        if error.is_timeout() && role == "hangs" && answered == HANGS_AFTER =>
                    {
                        // As the out-of-memory killer might.
                        child.kill()?;
                        killed = Some(Instant::now());
                        break rx.recv().expect_err("no question comes");
                    }
                    Err(error) if error.is_timeout() => {}
                    Err(error) if error.is_closed() => break RecvError::Closed,
                    Err(error) => return Err(error.into()),
                }
            };
            child.wait()?;
            match killed {
                Some(killed) => {
                    assert_eq!(end, RecvError::Disconnected);
                    println!(
                        "answered {answered}, and heard of the death in {:?}",
                        killed.elapsed()
                    );
                }
                None => println!("answered {answered}, all of them"),
            }
        }
        Ok(())
    }

    fn ask(address: &str, hangs: bool) -> Result<(), Box<dyn Error>> {
        let client = Client::new().schemas_of::<Question, Product>();
        let Connection { mut tx, mut rx, .. } = client.connect(address)?;
        for left in 0..QUESTIONS {
            tx.send(Question { left, right: 7 })?;
            assert_eq!(rx.recv()?, Product { product: 7 * left });
            if hangs && left + 1 == HANGS_AFTER {
                std::thread::sleep(Duration::from_secs(3600));
            }
        }
        tx.close()?;
        Ok(())
    }
}
