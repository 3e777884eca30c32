//! Tasks that report to one, by tokio's mpsc and by memring: `docs/moving.md` shows both.

use std::error::Error;

use tokio::task::JoinSet;

type Answer = Result<u64, Box<dyn Error + Send + Sync>>;

async fn before() -> Answer {
    use tokio::sync::mpsc;

    let (tx, mut rx) = mpsc::channel::<u64>(16);
    let mut tasks = JoinSet::new();
    for task in 0..4 {
        let tx = tx.clone();
        tasks.spawn(async move {
            for number in 0..100 {
                tx.send(task * 100 + number).await?;
            }
            Ok::<_, Box<dyn Error + Send + Sync>>(())
        });
    }
    drop(tx); // the tasks have the others
    let mut sum = 0;
    // Until the last sender is gone.
    while let Some(number) = rx.recv().await {
        sum += number;
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    Ok(sum)
}

async fn after() -> Answer {
    use memring::{Mpsc, RecvError, channel};

    let (tx, mut rx) = channel::<u64, Mpsc>(16)?;
    let mut tasks = JoinSet::new();
    for task in 0..4 {
        let mut tx = tx.clone();
        tasks.spawn(async move {
            for number in 0..100 {
                tx.send_async(task * 100 + number).await?;
            }
            Ok::<_, Box<dyn Error + Send + Sync>>(())
        });
    }
    drop(tx); // the tasks have the others
    let mut sum = 0;
    loop {
        match rx.recv_async().await {
            Ok(number) => sum += number,
            Err(RecvError::Disconnected) => break, // the last sender is gone
            Err(error) => return Err(error.into()),
        }
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    Ok(sum)
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (before, after) = (runtime.block_on(before())?, runtime.block_on(after())?);
    assert_eq!(before, after);
    println!("before and after: {after}");
    Ok(())
}
