//! Requests and responses of serde types.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::body::{Body, sealed};
use crate::message::schema::fingerprint;

/// A request or a response of a serde type, encoded by the crate `postcard`. This type is only a
/// name and has no values: callers send and receive `T` itself.
///
/// Needs the feature `serde`. For a service with several methods, use an enum:
///
/// ```
/// use memring::rpc::{Postcard, Service};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// enum Request {
///     Length(String),
///     Repeat { text: String, times: usize },
/// }
///
/// #[derive(Serialize, Deserialize, Debug, PartialEq)]
/// enum Response {
///     Number(usize),
///     Text(String),
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = &format!("doc-postcard-{}", std::process::id());
/// type Texts = Service<Postcard<Request>, Postcard<Response>>;
/// let service = Texts::open_or_create(name)?;
/// let mut server = service.server()?;
/// let worker = std::thread::spawn(move || {
///     server.serve(|request| match request.into_inner() {
///         Request::Length(text) => Response::Number(text.len()),
///         Request::Repeat { text, times } => Response::Text(text.repeat(times)),
///     })
/// });
/// let mut client = service.client()?;
/// let two = Request::Repeat { text: "ab".into(), times: 2 };
/// assert_eq!(client.call(&two)?, Response::Text("abab".into()));
/// # service.close()?;
/// # worker.join().unwrap()?;
/// # memring::rpc::remove(name)?;
/// # Ok(())
/// # }
/// ```
///
/// The encoding has no names in it, so both sides need the same types. Use the service's
/// [`schema`](super::ServiceBuilder::schema) tag to tell versions apart.
pub struct Postcard<T>(PhantomData<T>);

impl<T> sealed::SealedBody for Postcard<T> {}

impl<T: Serialize + DeserializeOwned + 'static> Body for Postcard<T> {
    type Given<'a> = &'a T;
    type Taken = T;

    const SHAPE: u64 = fingerprint(&[("postcard", 1)]);
    const SIZE: Option<usize> = None;

    fn put(given: &&T, bytes: &mut Vec<u8>) -> Result<(), String> {
        // Into the vector that the call reuses.
        match ::postcard::to_extend(*given, std::mem::take(bytes)) {
            Ok(extended) => {
                *bytes = extended;
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    fn put_taken(taken: &T, bytes: &mut Vec<u8>) -> Result<(), String> {
        Self::put(&taken, bytes)
    }

    fn take(bytes: &[u8]) -> Result<T, String> {
        match ::postcard::take_from_bytes(bytes) {
            Ok((value, [])) => Ok(value),
            Ok((_, rest)) => Err(format!("{} bytes too many", rest.len())),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Names = Postcard<Vec<String>>;

    #[test]
    fn arbitrary_bytes_are_an_error_or_a_value() {
        let names = vec!["a".to_string(), "bc".into()];
        let mut bytes = vec![9; 3];
        Names::put(&&names, &mut bytes).unwrap();
        assert_eq!(bytes[..3], [9; 3]);
        let encoded = bytes.split_off(3);
        assert_eq!(Names::take(&encoded), Ok(names));
        for length in 0..encoded.len() {
            assert!(Names::take(&encoded[..length]).is_err());
        }
        let longer = [&encoded[..], &[0]].concat();
        assert!(Names::take(&longer).is_err());
        // A length that is beyond all memory.
        assert!(Names::take(&[0xff; 9]).is_err());
        for seed in 0..=255 {
            let _ = Names::take(&[seed, seed ^ 0x55, 3, seed]);
        }
    }
}
