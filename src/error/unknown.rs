//! The error for a word that names no value of an option.

use std::fmt::Display;

/// A word that names none of an option's values. The options' `FromStr` returns it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is no {what}: expected {expected}")]
#[non_exhaustive]
pub struct UnknownName {
    /// Which option the word was for.
    pub what: &'static str,
    /// The valid names.
    pub expected: String,
    /// The word given.
    pub found: String,
}

impl UnknownName {
    /// The one of `all` that `word` names.
    pub(crate) fn among<T: Display, const N: usize>(
        what: &'static str,
        all: [T; N],
        word: &str,
    ) -> Result<T, UnknownName> {
        let names = all.each_ref().map(T::to_string);
        let mut found = all.into_iter().zip(&names);
        match found.find(|(_, name)| *name == word) {
            Some((value, _)) => Ok(value),
            None => Err(UnknownName::new(what, &names, word)),
        }
    }

    /// `word` is none of `names`.
    pub(crate) fn new<N: AsRef<str>>(what: &'static str, names: &[N], word: &str) -> UnknownName {
        let mut expected = String::new();
        for (index, name) in names.iter().enumerate() {
            expected += match names.len() - index {
                _ if index == 0 => "",
                1 => " or ",
                _ => ", ",
            };
            expected += name.as_ref();
        }
        UnknownName {
            what,
            expected,
            found: word.into(),
        }
    }
}
