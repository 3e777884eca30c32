//! The calls that a client has under way, and the ring that their replies come from.
//!
//! **There is always room for a reply.** A call is under way from before its request is sent
//! until its reply was taken out of the ring, also if its caller has given up; and there are
//! `window` of these at most, of all clones of a client together. A server sends one reply for
//! a request that it was delivered, and holds the request until it has. So a request is
//! delivered again, and replied to twice, only if a server dies between the reply and the
//! acknowledgement: the replies in the ring are `window` at most, and one more for each server
//! that died so while the client took none. The ring has `2 * window` places. Should as many
//! servers die so as there are calls in the window, a reply finds no room: then it is dropped
//! and counted, the server waits for nothing, and the call ends with its deadline.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use super::ends::Ends;
use super::error::CallError;
use super::leftovers;
use super::wakers::Wakers;
use super::wire::read_reply;
use crate::channel::Canceller;
use crate::shm::RegionPath;

/// Keys from here on are of tasks that wait for a place in the window.
const TICKETS: u64 = 1 << 63;

/// What the clones of a client, and their pending calls, share.
pub(super) struct Calls {
    state: Mutex<State>,
    /// A call has ended, or the ends of the rings are free to be used.
    changed: Condvar,
    /// Of the thread that waits at the ring: it looks again at what it waits for.
    leader: Canceller,
    wakers: Wakers,
    /// What the rings wake when tasks wait.
    look: Waker,
    tickets: AtomicU64,
    window: usize,
    service: Arc<RegionPath>,
    pub(super) client: u128,
}

struct State {
    /// `None`: a thread waits with them, or a task looks.
    ends: Option<Box<Ends>>,
    /// A thread waits with them.
    is_led: bool,
    calls: Vec<CallSlot>,
    free: Vec<u32>,
    /// Calls whose replies are to come.
    under_way: usize,
    /// Threads that wait for `changed`.
    followers: usize,
    /// The rings have woken while somebody had the ends.
    has_missed: bool,
}

/// Takes the replies when the rings have some, on behalf of the tasks, and wakes those whose
/// they are. In the process's waiting thread.
struct ReplyLook(Weak<Calls>);

impl Wake for ReplyLook {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(calls) = self.0.upgrade() {
            calls.look_for_rings();
        }
    }
}

/// What has come of replies.
#[derive(Default)]
struct Noted {
    /// Calls that have their reply now.
    answered: Vec<u64>,
    /// There are more places in the window.
    has_room: bool,
}

/// A place for a call, whose number is its index and how often the place was used.
struct CallSlot {
    uses: u32,
    call: Call,
}

enum Call {
    Free,
    /// Under way.
    Waiting,
    /// Under way, and nobody waits for it.
    Cancelled,
    /// The reply has come.
    Done(Vec<u8>),
}

impl Calls {
    pub(super) fn new(
        ends: Ends,
        window: usize,
        service: Arc<RegionPath>,
        client: u128,
    ) -> Arc<Calls> {
        Arc::new_cyclic(|calls| Calls {
            leader: ends.replies.canceller(),
            state: Mutex::new(State {
                ends: Some(Box::new(ends)),
                is_led: false,
                calls: Vec::new(),
                free: Vec::new(),
                under_way: 0,
                followers: 0,
                has_missed: false,
            }),
            changed: Condvar::new(),
            wakers: Wakers::default(),
            look: Waker::from(Arc::new(ReplyLook(Weak::clone(calls)))),
            tickets: AtomicU64::new(0),
            window,
            service,
            client,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of others runs under it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for a call, as soon as there is a place in the window.
    pub(super) fn begin(&self, until: Option<Instant>) -> Result<u64, CallError> {
        self.wait_until(until, |state| state.begin(self.window))
    }

    /// As [`Calls::begin`], for a task; `ticket` is its key, from [`Calls::ticket`].
    pub(super) fn poll_begin(
        &self,
        ticket: u64,
        context: &mut Context<'_>,
    ) -> Poll<Result<u64, CallError>> {
        self.poll(ticket, context, |state| state.begin(self.window))
    }

    /// A key for a task that waits for a place in the window; [`Calls::forget_task`] has to
    /// follow.
    pub(super) fn ticket(&self) -> u64 {
        // Relaxed: each is only another than the others.
        TICKETS | self.tickets.fetch_add(1, Ordering::Relaxed)
    }

    /// The reply to `call`, when it has come.
    pub(super) fn wait(&self, call: u64, until: Option<Instant>) -> Result<Vec<u8>, CallError> {
        self.wait_until(until, |state| state.finish(call))
    }

    /// As [`Calls::wait`], for a task; [`Calls::forget_task`] has to follow.
    pub(super) fn poll_wait(
        &self,
        call: u64,
        context: &mut Context<'_>,
    ) -> Poll<Result<Vec<u8>, CallError>> {
        self.poll(call, context, |state| state.finish(call))
    }

    /// Ends `call`, whatever has become of it. `was_sent`: its reply is to come still, and has
    /// its place in the window until then.
    pub(super) fn end(&self, call: u64, was_sent: bool) {
        let mut state = self.lock();
        let under_way = state.under_way;
        state.end(call, was_sent);
        let has_room = state.under_way < under_way;
        if has_room && state.is_led {
            // It may wait for a place. Under the lock: it resets this when it has that.
            self.leader.cancel();
        }
        self.announce(&state);
        drop(state);
        if has_room {
            self.wakers.wake(|key| key >= TICKETS);
        }
    }

    /// The task that waits under `key` does not any more.
    pub(super) fn forget_task(&self, key: u64) {
        // A task registers its waker first, and then takes the lock to poll the ends: under it
        // nobody waits who is not known.
        let mut state = self.lock();
        let (waker, is_last) = self.wakers.forget(key);
        if is_last && let Some(ends) = &mut state.ends {
            ends.stop_polling();
        }
        drop(state);
        drop(waker);
    }

    /// Others may go on.
    fn announce(&self, state: &State) {
        if state.followers > 0 {
            self.changed.notify_all();
        }
    }

    /// Takes replies out of the ring until `ready` says that there is what is waited for. One
    /// thread at a time waits at the ring, for all.
    fn wait_until<O>(
        &self,
        until: Option<Instant>,
        mut ready: impl FnMut(&mut State) -> Option<O>,
    ) -> Result<O, CallError> {
        let mut state = self.lock();
        let mut has_led = false;
        loop {
            if let Some(output) = ready(&mut state) {
                drop(state);
                if has_led {
                    // It has stopped the rings from waking `look`.
                    self.look();
                }
                return Ok(output);
            }
            let Some(mut ends) = state.ends.take() else {
                let is_late;
                (state, is_late) = self.follow(state, until);
                match is_late {
                    true => return ready(&mut state).ok_or(CallError::Timeout),
                    false => continue,
                }
            };
            state.is_led = true;
            has_led = true;
            drop(state);
            // Tasks register again when this thread is done.
            ends.stop_polling();
            let received = ends.receive(until);
            state = self.lock();
            state.ends = Some(ends);
            state.is_led = false;
            if self.leader.is_cancelled() {
                self.leader.reset();
            }
            let mut noted = Noted::default();
            let output = match received {
                Ok(reply) => {
                    noted = state.note_all(reply);
                    ready(&mut state).map(Ok)
                }
                Err(error) => Some(Err(error)),
            };
            self.announce(&state);
            drop(state);
            self.wake(&noted);
            if let Some(output) = output {
                // Nobody looks for the tasks any more.
                self.look();
                return output;
            }
            state = self.lock();
        }
    }

    /// Waits for the thread that waits at the ring. Says whether it is late now.
    fn follow<'c>(
        &'c self,
        mut state: MutexGuard<'c, State>,
        until: Option<Instant>,
    ) -> (MutexGuard<'c, State>, bool) {
        state.followers += 1;
        let remaining = until.map(|until| until.saturating_duration_since(Instant::now()));
        let (mut state, is_late) = match remaining {
            None => {
                let woken = self.changed.wait(state);
                (woken.unwrap_or_else(PoisonError::into_inner), false)
            }
            Some(remaining) => {
                let woken = self.changed.wait_timeout(state, remaining);
                let (state, _) = woken.unwrap_or_else(PoisonError::into_inner);
                (state, until.is_some_and(|until| until <= Instant::now()))
            }
        };
        state.followers -= 1;
        (state, is_late)
    }

    /// As `wait_until`, for a task under `key`.
    fn poll<O>(
        &self,
        key: u64,
        context: &mut Context<'_>,
        mut ready: impl FnMut(&mut State) -> Option<O>,
    ) -> Poll<Result<O, CallError>> {
        // First, so that what comes from now on wakes it.
        self.wakers.register(key, context.waker());
        let mut state = self.lock();
        if let Some(output) = ready(&mut state) {
            return Poll::Ready(Ok(output));
        }
        // Who has the ends looks for the tasks, too, before or after it gives them back.
        let Some(ends) = state.ends.take() else {
            return Poll::Pending;
        };
        drop(state);
        let (output, ended) = self.take_in(ends, ready);
        match (output, ended) {
            (Some(output), _) => Poll::Ready(Ok(output)),
            (None, Some(error)) => Poll::Ready(Err(error)),
            (None, None) => Poll::Pending,
        }
    }

    /// Takes the replies that are there, and has the next ones wake `look`. Of a thread that
    /// has given the ends back: a task that comes from now on finds them, and looks for itself.
    fn look(&self) {
        if !self.wakers.is_empty() {
            self.look_for_rings();
        }
    }

    /// As [`Calls::look`], when the rings have woken. They do so once: the thread or task
    /// that has the ends is told, even if no task waits now, for one that comes meanwhile does
    /// not look for itself.
    fn look_for_rings(&self) {
        let mut state = self.lock();
        match state.ends.take() {
            Some(ends) if self.wakers.is_empty() => state.ends = Some(ends),
            Some(ends) => {
                drop(state);
                self.take_in(ends, |_| None::<()>);
            }
            None => state.has_missed = true,
        }
    }

    /// Takes the replies that are there, has the next ones wake `look`, gives the ends back,
    /// and wakes the tasks that were waiting for what has come. Says what is `ready` then, and
    /// why nothing more comes.
    fn take_in<O>(
        &self,
        mut ends: Box<Ends>,
        ready: impl FnOnce(&mut State) -> Option<O>,
    ) -> (Option<O>, Option<CallError>) {
        let (replies, ended) = ends.take_all(&self.look, self.window);
        let mut state = self.lock();
        state.ends = Some(ends);
        let noted = state.note_all(replies);
        let output = ready(&mut state);
        let has_missed = std::mem::take(&mut state.has_missed);
        self.announce(&state);
        drop(state);
        if has_missed || ended.is_some() {
            // There may be more; the end is for all. Each finds out for itself.
            self.wakers.wake(|_| true);
        } else {
            self.wake(&noted);
        }
        (output, ended)
    }

    /// Wakes the tasks that were waiting for that, and no others.
    fn wake(&self, noted: &Noted) {
        if noted.has_room || !noted.answered.is_empty() {
            let is_of = |key| match key >= TICKETS {
                true => noted.has_room,
                false => noted.answered.contains(&key),
            };
            self.wakers.wake(is_of);
        }
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(ends) = state.ends.take() {
            // In a forked child it is the parent's.
            let is_ours = ends.replies.ring().is_mapped();
            drop(ends);
            if is_ours {
                leftovers::remove_own(&self.service, self.client);
            }
        }
    }
}

impl State {
    fn begin(&mut self, window: usize) -> Option<u64> {
        if self.under_way >= window {
            return None;
        }
        self.under_way += 1;
        let at = self.free.pop().unwrap_or_else(|| {
            self.calls.push(CallSlot {
                uses: 0,
                call: Call::Free,
            });
            (self.calls.len() - 1) as u32 // as many as the user has pending
        });
        let slot = &mut self.calls[at as usize];
        slot.uses = slot.uses.wrapping_add(1);
        slot.call = Call::Waiting;
        Some(u64::from(slot.uses) << 32 | u64::from(at))
    }

    /// The place of a call, if it is that call's still.
    fn slot(&mut self, call: u64) -> Option<&mut CallSlot> {
        let slot = self.calls.get_mut(call as u32 as usize)?; // the low half
        (u64::from(slot.uses) == call >> 32).then_some(slot)
    }

    fn finish(&mut self, call: u64) -> Option<Vec<u8>> {
        let slot = self.slot(call)?;
        match std::mem::replace(&mut slot.call, Call::Free) {
            Call::Done(reply) => {
                self.free.push(call as u32); // the low half
                Some(reply)
            }
            other => {
                slot.call = other;
                None
            }
        }
    }

    fn end(&mut self, call: u64, was_sent: bool) {
        let Some(slot) = self.slot(call) else {
            return;
        };
        match slot.call {
            Call::Waiting if was_sent => slot.call = Call::Cancelled,
            Call::Waiting => {
                slot.call = Call::Free;
                self.under_way -= 1;
                self.free.push(call as u32); // the low half
            }
            Call::Done(_) => {
                slot.call = Call::Free;
                self.free.push(call as u32); // the low half
            }
            Call::Cancelled | Call::Free => {}
        }
    }

    fn note_all(&mut self, replies: impl IntoIterator<Item = Vec<u8>>) -> Noted {
        let mut noted = Noted::default();
        for reply in replies {
            self.note(reply, &mut noted);
        }
        noted
    }

    /// A reply has come. One that nobody waits for any more ends its call; one that came
    /// before, and what is no reply at all, counts for nothing.
    fn note(&mut self, reply: Vec<u8>, noted: &mut Noted) {
        let Some((call, ..)) = read_reply(&reply) else {
            return;
        };
        let Some(slot) = self.slot(call) else {
            return;
        };
        match slot.call {
            Call::Waiting => {
                slot.call = Call::Done(reply);
                noted.answered.push(call);
            }
            Call::Cancelled => {
                slot.call = Call::Free;
                self.free.push(call as u32); // the low half
            }
            Call::Done(_) | Call::Free => return,
        }
        self.under_way -= 1;
        noted.has_room = true;
    }
}

#[cfg(all(test, feature = "failpoints"))] // they need testkit
mod tests;
