//! What replaces a ring that has ended, when others were quicker.

use super::*;
use crate::ring::kind::Mpmc;

/// It was open when it was opened, and is removed, which closes it, before it is looked at:
/// not what the caller asked about, and no end of the ring that the name leads to.
#[test]
fn a_ring_that_is_removed_while_it_is_opened_is_not_reported_as_closed() {
    let path = std::env::temp_dir().join(format!("memring-unit-{}", std::process::id()));
    let builder = || Ring::<u64, Mpmc>::builder().capacity(4);
    for again in [false, true] {
        let old = builder().create(&path).expect("make a ring");
        let mut tx = old.sender().expect("attach");
        tx.send(1).expect("there is room");
        let at = RegionPath::existing(&path).expect("a name");
        let opened = builder().open_at(&at).expect("open the ring");
        match again {
            true => drop(builder().recreate(&path).expect("replace it")),
            false => crate::admin::remove(&path).expect("remove it"),
        }
        assert!(opened.is_closed());
        let config = builder().checked_config().expect("good options");
        let replaced = builder().replace_ended(&at, config, opened).err();
        assert!(
            matches!(replaced, Some(RingError::NotFound { .. })),
            "{replaced:?}"
        );
        let fresh = builder().open_or_create(&path).expect("have a ring");
        assert!(!fresh.is_closed() && fresh.is_empty());
        crate::admin::remove(&path).expect("remove it");
    }
}
