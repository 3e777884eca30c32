//! Actions that one of all processes carries out once.

#![allow(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
use std::time::Duration;

use super::group::{Group, GroupBuilder};
use super::layout::{PartKind, PartSpec};
use super::object::{ExpectedPart, SealedObject, SharedObject, SharedRef, SharedValue};
use super::part::PartHandle;
use super::single::{ObjectBuilder, handle};
use super::word::held::{HeldError, LOOKS, Waiting};
use super::word::once::{INTERRUPTED, OnceRules, OnceWord, is_done};
use crate::error::{OnceError, RingError};
use crate::members::Peer;
use crate::sys::atomic::AtomicU64;
use crate::sys::clock::MonotonicTime;

/// An action that one of all processes carries out, once: as [`std::sync::Once`].
///
/// If the process that carries it out dies in the middle, a call of [`Once::call_once_force`]
/// begins again. Until then, other calls get [`OnceError::Interrupted`].
///
/// ```
/// use memring::sync::Once;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let once = Once::anonymous()?;
/// let mut calls = 0;
/// once.call_once(|| calls += 1)?;
/// once.call_once(|| calls += 1)?;
/// assert_eq!(calls, 1);
/// # Ok(())
/// # }
/// ```
pub struct Once {
    part: PartHandle<AtomicU64>,
}

handle!([] Once, "once", ());

/// What [`Once::call_once_force`] tells about earlier calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnceState {
    is_interrupted: bool,
}

impl OnceState {
    /// Whether another call began, and died or panicked in the middle.
    ///
    /// Example: [`Once::call_once_force`].
    pub fn is_interrupted(self) -> bool {
        self.is_interrupted
    }
}

/// A value that one of all processes makes, once, and all read: as
/// [`std::sync::OnceLock`].
///
/// ```
/// use memring::sync::OnceValue;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let seed = OnceValue::<u64>::anonymous()?;
/// assert_eq!(seed.get(), None);
/// assert_eq!(*seed.get_or_init(|| 42)?, 42);
/// assert_eq!(*seed.get_or_init(|| 43)?, 42);
/// # Ok(())
/// # }
/// ```
pub struct OnceValue<T: SharedValue> {
    part: PartHandle<AtomicU64>,
    marker: PhantomData<T>,
}

handle!([T: SharedValue] OnceValue<T>, "value that is made once", ());

/// The right to do what is done once; dropped before the end, it leaves that to others.
struct Running<'a> {
    part: &'a PartHandle<AtomicU64>,
    held: u64,
}

impl Running<'_> {
    fn state(&self) -> OnceState {
        OnceState {
            is_interrupted: self.held & INTERRUPTED != 0,
        }
    }

    /// It is done.
    fn end(self) {
        self.finish(true);
        std::mem::forget(self);
    }

    fn finish(&self, is_done: bool) {
        if self.part.is_mapped() {
            let parker = self.part.shared().parker();
            OnceWord(self.part.word()).end(self.held, is_done, &parker);
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.finish(false);
    }
}

/// The right to do it; `None`: it is done.
fn begin(
    part: &PartHandle<AtomicU64>,
    begins_again: bool,
    deadline: Option<MonotonicTime>,
) -> Result<Option<Running<'_>>, OnceError> {
    let shared = part.shared();
    shared.region().check()?;
    let rules = OnceRules { begins_again };
    let waiting = Waiting::new(part.word(), rules, &**shared, shared.parker());
    let held = waiting
        .wait(Some(LOOKS), deadline)
        .map_err(|error| match error {
            HeldError::Timeout(holder) => OnceError::Timeout(holder.map(|id| shared.owner(id))),
            HeldError::Failed(failure) => failure.into(),
        })?;
    if is_done(held) {
        return Ok(None);
    }
    // It may be new and interrupted, or taken over from one that died: then it is given up
    // again here, if it was.
    if held & INTERRUPTED != 0 && !begins_again {
        if OnceRules::is_run_by(held, shared.id()) {
            drop(Running { part, held });
        }
        return Err(OnceError::Interrupted);
    }
    Ok(Some(Running { part, held }))
}

fn is_completed(part: &PartHandle<AtomicU64>) -> bool {
    part.is_mapped() && OnceWord(part.word()).is_done()
}

impl Once {
    /// Whether the action is done. This is a load (Acquire), so the action happened before.
    ///
    /// Example: [`call_once_force`](Once::call_once_force).
    #[inline]
    pub fn is_completed(&self) -> bool {
        is_completed(&self.part)
    }

    /// Calls `act`, unless the action is done; waits for another call that is doing it. When this
    /// returns `Ok`, the action is done and happened before. If `act` panics, the action is not
    /// done but interrupted. An `act` that calls this on the same object waits for itself.
    ///
    /// # Errors
    /// [`OnceError::Interrupted`]: a call has died or panicked in the middle.
    /// [`OnceError::Failed`].
    pub fn call_once(&self, act: impl FnOnce()) -> Result<(), OnceError> {
        self.call(false, None, |_| act())
    }

    /// As [`Once::call_once`], waiting for `timeout` at most for another call that is doing the
    /// action.
    ///
    /// # Errors
    /// As [`Once::call_once`]; [`OnceError::Timeout`] names the process that does it.
    pub fn call_once_timeout(
        &self,
        timeout: Duration,
        act: impl FnOnce(),
    ) -> Result<(), OnceError> {
        let deadline = MonotonicTime::now().checked_add(timeout);
        self.call(false, deadline, |_| act())
    }

    /// As [`Once::call_once`], but begins again after a call that died or panicked in the middle,
    /// and tells `act` so.
    ///
    /// ```
    /// # use memring::sync::{Once, OnceError};
    /// let once = Once::anonymous()?;
    /// std::thread::scope(|scope| {
    ///     let dies = || once.call_once(|| panic!("in the middle"));
    ///     scope.spawn(dies).join().unwrap_err();
    /// });
    /// assert!(matches!(once.call_once(|| ()), Err(OnceError::Interrupted)));
    /// once.call_once_force(|state| assert!(state.is_interrupted()))?; // clears up, and does it
    /// assert!(once.is_completed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`OnceError::Failed`].
    pub fn call_once_force(&self, act: impl FnOnce(OnceState)) -> Result<(), OnceError> {
        self.call(true, None, act)
    }

    fn call(
        &self,
        begins_again: bool,
        deadline: Option<MonotonicTime>,
        act: impl FnOnce(OnceState),
    ) -> Result<(), OnceError> {
        if self.is_completed() {
            return Ok(());
        }
        if let Some(running) = begin(&self.part, begins_again, deadline)? {
            act(running.state());
            running.end();
        }
        Ok(())
    }
}

impl<T: SharedValue> OnceValue<T> {
    /// Returns the value, if it was made, by a load (Acquire). The value never changes. (In a
    /// forked child, `None`; a reference that its parent had is not valid there.)
    #[inline]
    pub fn get(&self) -> Option<&T> {
        match is_completed(&self.part) {
            // SAFETY: V9, V11: mapped and aligned, any bytes are a value, and it is made.
            true => Some(unsafe { self.part.value::<T>().as_ref() }),
            false => None,
        }
    }

    /// Returns the value; if it was not made, `make` makes it now. Waits for another call that is
    /// making it. If that call dies or panics in the middle, this call makes the value.
    ///
    /// # Errors
    /// [`OnceError::Failed`].
    pub fn get_or_init(&self, make: impl FnOnce() -> T) -> Result<&T, OnceError> {
        self.get_or_make(None, make)
    }

    /// As [`OnceValue::get_or_init`], waiting for `timeout` at most for another call that is
    /// making the value.
    ///
    /// # Errors
    /// [`OnceError::Timeout`] names the process that makes it; [`OnceError::Failed`].
    pub fn get_or_init_timeout(
        &self,
        timeout: Duration,
        make: impl FnOnce() -> T,
    ) -> Result<&T, OnceError> {
        self.get_or_make(MonotonicTime::now().checked_add(timeout), make)
    }

    fn get_or_make(
        &self,
        deadline: Option<MonotonicTime>,
        make: impl FnOnce() -> T,
    ) -> Result<&T, OnceError> {
        if let Some(value) = self.get() {
            return Ok(value);
        }
        let value = self.part.value::<T>();
        if let Some(running) = begin(&self.part, true, deadline)? {
            let made = make();
            // `make` may have forked, and this be the child, in which nothing is mapped.
            self.part.check()?;
            // SAFETY: V9, V11: mapped and aligned, and this call alone makes it.
            unsafe { value.write(made) }
            running.end();
        }
        // SAFETY: V9, V11: as in `get`.
        Ok(unsafe { value.as_ref() })
    }
}

impl SharedObject for Once {
    type Initial = ();

    fn spec((): ()) -> PartSpec {
        PartSpec::plain(PartKind::Once, 0)
    }

    fn expected() -> ExpectedPart {
        ExpectedPart::plain(PartKind::Once)
    }

    fn from_part(shared: SharedRef, index: usize) -> Self {
        Once {
            part: PartHandle::of_word(shared.0, index),
        }
    }
}

impl<T: SharedValue> SharedObject for OnceValue<T> {
    type Initial = ();

    fn spec((): ()) -> PartSpec {
        PartSpec::unset::<T>(PartKind::Once)
    }

    fn expected() -> ExpectedPart {
        ExpectedPart::of::<T>(PartKind::Once)
    }

    fn from_part(shared: SharedRef, index: usize) -> Self {
        OnceValue {
            part: PartHandle::of_word(shared.0, index),
            marker: PhantomData,
        }
    }
}

/// Another handle of the same member, for another thread.
impl Clone for Once {
    fn clone(&self) -> Self {
        Once {
            part: self.part.clone(),
        }
    }
}

/// Another handle of the same member, for another thread.
impl<T: SharedValue> Clone for OnceValue<T> {
    fn clone(&self) -> Self {
        OnceValue {
            part: self.part.clone(),
            marker: PhantomData,
        }
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once")
            .field("path", &self.path())
            .field("completed", &self.is_completed())
            .finish_non_exhaustive()
    }
}

impl<T: SharedValue + fmt::Debug> fmt::Debug for OnceValue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnceValue")
            .field("path", &self.path())
            .field("value", &self.get())
            .finish_non_exhaustive()
    }
}

impl GroupBuilder {
    /// Adds a [`Once`] of this name.
    pub fn once(self, name: &str) -> Self {
        self.part::<Once>(name, ())
    }

    /// Adds a [`OnceValue`] of this name.
    pub fn once_value<T: SharedValue>(self, name: &str) -> Self {
        self.part::<OnceValue<T>>(name, ())
    }
}

impl Group {
    /// Opens the [`Once`] of this name.
    ///
    /// Example: [`GroupBuilder`].
    ///
    /// # Errors
    /// As [`Group::part`].
    pub fn once(&self, name: &str) -> Result<Once, RingError> {
        self.part(name)
    }

    /// Opens the [`OnceValue`] of this name.
    ///
    /// Example: [`GroupBuilder`].
    ///
    /// # Errors
    /// As [`Group::part`].
    pub fn once_value<T: SharedValue>(&self, name: &str) -> Result<OnceValue<T>, RingError> {
        self.part(name)
    }
}
