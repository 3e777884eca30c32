//! Each way in which a file can be wrong has an error of its own, which says
//! what was expected, what was found and what to do.

mod header;
mod nodes;

use memring::{Kind, Message, Mismatch, Ring, RingError};
use memring_testkit::text::says;

use crate::place::Place;

/// The mismatch that opening the ring as one of `T` and `K` ends in; its text
/// names the path.
#[track_caller]
fn refused<T: Message + ?Sized, K: Kind>(place: &Place) -> Mismatch {
    let error = Ring::<T, K>::open(place.name()).expect_err("it is not that ring");
    says(&error, &[place.name()]);
    match Ring::<T, K>::open_or_create(place.name(), 4) {
        Err(RingError::Mismatch { .. }) => {}
        other => panic!("open_or_create: {other:?}"),
    }
    match error {
        RingError::Mismatch { path, mismatch } => {
            assert_eq!(path.as_deref(), Some(place.path.as_path()));
            mismatch
        }
        other => panic!("{other:?}"),
    }
}
