//! What all shared objects have in common: what they are made of, and how a part of a
//! region becomes a handle.

use std::sync::Arc;

use super::layout::{Part, PartKind, PartSpec};
use super::shared::Shared;
use crate::error::{Mismatch, RingError};

/// A value that processes may share. It has a fixed size and no padding, and any bytes are a
/// valid value. (These are [`bytemuck`]'s traits; derive `Pod`, or these two.)
pub trait SharedValue:
    bytemuck::NoUninit + bytemuck::AnyBitPattern + Send + Sync + 'static
{
}

impl<T: bytemuck::NoUninit + bytemuck::AnyBitPattern + Send + Sync + 'static> SharedValue for T {}

/// What is asked of a part by those that open it.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct ExpectedPart {
    pub(super) kind: PartKind,
    pub(super) size: usize,
    pub(super) align: usize,
    /// What else its maker chose, if that is insisted on.
    pub(super) parameter: Option<u64>,
}

impl ExpectedPart {
    /// One without a value.
    pub(super) fn plain(kind: PartKind) -> ExpectedPart {
        ExpectedPart {
            kind,
            size: 0,
            align: 1,
            parameter: None,
        }
    }

    /// One with a value `T`.
    pub(super) fn of<T>(kind: PartKind) -> ExpectedPart {
        ExpectedPart {
            kind,
            size: size_of::<T>(),
            align: align_of::<T>(),
            parameter: None,
        }
    }

    /// All that is to be as in `spec`.
    fn as_in(spec: &PartSpec) -> ExpectedPart {
        ExpectedPart {
            kind: spec.kind,
            size: spec.size,
            align: spec.align,
            parameter: Some(spec.parameter),
        }
    }

    fn check(self, part: &Part) -> Result<(), Mismatch> {
        let wrong = |what, expected: &dyn ToString, found: &dyn ToString| Mismatch::Part {
            name: part.name.clone(),
            what,
            expected: expected.to_string(),
            found: found.to_string(),
        };
        if part.kind != self.kind {
            return Err(wrong("kind", &self.kind.name(), &part.kind.name()));
        }
        if part.size != self.size {
            return Err(wrong("bytes of the value", &self.size, &part.size));
        }
        if part.align != self.align {
            return Err(wrong("alignment of the value", &self.align, &part.align));
        }
        match self.parameter {
            Some(parameter) if parameter != part.parameter => {
                let (what, _) = self.kind.parameter();
                Err(wrong(what, &parameter, &part.parameter))
            }
            _ => Ok(()),
        }
    }
}

mod sealed {
    pub trait SealedObject {}
}
pub(super) use sealed::SealedObject;

/// An object that processes share, alone or in a [`Group`](super::Group):
/// [`Mutex`](super::Mutex), [`Condvar`](super::Condvar) and the others of this module. The trait
/// is sealed.
pub trait SharedObject: SealedObject + Sized {
    /// What a new object starts with.
    type Initial;

    /// What to make.
    #[doc(hidden)]
    fn spec(initial: Self::Initial) -> PartSpec;
    /// What to find.
    #[doc(hidden)]
    fn expected() -> ExpectedPart;
    /// The handle of a part that is what was expected.
    #[doc(hidden)]
    fn from_part(shared: SharedRef, index: usize) -> Self;
}

/// An open region.
#[doc(hidden)]
#[derive(Clone)]
pub struct SharedRef(pub(super) Arc<Shared>);

impl SharedRef {
    /// The part of this name, as an `O`.
    pub(super) fn part<O: SharedObject>(&self, name: &str) -> Result<O, RingError> {
        let index = self.find(name, O::expected())?;
        Ok(O::from_part(self.clone(), index))
    }

    /// Is there a part of this name as in `spec`?
    pub(super) fn check_part(&self, name: &str, spec: &PartSpec) -> Result<(), RingError> {
        self.find(name, ExpectedPart::as_in(spec)).map(drop)
    }

    fn find(&self, name: &str, expected: ExpectedPart) -> Result<usize, RingError> {
        let parts = self.0.parts();
        let Some(index) = parts.iter().position(|part| part.name == name) else {
            return Err(self.0.wrong(self.no_part(name)));
        };
        let checked = expected.check(&parts[index]);
        checked.map_err(|wrong| self.0.wrong(wrong))?;
        Ok(index)
    }

    fn no_part(&self, name: &str) -> Mismatch {
        let mut found = String::new();
        for part in self.0.parts().iter().take(8) {
            found += if found.is_empty() { "" } else { ", " };
            found += &format!("{} {:?}", part.kind.name(), part.name);
        }
        if self.0.parts().len() > 8 {
            found += " and more";
        }
        Mismatch::NoPart {
            name: name.into(),
            found,
        }
    }
}
