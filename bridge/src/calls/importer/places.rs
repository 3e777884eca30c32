//! The exporting bridges, as an importing end knows them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::{GONE_AFTER, KEPT_FOR};
use crate::packet::ExportHello;

/// The most exporting bridges that are known.
const MAX_EXPORTS: usize = 1024;

/// An exporting bridge.
#[derive(Debug)]
pub(super) struct Exporting {
    limit: u64,
    /// Calls that it takes, as far as is known.
    free: u32,
    max_attempts: u8,
    heard: Duration,
    pub is_there: bool,
    next: u64,
    /// Calls that have numbers there.
    open: BTreeMap<u64, u64>,
}

impl Exporting {
    /// All calls of lower numbers have ended.
    pub(super) fn base(&self) -> u64 {
        self.open.keys().next().copied().unwrap_or(self.next)
    }
}

/// Why a call is not bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoExport {
    /// There is none.
    Gone,
    /// They have no room.
    Busy,
    /// They take shorter requests, of so many bytes.
    TooLong(u64),
}

/// A bridge that has gone.
#[derive(Debug)]
pub(super) struct GoneExport {
    pub max_attempts: u8,
    /// Calls that have numbers there.
    pub bound: Vec<u64>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Exports {
    known: BTreeMap<u64, Exporting>,
    /// The first number that was not used with any of them.
    fresh: u64,
    /// When the last one went.
    lost: Duration,
}

impl Exports {
    pub(super) fn get(&self, name: u64) -> Option<&Exporting> {
        self.known.get(&name)
    }

    pub(super) fn there(&self) -> usize {
        self.known.values().filter(|export| export.is_there).count()
    }

    /// Since when there is none; `None`: there is one.
    pub(super) fn none_since(&self) -> Option<Duration> {
        let any = self.known.values().any(|export| export.is_there);
        (!any).then_some(self.lost)
    }

    pub(super) fn on_hello(&mut self, now: Duration, hello: &ExportHello) {
        if self.known.len() >= MAX_EXPORTS && !self.known.contains_key(&hello.export) {
            return;
        }
        let next = self.fresh;
        let known = self.known.entry(hello.export).or_insert(Exporting {
            limit: 0,
            free: 0,
            max_attempts: 0,
            heard: now,
            is_there: true,
            next,
            open: BTreeMap::new(),
        });
        known.limit = hello.limit;
        known.free = hello.free;
        known.max_attempts = hello.max_attempts;
        known.heard = now;
        known.is_there = true;
    }

    /// Something has come of a bridge.
    pub(super) fn heard(&mut self, now: Duration, name: u64) {
        if let Some(export) = self.known.get_mut(&name)
            && export.is_there
        {
            export.heard = now;
        }
    }

    /// Bridges that have been silent for too long. Those that were for much longer are
    /// forgotten.
    pub(super) fn silent(&mut self, now: Duration) -> Vec<u64> {
        self.known.retain(|_, export| {
            export.is_there || !export.open.is_empty() || export.heard + KEPT_FOR > now
        });
        let silent = self
            .known
            .iter()
            .filter(|(_, export)| export.is_there && export.heard + GONE_AFTER <= now);
        silent.map(|(name, _)| *name).collect()
    }

    /// A bridge has gone.
    pub(super) fn lose(&mut self, since: Duration, name: u64) -> Option<GoneExport> {
        let export = self.known.get_mut(&name)?;
        if !std::mem::take(&mut export.is_there) {
            return None;
        }
        self.lost = self.lost.max(since);
        Some(GoneExport {
            max_attempts: export.max_attempts,
            bound: export.open.values().copied().collect(),
        })
    }

    /// The bridge with the most room.
    pub(super) fn choose(
        &self,
        length: u64,
        tries: &BTreeMap<u64, (u64, u8)>,
    ) -> Result<u64, NoExport> {
        let there = || self.known.iter().filter(|(_, export)| export.is_there);
        let longest = there().map(|(_, export)| export.limit).max();
        let longest = longest.ok_or(NoExport::Gone)?;
        if length > longest {
            return Err(NoExport::TooLong(longest));
        }
        let fit = there().filter(|(name, export)| {
            export.limit >= length && (export.free > 0 || tries.contains_key(name))
        });
        let best = fit.max_by_key(|(_, export)| export.free);
        best.map(|(name, _)| *name).ok_or(NoExport::Busy)
    }

    /// A number for a call at a bridge.
    pub(super) fn number(&mut self, name: u64, key: u64) -> Option<u64> {
        let export = self.known.get_mut(&name)?;
        let number = export.next;
        export.next += 1;
        export.free = export.free.saturating_sub(1);
        self.fresh = self.fresh.max(export.next);
        export.open.insert(number, key);
        Some(number)
    }

    pub(super) fn call_of(&self, name: u64, number: u64) -> Option<u64> {
        self.known.get(&name)?.open.get(&number).copied()
    }

    /// A call has ended, or was refused.
    pub(super) fn close(&mut self, name: u64, number: u64) -> Option<&Exporting> {
        let export = self.known.get_mut(&name)?;
        if export.open.remove(&number).is_some() {
            export.free = export.free.saturating_add(1);
        }
        Some(export)
    }

    /// A bridge has no room, as it says: until its next hello.
    pub(super) fn refused(&mut self, name: u64, number: u64) {
        if let Some(export) = self.known.get_mut(&name) {
            export.open.remove(&number);
            export.free = 0;
        }
    }
}
