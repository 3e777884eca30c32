//! loom models of a caller that waits at two wait words (W5): the real [`block_many`], over
//! the shops and the futex of the other models. A wake-up that is lost is a deadlock.

#![expect(
    clippy::arc_with_non_send_sync,
    reason = "loom runs all threads of a model by turns on one real thread"
)]

use std::sync::Arc;

use super::*;
use crate::models::{explore, spawn};
use crate::sys::atomic::Ordering;
use crate::wait::models::{Customer, Futex, Shop};
use crate::wait::{WaitStrategy, WaitWord};

/// A shop, as one of two that a caller waits for.
struct ShopSource<'a> {
    shop: &'a Shop,
    registered: bool,
}

impl WaitSource<()> for ShopSource<'_> {
    fn look(&mut self) -> bool {
        unreachable!("parks at once")
    }

    fn check(&mut self) -> bool {
        // Pairs with `publish`.
        self.shop.messages.load(Ordering::Acquire) > 0
    }

    fn announce(&mut self) -> Option<Announced> {
        Some(WaitWord(&self.shop.word).announce(false, &mut self.registered))
    }

    fn word(&self) -> Option<&AtomicU32> {
        Some(&self.shop.word)
    }

    fn pass_on(&mut self) {
        if self.check() {
            self.shop.notify_one();
        }
    }
}

/// Waits until there is a message in one of the shops.
fn wait_for_either(shops: &[Arc<Shop>; 2]) -> usize {
    let mut sources = shops.each_ref().map(|shop| ShopSource {
        shop,
        registered: false,
    });
    let [first, second] = &mut sources;
    let mut sources = Sources {
        all: &mut [first, second],
        first: 0,
    };
    let looks = Looks::new(WaitStrategy::Park.spins());
    let ready = block_many(&shops[0].futex, &mut sources, looks, None);
    ready.expect("there is no deadline")
}

fn two_shops() -> [Arc<Shop>; 2] {
    let futex = Futex::default();
    [Shop::with(futex.clone()), Shop::with(futex)]
}

/// A message in each of two shops, for one that waits for either, twice. Two preemptions.
///
/// Seen to fail: no check after the announcement (W2).
#[test]
fn models_many_both() {
    explore("a message in each of two shops", Some(2), || {
        let shops = two_shops();
        let ours = shops.clone();
        let waiter = spawn(move || {
            for _ in 0..2 {
                let ready = wait_for_either(&ours);
                assert!(ours[ready].take());
            }
        });
        let other = Arc::clone(&shops[1]);
        let notifier = spawn(move || other.publish());
        shops[0].publish();
        notifier.join();
        waiter.join();
    });
}

/// One that waits for either and takes nothing, beside one that sleeps at the first shop: the
/// second gets its message, whichever of them was woken for it. Two preemptions.
///
/// Seen to fail: a caller that passes nothing on (W3).
#[test]
fn models_many_pass_on() {
    explore("a waiter that takes nothing", Some(2), || {
        let shops = two_shops();
        let ours = shops.clone();
        let looker = spawn(move || wait_for_either(&ours));
        let ours = Arc::clone(&shops[0]);
        let customer = spawn(move || Customer::at(&ours).wait());
        shops[1].publish();
        shops[0].publish();
        looker.join();
        assert_eq!(customer.join(), Ok(()));
    });
}
