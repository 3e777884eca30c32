//! A process of the storm, and its life.

use anyhow::{Context, Result, bail};
use memring::{Kind, RingKind};
use rustix::process::{Pid, getppid};

use super::account::{Receiving, Sending};
use super::context::PeerContext;
use super::home;
use super::ledger::{Ledger, Stage};

use super::load::{Job, Load, dispatch};
use super::objects;
use super::order::{Order, RingAssignment};
use super::receive::Receiver;
use super::send::Sender;
use memring_testkit::processes::tie_to_parent;

/// Live as this order says.
pub fn serve(order: &str) -> Result<()> {
    match serde_json::from_str(order).context("cannot understand the order")? {
        Order::Guard(dir) => home::guard(&dir),
        Order::Use(assignment, object) => {
            tie_to(assignment.parent)?;
            objects::serve(&assignment, object)
        }
        Order::Serve(assignment) => {
            tie_to(assignment.common.parent)?;
            let kind: RingKind = assignment.kind.parse()?;
            dispatch(kind, assignment.size, &*assignment)
        }
    }
}

/// Die with the process that started this one.
fn tie_to(parent: i32) -> Result<()> {
    tie_to_parent()?;
    if getppid() != Pid::from_raw(parent) {
        bail!("the process that started this one is gone");
    }
    Ok(())
}

impl Job for &RingAssignment {
    type Out = Result<()>;

    fn run<T: Load + ?Sized, K: Kind>(self) -> Result<()> {
        let ledger = Ledger::open(&home::ledger(&self.common.dir))?;
        let context = PeerContext {
            assignment: self,
            ledger: &ledger,
        };
        context.stage(Stage::Begun);
        let outcome = match self.sends {
            true => {
                let sending = Sending::new(&ledger, self.common.incarnation);
                Sender::<T, K>::new(&context, sending).run()
            }
            false => {
                let receiving = Receiving::new(&ledger, self.common.place);
                Receiver::<T, K>::new(&context, receiving).run()
            }
        };
        // Whatever it is: the next kill may be faster than an exit status.
        outcome.inspect_err(|error| ledger.accuse(&format!("{error:#}")))
    }
}
