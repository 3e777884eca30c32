//! Who is attached to a side.

use super::step::MAX_ENDPOINTS;

/// A sender or a receiver.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    /// The process that has it.
    pub process: usize,
    /// Clones have the same.
    attachment: u64,
    /// Receivers of many: it has not yet found nothing behind the head.
    pub fresh: bool,
    /// Attachments of the other side that it has not seen: all up to this one had gone
    /// when it attached.
    pub unseen: u64,
    /// The positions of a grant or of leases that it leaked.
    pub leaked: Vec<u64>,
}

/// The endpoints of one side, each in a slot that it keeps.
#[derive(Clone, Debug)]
pub(super) struct Members {
    /// Whether the kind admits many.
    pub many: bool,
    slots: [Option<Endpoint>; MAX_ENDPOINTS],
    /// How many there ever were, clones not counted.
    pub attachments: u64,
}

impl Members {
    pub fn new(many: bool) -> Members {
        Members {
            many,
            slots: Default::default(),
            attachments: 0,
        }
    }

    /// The slots that are taken.
    pub fn taken(&self) -> impl Iterator<Item = u8> {
        let slots = self.slots.iter().zip(0..);
        slots.filter_map(|(endpoint, slot)| endpoint.as_ref().map(|_| slot))
    }

    pub fn count(&self) -> usize {
        self.taken().count()
    }

    /// The entries in the ring's table: one for all clones of an endpoint.
    pub fn entries(&self) -> usize {
        let endpoints = self.slots.iter().flatten();
        let mut attachments: Vec<u64> = endpoints.map(|endpoint| endpoint.attachment).collect();
        attachments.sort_unstable();
        attachments.dedup();
        attachments.len()
    }

    /// The slot of endpoint `who`, modulo how many there are.
    pub fn pick(&self, who: u8) -> Option<u8> {
        let index = usize::from(who).checked_rem(self.count())?;
        self.taken().nth(index)
    }

    /// The first slot that is free.
    pub fn free(&self) -> Option<u8> {
        (0..MAX_ENDPOINTS as u8).find(|slot| self.slots[usize::from(*slot)].is_none())
    }

    pub fn get(&self, slot: u8) -> &Endpoint {
        self.slots[usize::from(slot)].as_ref().expect("an endpoint")
    }

    pub fn get_mut(&mut self, slot: u8) -> &mut Endpoint {
        self.slots[usize::from(slot)].as_mut().expect("an endpoint")
    }

    /// The attachments that one who attaches to the other side now will not see.
    pub fn unseen(&self) -> u64 {
        match self.count() {
            0 => self.attachments,
            _ => self.attachments - 1, // one that is here still, at least
        }
    }

    pub fn attach(&mut self, slot: u8, process: usize, unseen: u64) {
        self.attachments += 1;
        self.insert(slot, process, self.attachments, unseen);
    }

    /// A clone, in the same process.
    pub fn clone_to(&mut self, from: u8, slot: u8) {
        let Endpoint {
            process,
            attachment,
            unseen,
            ..
        } = *self.get(from);
        self.insert(slot, process, attachment, unseen);
    }

    fn insert(&mut self, slot: u8, process: usize, attachment: u64, unseen: u64) {
        self.slots[usize::from(slot)] = Some(Endpoint {
            process,
            attachment,
            fresh: true,
            unseen,
            leaked: Vec::new(),
        });
    }

    /// Detaches; gives the positions that it leaked.
    pub fn remove(&mut self, slot: u8) -> Vec<u64> {
        let endpoint = self.slots[usize::from(slot)].take().expect("an endpoint");
        endpoint.leaked
    }
}
