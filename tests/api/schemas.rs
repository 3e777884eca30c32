//! Fingerprints of messages, as the tag that all users of a ring agree on.

use memring::{Kind, Message, Mismatch, Ring, RingError, Schema, Spsc};
use memring_testkit::text::says;

memring::schema! {
    #[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
    #[repr(C)]
    struct Tick {
        id: u64,
        bid: f64,
    }

    /// Of the same size.
    #[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
    #[repr(C)]
    pub struct Trade {
        pub id: u64,
        pub price: f64,
    }
}

mod elsewhere {
    memring::schema! {
        #[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
        #[repr(C)]
        pub struct Quote {
            pub id: u64,
            pub bid: f64,
        }
    }
}

/// Makes a ring of `A` and opens it as one of `B`.
fn opened<A: Message + Schema, B: Message + Schema, K: Kind>() -> Result<(), RingError> {
    let ring = Ring::<A, K>::builder().schema_of::<A>().anonymous()?;
    let fd = ring.share_fd()?;
    Ring::<B, K>::builder().schema_of::<B>().from_fd(fd)?;
    Ok(())
}

fn refused<A: Message + Schema, B: Message + Schema>() {
    let error = opened::<A, B, Spsc>().unwrap_err();
    let schema = RingError::Mismatch {
        path: None,
        mismatch: Mismatch::Schema {
            expected: B::SCHEMA,
            found: A::SCHEMA,
        },
    };
    assert_eq!(format!("{error:?}"), format!("{schema:?}"));
    says(&error, &["schema tag", "expected", "do not mean the same"]);
}

#[test]
#[cfg_attr(feature = "portable", ignore = "it passes a descriptor")]
fn types_of_one_size_are_told_apart() {
    refused::<i64, u64>();
    refused::<f64, u64>();
    refused::<[u64; 1], u64>();
    refused::<Tick, Trade>();
}

#[test]
#[cfg_attr(feature = "portable", ignore = "it passes a descriptor")]
fn names_and_paths_of_types_do_not_count() {
    opened::<u64, u64, Spsc>().unwrap();
    opened::<Tick, elsewhere::Quote, Spsc>().unwrap();
}

#[test]
#[cfg_attr(feature = "portable", ignore = "it passes a descriptor")]
fn a_ring_without_a_tag_is_not_taken_for_one_with_it() {
    let ring = Ring::<i64, Spsc>::anonymous(4).unwrap();
    let builder = Ring::<i64, Spsc>::builder().schema_of::<i64>();
    let error = builder.from_fd(ring.share_fd().unwrap()).unwrap_err();
    says(&error, &["schema tag 0x0"]);
}
