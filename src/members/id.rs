//! Ids of members, and sets of them.

/// An index into an object's table of members; 0 is no member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemberId(pub u16);

/// Ids in all, with that of no member.
pub(crate) const IDS: usize = 1024;

/// A set of ids.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemberSet([u64; IDS / 64]);

impl MemberSet {
    pub(crate) fn only(id: MemberId) -> Self {
        let mut set = MemberSet::default();
        set.insert(id);
        set
    }

    pub(crate) fn insert(&mut self, id: MemberId) {
        let (word, bit) = Self::place(id);
        self.0[word] |= bit;
    }

    pub(crate) fn remove(&mut self, id: MemberId) {
        let (word, bit) = Self::place(id);
        self.0[word] &= !bit;
    }

    pub(crate) fn contains(&self, id: MemberId) -> bool {
        let (word, bit) = Self::place(id);
        self.0[word] & bit != 0
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = MemberId> + '_ {
        let ids = (0..IDS as u16).map(MemberId);
        ids.filter(|id| self.contains(*id))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0 == [0; IDS / 64]
    }

    fn place(id: MemberId) -> (usize, u64) {
        (usize::from(id.0) / 64, 1 << (id.0 % 64))
    }
}
