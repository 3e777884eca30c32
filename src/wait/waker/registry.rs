//! Which wakers wait at which words, and which thread sleeps on them.

use std::collections::HashMap;
use std::sync::atomic::AtomicU8;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use crate::sys::atomic::{AtomicU32, Ordering};
use crate::sys::clock::MonotonicTime;
use crate::sys::fork::ProcessToken;
use crate::sys::per_process::PerProcess;
use crate::wait::cap;

/// A wait word in memory that stays mapped as long as this lives.
pub(crate) trait Watched: Send + Sync {
    /// The word.
    fn word(&self) -> &AtomicU32;

    /// At a cap (W4): looks for dead members, and for what else no notifier tells. What it
    /// recovers it announces at the word. `true`: waiters have to look in any case.
    fn scan(&self) -> bool;
}

/// Words of one thread, beside its control word: `futex_waitv` takes 128.
pub(super) const WORDS_PER_THREAD: usize = 127;

/// How long a thread with nothing to wait for stays, and how soon it looks whether what
/// it has just woken waits again.
pub(super) const LINGER: Duration = Duration::from_secs(1);
const WARM: Duration = Duration::from_millis(100);

/// Sleeps end together, at multiples of these, so that a thread with many words wakes
/// seldom. The second is for waiters that have reached the longest cap.
const GRIDS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(500));

/// Words of a process that are scanned a second when their waiters have reached the
/// longest cap: where there are more, that cap is a multiple of itself.
const SCANS_PER_SECOND: usize = 128;

/// And so many waiters are woken a second for no other reason. Where there are more they
/// take turns.
const WAKES_PER_SECOND: usize = 32;

/// A round scans so many words at most, and then looks at all words again.
const SCANS_PER_ROUND: usize = 32;

/// What a waiter knows of its registration: not registered.
pub(super) const IDLE: u8 = 0;
/// It waits.
pub(super) const WAITING: u8 = 1;
/// It was woken, since the word has changed.
pub(super) const CHANGED: u8 = 2;
/// It was woken at its cap.
pub(super) const CAPPED: u8 = 3;

/// The waiters of this process.
pub(super) struct WakerRegistry {
    token: ProcessToken,
    state: Mutex<RegistryState>,
}

static REGISTRY: PerProcess<WakerRegistry> = PerProcess::new();

impl WakerRegistry {
    /// # Errors
    /// Out of memory, at the first use.
    pub(super) fn here() -> std::io::Result<&'static WakerRegistry> {
        REGISTRY.get(|token| WakerRegistry {
            token,
            state: Mutex::default(),
        })
    }

    /// Whether this is the process that it belongs to. In a forked child it may be
    /// locked for good.
    pub(super) fn is_here(&self) -> bool {
        self.token.is_here()
    }

    /// Nothing of the user's may be dropped or called under it: the last waker of a task
    /// drops the task, and with it perhaps futures that come here.
    pub(super) fn lock(&self) -> MutexGuard<'_, RegistryState> {
        // Nothing panics between two steps that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
pub(super) struct RegistryState {
    /// One for each thread, running or not.
    banks: Vec<Bank>,
    /// Where the slot of each word is, by the word's address.
    places: HashMap<usize, WordPlace>,
    /// Registrations in all.
    waiting: usize,
    last_id: u64,
}

/// Where a slot is.
#[derive(Clone, Copy)]
pub(super) struct WordPlace {
    pub(super) bank: usize,
    slot: usize,
}

/// The words of one thread.
#[derive(Default)]
struct Bank {
    /// Counts what the thread has to see. It sleeps on this, too.
    control: Arc<AtomicU32>,
    slots: Vec<Option<WordSlot>>,
    is_running: bool,
    /// Until when the thread sleeps, at most.
    until: Option<MonotonicTime>,
}

/// One word.
struct WordSlot {
    watched: Arc<dyn Watched>,
    /// Waiters that exist, registered or not.
    waiters: usize,
    registered: Vec<Registration>,
    /// The thread sleeps on it, or is about to.
    is_slept_on: bool,
}

/// A waiter that waits.
pub(super) struct Registration {
    pub(super) id: u64,
    /// The word at registration (W2).
    pub(super) value: u32,
    pub(super) waker: Waker,
    pub(super) cap: Duration,
    /// A death would let it go on that no scan announces: it looks itself, at each cap.
    pub(super) is_held_up: bool,
    /// It may not do what there is to do: so another sleeper is woken beside it (W3).
    pub(super) passes_on: bool,
    pub(super) end: Arc<AtomicU8>,
    pub(super) due: MonotonicTime,
    /// Caps at which it was another one's turn.
    pub(super) skipped: usize,
}

/// What a thread sleeps on: the words, and what they held.
pub(super) type Words = Vec<(Arc<dyn Watched>, u32)>;

/// What a thread has to do next.
pub(super) struct Round {
    pub(super) wakers: Vec<Waker>,
    /// Words at which another sleeper is to be woken (W3).
    pub(super) passes: Vec<Arc<dyn Watched>>,
    pub(super) scans: Vec<(WordPlace, Arc<dyn Watched>)>,
    pub(super) words: Words,
    pub(super) control: (Arc<AtomicU32>, u32),
    /// `None`: there is more to scan.
    pub(super) until: Option<MonotonicTime>,
}

fn address(watched: &dyn Watched) -> usize {
    std::ptr::from_ref(watched.word()).addr()
}

/// The point of the grid that is next to a cap away; `cap_factor`: how many times a longest
/// cap is itself.
fn due(now: MonotonicTime, cap: Duration, cap_factor: u32) -> MonotonicTime {
    let (cap, grid) = match cap >= cap::LONGEST {
        true => (cap * cap_factor, GRIDS.1 * cap_factor),
        false => (cap, GRIDS.0),
    };
    let due = now.checked_add(cap).unwrap_or(now);
    due.round_to(grid)
}

impl RegistryState {
    /// How many times a longest cap is itself, and at how many of these another waiter is
    /// woken.
    fn cap_factor_and_turns(&self) -> (u32, usize) {
        let cap_factor = 1 + self.places.len() / SCANS_PER_SECOND;
        let turns = self.waiting / (WAKES_PER_SECOND * cap_factor);
        (u32::try_from(cap_factor).unwrap_or(1), turns)
    }

    /// A waiter at this word: its place, and its id.
    pub(super) fn enter(&mut self, watched: &Arc<dyn Watched>) -> (WordPlace, u64) {
        self.last_id += 1;
        let key = address(&**watched);
        let place = match self.places.get(&key) {
            Some(place) => *place,
            None => {
                let place = self.free_place();
                self.banks[place.bank].slots[place.slot] = Some(WordSlot {
                    watched: Arc::clone(watched),
                    waiters: 0,
                    registered: Vec::new(),
                    is_slept_on: false,
                });
                self.places.insert(key, place);
                place
            }
        };
        if let Some(slot) = self.slot(place) {
            slot.waiters += 1;
        }
        (place, self.last_id)
    }

    fn free_place(&mut self) -> WordPlace {
        for (at, bank) in self.banks.iter_mut().enumerate() {
            let free = bank.slots.iter().position(Option::is_none);
            let slot = free.unwrap_or(bank.slots.len());
            if slot < WORDS_PER_THREAD {
                if free.is_none() {
                    bank.slots.push(None);
                }
                return WordPlace { bank: at, slot };
            }
        }
        let mut bank = Bank::default();
        bank.slots.push(None);
        self.banks.push(bank);
        let bank = self.banks.len() - 1;
        WordPlace { bank, slot: 0 }
    }

    fn slot(&mut self, place: WordPlace) -> Option<&mut WordSlot> {
        self.banks
            .get_mut(place.bank)?
            .slots
            .get_mut(place.slot)?
            .as_mut()
    }

    /// The waiter has gone, and not registered. Says which thread to kick, so that the word is
    /// forgotten soon.
    pub(super) fn leave(&mut self, place: WordPlace) -> Option<Arc<AtomicU32>> {
        let slot = self.slot(place)?;
        slot.waiters -= 1;
        if slot.waiters > 0 {
            return None;
        }
        let (key, is_slept_on) = (address(&*slot.watched), slot.is_slept_on);
        self.places.remove(&key);
        let bank = &mut self.banks[place.bank];
        bank.slots[place.slot] = None;
        is_slept_on.then(|| Arc::clone(&bank.control))
    }

    /// Registers, or registers again. Says which thread to kick: the thread sleeps on other words,
    /// or too long. And what was registered before, to be dropped without the lock.
    pub(super) fn register(
        &mut self,
        place: WordPlace,
        mut registration: Registration,
    ) -> (Option<Arc<AtomicU32>>, Option<Registration>) {
        let now = MonotonicTime::now();
        let (cap_factor, turns) = self.cap_factor_and_turns();
        let bank = &mut self.banks[place.bank];
        let Some(slot) = bank.slots[place.slot].as_mut() else {
            return (None, Some(registration));
        };
        registration.due = due(now, registration.cap, cap_factor);
        // So that not all have their turn together.
        registration.skipped = registration.id as usize % (1 + turns);
        let by_cap = now.checked_add(registration.cap);
        let is_in_time = bank
            .until
            .zip(by_cap)
            .is_some_and(|(until, cap)| until <= cap);
        let needs_kick = !(slot.is_slept_on && is_in_time);
        if !needs_kick {
            registration.due = registration.due.max(bank.until.unwrap_or(now));
        }
        let mut known = slot.registered.iter_mut();
        let before = match known.find(|known| known.id == registration.id) {
            Some(known) => {
                // The time of a poll in between counts.
                registration.due = registration.due.min(known.due);
                Some(std::mem::replace(known, registration))
            }
            None => {
                slot.registered.push(registration);
                self.waiting += 1;
                None
            }
        };
        (needs_kick.then(|| Arc::clone(&bank.control)), before)
    }

    /// Takes a registration back, to be dropped without the lock. `None`: there is none, it
    /// was woken.
    pub(super) fn unregister(&mut self, place: WordPlace, id: u64) -> Option<Registration> {
        let slot = self.slot(place)?;
        let at = slot.registered.iter().position(|known| known.id == id)?;
        let registration = slot.registered.swap_remove(at);
        self.waiting -= 1;
        Some(registration)
    }

    /// Whether a thread has to be started for this bank. If so, the caller does.
    pub(super) fn begin_running(&mut self, bank: usize) -> bool {
        !std::mem::replace(&mut self.banks[bank].is_running, true)
    }

    /// It could not be started. Those that have registered meanwhile, for it was said to run,
    /// are to be woken: they find out for themselves.
    pub(super) fn failed_to_run(&mut self, bank: usize) -> Vec<Waker> {
        let bank = &mut self.banks[bank];
        bank.is_running = false;
        let slots = bank.slots.iter_mut().flatten();
        let registered = slots.flat_map(|slot| slot.registered.drain(..));
        let wakers: Vec<_> = registered.map(|one| one.wake(CAPPED)).collect();
        self.waiting -= wakers.len();
        wakers
    }

    /// Wakes all that are registered there.
    pub(super) fn wake_all(&mut self, place: WordPlace, wakers: &mut Vec<Waker>) {
        let Some(slot) = self.slot(place) else { return };
        let woken = slot.registered.drain(..).map(|one| one.wake(CAPPED));
        let before = wakers.len();
        wakers.extend(woken);
        self.waiting -= wakers.len() - before;
    }

    /// What the thread of a bank has to do next; `slept`: what it has slept on. `None`:
    /// to end.
    pub(super) fn round(&mut self, bank: usize, slept: &Words, is_idle: bool) -> Option<Round> {
        let now = MonotonicTime::now();
        let (cap_factor, turns) = self.cap_factor_and_turns();
        let passes = self.passes_of(bank, slept);
        let this = &mut self.banks[bank];
        let mut round = Round {
            wakers: Vec::new(),
            passes,
            scans: Vec::new(),
            words: Vec::with_capacity(this.slots.len()),
            // SeqCst: pairs with the addition in `kick`. Whatever was registered before
            // that is seen by this round, or its sleep finds the word changed.
            control: (
                Arc::clone(&this.control),
                this.control.load(Ordering::SeqCst),
            ),
            until: None,
        };
        let mut until: Option<MonotonicTime> = None;
        let (mut has_more, mut is_warm, mut woken) = (false, false, 0);
        for (at, slot) in this.slots.iter_mut().enumerate() {
            let Some(slot) = slot else { continue };
            // SeqCst: pairs with the swaps and additions of `WaitWord`.
            let value = slot.watched.word().load(Ordering::SeqCst);
            let before = round.wakers.len();
            let mut passes_on = false;
            let is_changed = |one: &mut Registration| one.value != value;
            for one in slot.registered.extract_if(.., is_changed) {
                passes_on |= one.passes_on;
                round.wakers.push(one.wake(CHANGED));
            }
            let has_woken = round.wakers.len() > before;
            if passes_on {
                round.passes.push(Arc::clone(&slot.watched));
            }
            if slot.registered.iter().any(|one| one.due <= now) {
                if round.scans.len() == SCANS_PER_ROUND {
                    has_more = true;
                } else {
                    let place = WordPlace { bank, slot: at };
                    round.scans.push((place, Arc::clone(&slot.watched)));
                    let is_turn = |one: &mut Registration| one.is_turn(now, turns, cap_factor);
                    let capped = slot.registered.extract_if(.., is_turn);
                    round.wakers.extend(capped.map(|one| one.wake(CAPPED)));
                }
            }
            woken += round.wakers.len() - before;
            // What was woken by a change comes again, as a rule: so the thread sleeps on
            // its word once more, and need not be kicked then.
            let is_expected = has_woken && slot.registered.is_empty();
            slot.is_slept_on = is_expected || !slot.registered.is_empty();
            is_warm |= is_expected;
            if slot.is_slept_on {
                round.words.push((Arc::clone(&slot.watched), value));
            }
            let dues = slot.registered.iter().map(|one| one.due);
            until = until.into_iter().chain(dues).min();
        }
        self.waiting -= woken;
        if is_warm {
            let soon = now.checked_add(WARM);
            until = until.into_iter().chain(soon).min();
        }
        if round.words.is_empty() && round.scans.is_empty() && is_idle {
            this.is_running = false;
            this.until = None;
            return None;
        }
        let until = until.or(now.checked_add(LINGER));
        this.until = until;
        round.until = until.filter(|_| !has_more);
        Some(round)
    }

    /// Words that the thread slept on and that have changed since, where no waiter of its
    /// own waits: perhaps it was woken instead of another sleeper (W3).
    fn passes_of(&mut self, bank: usize, slept: &Words) -> Vec<Arc<dyn Watched>> {
        let mut passes = Vec::new();
        for (watched, before) in slept {
            // But for the bit, which waiters set. SeqCst: as in `round`.
            let value = watched.word().load(Ordering::SeqCst);
            if (value ^ before) >> 1 == 0 {
                continue;
            }
            let place = self.places.get(&address(&**watched)).copied();
            let slot = place.filter(|place| place.bank == bank);
            let slot = slot.and_then(|place| self.slot(place));
            if slot.is_none_or(|slot| slot.registered.is_empty()) {
                passes.push(Arc::clone(watched));
            }
        }
        passes
    }

    /// Registrations, and words that any waiter may wait at.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.waiting, self.places.len())
    }
}

impl Registration {
    fn wake(self, end: u8) -> Waker {
        // Release: pairs with the Acquire load in `TaskWaiter`; the waker orders all the rest.
        self.end.store(end, Ordering::Release);
        self.waker
    }

    /// At its cap: whether it is woken. If not, it waits for as long again.
    fn is_turn(&mut self, now: MonotonicTime, turns: usize, cap_factor: u32) -> bool {
        if self.due > now {
            return false;
        }
        let is_turn = self.is_held_up || self.cap < cap::LONGEST || self.skipped >= turns;
        if !is_turn {
            self.skipped += 1;
            self.due = due(now, self.cap, cap_factor);
        }
        is_turn
    }
}
