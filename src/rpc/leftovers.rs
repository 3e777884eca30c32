//! Rings of replies that killed clients left.

use std::ffi::{OsStr, OsString};

use crate::shm::{RegionPath, remove};
use crate::sys::file;
use crate::sys::handle::AsFd;

const INFIX: &str = ".reply-";
/// Digits of a client's id.
const DIGITS: usize = 32;
/// Bytes that the name of a ring of replies has more than that of its service.
pub(super) const SUFFIX: usize = INFIX.len() + DIGITS;

/// The name of a client's ring of replies.
pub(super) fn reply_name(service: &RegionPath, client: u128) -> OsString {
    let mut name = service.name.clone();
    name.push(format!("{INFIX}{client:032x}"));
    name
}

/// Whether `name` is that of a ring of replies of `service`.
fn is_reply_name(service: &OsStr, name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    let rest = name.strip_prefix(service.as_encoded_bytes());
    let id = rest.and_then(|rest| rest.strip_prefix(INFIX.as_bytes()));
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    id.is_some_and(|id| id.len() == DIGITS && id.iter().all(is_digit))
}

/// Removes the rings of replies of `service` that no process has open, as the kernel reports:
/// the client of each is dead, for it has its ring open from before that has a name until it
/// removes it. A ring that a server has open still is left to the next that comes here, when
/// the server has let go of it.
///
/// What cannot be removed is left, for the next that tries.
pub(super) fn remove_all(service: &RegionPath) {
    for name in file::names(service.directory.as_fd()).unwrap_or_default() {
        if is_reply_name(&service.name, &name)
            && let Ok(at) = service.beside(&name)
        {
            let _ = remove::if_unused(&at);
        }
    }
}

/// Takes the name of a client's own ring away, when that client has closed it. Servers find
/// that out by themselves.
pub(super) fn remove_own(service: &RegionPath, client: u128) {
    if let Ok(at) = service.beside(&reply_name(service, client)) {
        let _ = remove::Removal::begin(&at).and_then(|removal| removal.unlink().map(drop));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_names_are_left_alone() {
        let is = |name: &str| is_reply_name(OsStr::new("keys"), OsStr::new(name));
        let id = "0123456789abcdef0123456789abcdef";
        assert!(is(&format!("keys.reply-{id}")));
        for name in [
            "keys".to_string(),
            format!("other.reply-{id}"),
            format!("keys.reply-{id}0"),
            format!("keys.reply-{}", &id[1..]),
            format!("keys.reply-{}", id.to_uppercase()),
            format!("keys.reply-{id}.reply-{id}"),
            format!("keys-reply-{id}"),
        ] {
            assert!(!is(&name), "{name}");
        }
    }
}
