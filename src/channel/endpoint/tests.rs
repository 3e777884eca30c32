//! What an endpoint knows of its own side.

use crate::channel::waiting::WaitingEndpoint;
use crate::{Mpmc, Ring, Spsc};

/// One that has others beside it needs a barrier for each sleep: they may have set the
/// bit that it finds (W2).
#[test]
fn an_endpoint_of_many_is_never_alone() {
    let single = Ring::<u64, Spsc>::anonymous(2).expect("make a ring");
    let (mut tx, mut rx) = (single.sender().unwrap(), single.receiver().unwrap());
    assert!(tx.connection().is_alone && rx.connection().is_alone);
    let many = Ring::<u64, Mpmc>::anonymous(2).expect("make a ring");
    let (mut tx, mut rx) = (many.sender().unwrap(), many.receiver().unwrap());
    assert!(!tx.connection().is_alone && !rx.connection().is_alone);
}
