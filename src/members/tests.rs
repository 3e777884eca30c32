//! Coming, going and dying over a table on the heap, where the kernel's answers about
//! locks follow a script.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;

use super::table::{DIRTY, GENERATION};
use super::{
    Admits, Liveness, MemberId, MemberSet, Members, Observed, Presence, Recover, Role, Scan, Table,
};
use crate::sys::atomic::{AtomicU64, Ordering};

const FIRST: u16 = 4;
const ROLE: Role = Role {
    index: 0,
    first: FIRST,
    end: FIRST + 3,
};

/// An object whose members are all of one role. What was done for members is written
/// down.
struct ScriptedObject {
    roles: [Role; 1],
    entries: [AtomicU64; 3],
    pids: [AtomicU64; 3],
    epoch: AtomicU64,
    /// Ids whose locks are held.
    locked: RefCell<Vec<u16>>,
    /// This id is locked by a successor when a recovery begins.
    succeeded: Cell<Option<u16>>,
    recovered: RefCell<Vec<u16>>,
    wakes: Cell<u32>,
}

impl ScriptedObject {
    fn new() -> Self {
        ScriptedObject {
            roles: [ROLE],
            entries: std::array::from_fn(|_| AtomicU64::new(0)),
            pids: std::array::from_fn(|_| AtomicU64::new(0)),
            epoch: AtomicU64::new(0),
            locked: RefCell::default(),
            succeeded: Cell::new(None),
            recovered: RefCell::default(),
            wakes: Cell::new(0),
        }
    }

    fn members(&self) -> Members<'_, ScriptedObject, ScriptedObject, ScriptedObject> {
        Members {
            table: self,
            liveness: self,
            recover: self,
        }
    }

    fn entry_of(&self, id: u16) -> u64 {
        self.entry(MemberId(id)).load(Ordering::SeqCst)
    }

    fn changes(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// A member that died with its id: the kernel has freed its lock.
    fn died(&self, id: u16) -> u64 {
        let entry = (3 * GENERATION) | DIRTY;
        self.entry(MemberId(id)).store(entry, Ordering::SeqCst);
        entry
    }
}

impl Table for ScriptedObject {
    fn roles(&self) -> &[Role] {
        &self.roles
    }

    fn entry(&self, id: MemberId) -> &AtomicU64 {
        &self.entries[usize::from(id.0 - FIRST)]
    }

    fn pid(&self, id: MemberId) -> &AtomicU64 {
        &self.pids[usize::from(id.0 - FIRST)]
    }

    fn epoch(&self, _role: Role) -> &AtomicU64 {
        &self.epoch
    }
}

impl Liveness for ScriptedObject {
    type Error = Infallible;

    fn try_lock(&self, id: MemberId) -> Result<bool, Infallible> {
        let is_free = !self.is_alive(id);
        if is_free {
            self.locked.borrow_mut().push(id.0);
        }
        Ok(is_free)
    }

    fn unlock(&self, id: MemberId) {
        self.locked.borrow_mut().retain(|locked| *locked != id.0);
    }

    fn is_alive(&self, id: MemberId) -> bool {
        self.locked.borrow().contains(&id.0)
    }
}

impl Recover for ScriptedObject {
    /// Each of the dead holds one slot.
    fn recover(&self, dead: &mut MemberSet, mut is_dead: impl FnMut(MemberId) -> bool) {
        self.locked.borrow_mut().extend(self.succeeded.take());
        for id in ROLE.ids() {
            if !dead.contains(MemberId(id)) {
                continue;
            }
            match is_dead(MemberId(id)) {
                true => self.recovered.borrow_mut().push(id),
                false => dead.remove(MemberId(id)),
            }
        }
    }

    fn wake_all(&self) {
        self.wakes.set(self.wakes.get() + 1);
    }
}

#[test]
fn a_coming_and_a_going_are_counted_and_a_going_wakes() {
    let object = ScriptedObject::new();
    let members = object.members();
    assert_eq!(
        members.presence(ROLE, &Observed::default()),
        (0, Presence::Never)
    );
    let attached = members.attach(ROLE, Admits::Many, 1).expect("a place");
    assert_eq!(attached.id, MemberId(FIRST));
    assert_eq!(object.entry_of(FIRST), GENERATION | DIRTY);
    assert_eq!(
        members.presence(ROLE, &Observed::default()),
        (1, Presence::Present)
    );
    assert_eq!(object.wakes.get(), 1);
    members.detach(&attached, true);
    assert_eq!(
        members.presence(ROLE, &Observed::default()),
        (2, Presence::Gone)
    );
    assert_eq!(object.entry_of(FIRST), GENERATION);
    assert_eq!(object.wakes.get(), 2);
    assert!(object.recovered.borrow().is_empty());
}

/// M6: what was before an observer does not count, however it is found out; a member
/// that comes and goes between two looks does.
#[test]
fn an_observer_has_seen_who_came_since_it_began_to_look() {
    let object = ScriptedObject::new();
    let members = object.members();
    let attach = || members.attach(ROLE, Admits::Many, 1).expect("a place");
    let leave = |attached| members.detach(&attached, true);
    leave(attach());
    let mut observed = members.observe(ROLE);
    assert_eq!(
        members.presence_since(ROLE, &mut observed).1,
        Presence::Never
    );
    // As the death of a member before that is found out.
    members.count_change(ROLE);
    assert_eq!(
        members.presence_since(ROLE, &mut observed).1,
        Presence::Never
    );
    leave(attach());
    assert_eq!(
        members.presence_since(ROLE, &mut observed).1,
        Presence::Gone
    );
    let attached = attach();
    let mut observed = members.observe(ROLE);
    assert!(observed.has_seen_any());
    leave(attached);
    assert_eq!(
        members.presence_since(ROLE, &mut observed).1,
        Presence::Gone
    );
}

/// A poisoned handle has not given back what it held: a scan does it.
#[test]
fn one_that_may_hold_something_leaves_its_entry_dirty() {
    let object = ScriptedObject::new();
    let members = object.members();
    let attached = members.attach(ROLE, Admits::Many, 1).expect("a place");
    members.detach(&attached, false);
    assert_eq!(object.entry_of(FIRST), GENERATION | DIRTY);
    assert_eq!(members.scan(&mut 0, usize::MAX), Scan::Complete);
    assert_eq!(object.entry_of(FIRST), GENERATION);
    assert_eq!(*object.recovered.borrow(), [FIRST]);
}

/// M2: before the entry says that it is taken, for nobody recovers after that.
#[test]
fn an_id_that_was_left_dirty_is_recovered_by_its_successor() {
    let object = ScriptedObject::new();
    // Others hold the clean ids.
    object.locked.borrow_mut().extend([FIRST + 1, FIRST + 2]);
    object.died(FIRST);
    let attached = object.members().attach(ROLE, Admits::Many, 1);
    let attached = attached.expect("the place of the dead");
    assert_eq!(attached.id, MemberId(FIRST));
    assert_eq!(*object.recovered.borrow(), [FIRST]);
    assert_eq!(object.wakes.get(), 2);
    assert_eq!(object.entry_of(FIRST), (4 * GENERATION) | DIRTY);
}

/// M4, M5.
#[test]
fn a_death_is_recovered_counted_cleaned_and_announced() {
    let object = ScriptedObject::new();
    let entry = object.died(FIRST + 1);
    assert_eq!(object.members().scan(&mut 0, usize::MAX), Scan::Complete);
    assert_eq!(*object.recovered.borrow(), [FIRST + 1]);
    assert_eq!(
        object.changes(),
        1,
        "the death expires what others remember"
    );
    assert_eq!(object.entry_of(FIRST + 1), entry & !DIRTY);
    assert_eq!(object.wakes.get(), 1);
    assert_eq!(object.members().scan(&mut 0, usize::MAX), Scan::Complete);
    assert_eq!((object.changes(), object.wakes.get()), (1, 1));
}

/// Its successor has the id, and may hold something already: no death is counted, and
/// the entry stays dirty.
#[test]
fn a_successor_that_came_meanwhile_is_left_alone() {
    let object = ScriptedObject::new();
    let entry = object.died(FIRST);
    object.died(FIRST + 2);
    object.succeeded.set(Some(FIRST));
    assert_eq!(object.members().scan(&mut 0, usize::MAX), Scan::Complete);
    assert_eq!(*object.recovered.borrow(), [FIRST + 2]);
    assert_eq!(object.entry_of(FIRST), entry);
    assert_eq!(object.changes(), 1, "one has died");
}

/// A recovery costs more than what was never used, or was left clean.
#[test]
fn ids_of_the_dead_are_taken_last() {
    let object = ScriptedObject::new();
    object.died(FIRST);
    object
        .entry(MemberId(FIRST + 1))
        .store(GENERATION, Ordering::SeqCst);
    let attach = || {
        // The scan of each attach must not clean the entry of the dead before its turn.
        object.locked.borrow_mut().push(FIRST);
        let attached = object.members().attach(ROLE, Admits::Many, 1);
        object.locked.borrow_mut().retain(|id| *id != FIRST);
        attached.map(|attached| attached.id).ok()
    };
    assert_eq!(attach(), Some(MemberId(FIRST + 2)), "never used");
    assert_eq!(attach(), Some(MemberId(FIRST + 1)), "clean");
    let last = object.members().attach(ROLE, Admits::Many, 1);
    assert_eq!(last.map(|last| last.id).ok(), Some(MemberId(FIRST)));
    assert_eq!(*object.recovered.borrow(), [FIRST]);
}

/// M4: each goes on where the one before has ended, also past those that are alive.
#[test]
fn scans_of_one_probe_go_round() {
    let object = ScriptedObject::new();
    for id in ROLE.ids() {
        object.died(id);
    }
    object.locked.borrow_mut().extend([FIRST, FIRST + 1]);
    let mut cursor = 0;
    let mut found = Vec::new();
    for _ in 0..3 {
        assert_eq!(object.members().scan(&mut cursor, 1), Scan::Complete);
        found.push(object.recovered.borrow().len());
    }
    assert_eq!(found, [0, 0, 1]);
    // Round the table: the next dead one is before the cursor.
    object.locked.borrow_mut().clear();
    assert_eq!(object.members().scan(&mut cursor, 1), Scan::Complete);
    assert_eq!(*object.recovered.borrow(), [FIRST + 2, FIRST]);
}

/// One that has its lock, and has not entered itself yet, is not there; neither is one
/// that died.
#[test]
fn a_member_is_present_that_is_entered_and_alive() {
    let object = ScriptedObject::new();
    let presence = || {
        let seen = object.members().presence(ROLE, &Observed::default());
        seen.1
    };
    object.locked.borrow_mut().push(FIRST);
    assert_eq!(presence(), Presence::Never);
    object.died(FIRST + 1);
    assert_eq!(presence(), Presence::Gone);
    object.locked.borrow_mut().push(FIRST + 1);
    assert_eq!(presence(), Presence::Present);
}

#[test]
fn a_set_holds_what_was_put_in() {
    let mut set = MemberSet::default();
    assert!(set.is_empty());
    let ids = [0, 1, 63, 64, 511, 512, 1023].map(MemberId);
    for (count, id) in ids.into_iter().enumerate() {
        assert!(!set.contains(id));
        set.insert(id);
        assert!(set.contains(id) && !set.is_empty());
        assert_eq!(set.iter().collect::<Vec<_>>(), ids[..=count]);
    }
    for id in ids {
        assert!(!set.is_empty());
        set.remove(id);
        assert!(!set.contains(id));
    }
    assert!(set.is_empty());
}
