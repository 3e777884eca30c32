//! Ends that other crates have made.

use std::ops::{Deref, DerefMut};

/// A sender or a receiver of another crate, whose verbs for the engine are given in this one.
#[derive(Clone)]
pub struct Foreign<T>(pub T);

impl<T> Deref for Foreign<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Foreign<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
