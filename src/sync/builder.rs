//! Making and opening regions of shared objects.

#[cfg(unix)]
use std::os::fd::BorrowedFd;
use std::path::Path;

use super::layout::{Part, PartSpec, RegionPlan, SyncHeader};
use super::memory;
use super::object::SharedRef;
use super::shared::SharedState;
use crate::error::{Mismatch, RingError};
use crate::shm::layout::DATA_OFFSET;
use crate::shm::{
    Description, MapOptions, Region, RegionPath, create, mismatch, open, register_barrier,
};
use crate::sys::atomic::Fences;
use crate::sys::failpoints::failpoint;

/// The most handles, where nothing else was asked for.
const DEFAULT_HANDLES: u16 = 63;

/// Parts to be made, with their names.
pub(super) type Specs = [(String, PartSpec)];

/// What may be chosen of a region of shared objects.
#[derive(Clone, Copy, Debug)]
pub(super) struct RegionOptions {
    pub handles: u16,
    pub schema: u64,
    pub mode: u32,
    pub allow_foreign: bool,
}

impl Default for RegionOptions {
    fn default() -> Self {
        RegionOptions {
            handles: DEFAULT_HANDLES,
            schema: 0,
            mode: 0o600,
            allow_foreign: false,
        }
    }
}

impl RegionOptions {
    pub(super) fn create(self, name: &Path, specs: &Specs) -> Result<SharedRef, RingError> {
        let plan = self.plan(specs)?;
        self.create_at(&RegionPath::to_create(name)?, plan, specs)
    }

    pub(super) fn open(self, name: &Path) -> Result<SharedRef, RingError> {
        self.open_at(&RegionPath::existing(name)?)
    }

    pub(super) fn open_or_create(self, name: &Path, specs: &Specs) -> Result<SharedRef, RingError> {
        let plan = self.plan(specs)?;
        let at = RegionPath::to_create(name)?;
        for _ in 0..open::MAX_TRIES {
            match self.open_at(&at) {
                Err(RingError::NotFound { .. }) => {}
                Err(error) => return Err(error),
                Ok(shared) => {
                    check_parts(&shared, specs)?;
                    return Ok(shared);
                }
            }
            match self.create_at(&at, plan.clone(), specs) {
                // Another process was faster.
                Err(RingError::AlreadyExists { .. }) => {}
                result => return result,
            }
        }
        Err(RingError::Unstable {
            path: at.path,
            tries: open::MAX_TRIES,
        })
    }

    pub(super) fn anonymous(self, specs: &Specs) -> Result<SharedRef, RingError> {
        let plan = self.plan(specs)?;
        let fences = fences();
        let region = create::anonymous(&plan.describe(fences), MapOptions::default(), |region| {
            prepare(region, &plan, specs);
        })?;
        let state = SharedState::made(region, plan, fences);
        state.attach().map(SharedRef)
    }

    #[cfg(unix)]
    pub(super) fn open_fd(self, fd: BorrowedFd<'_>) -> Result<SharedRef, RingError> {
        let options = MapOptions::default();
        let opened = open::from_fd(fd, self.allow_foreign, options, accept)?;
        self.finish(opened)
    }

    fn create_at(
        self,
        at: &RegionPath,
        plan: RegionPlan,
        specs: &Specs,
    ) -> Result<SharedRef, RingError> {
        let fences = fences();
        let description = plan.describe(fences);
        let options = MapOptions::default();
        let region = create::named(at, &description, self.mode, options, |region| {
            prepare(region, &plan, specs);
        })?;
        let state = SharedState::made(region, plan, fences);
        state.attach().map(SharedRef)
    }

    fn open_at(self, at: &RegionPath) -> Result<SharedRef, RingError> {
        let options = MapOptions::default();
        let opened = open::named(at, self.allow_foreign, options, accept)?;
        self.finish(opened)
    }

    fn finish(
        self,
        (region, (header, fences)): (Region, (SyncHeader, Fences)),
    ) -> Result<SharedRef, RingError> {
        let state = SharedState::opened(region, header, fences)?;
        state.check_schema(self.schema)?;
        state.attach().map(SharedRef)
    }

    fn plan(self, specs: &Specs) -> Result<RegionPlan, RingError> {
        if self.mode & !0o777 != 0 {
            return Err(RingError::InvalidOption {
                what: "mode",
                expected: "permission bits up to 0777".into(),
                found: format!("{:o}", self.mode),
            });
        }
        RegionPlan::new(self.handles, self.schema, specs)
    }
}

/// Are these shared objects?
fn accept(region: &Description) -> Result<(SyncHeader, Fences), Mismatch> {
    Ok((SyncHeader::of(region)?, region.fences))
}

fn fences() -> Fences {
    match register_barrier() {
        Ok(()) => Fences::Membarrier,
        Err(_) => Fences::Full,
    }
}

/// Writes the directory and the first values: before the region has a name.
fn prepare(region: &Region, plan: &RegionPlan, specs: &Specs) {
    let directory = plan.directory();
    memory::write(region, DATA_OFFSET, bytemuck::cast_slice(&directory));
    failpoint!(DirectoryWritten);
    for (part, (_, spec)) in plan.parts.iter().zip(specs) {
        memory::write(region, part.offset + part.value, &spec.initial);
    }
}

/// Has the region the parts that were asked for?
fn check_parts(shared: &SharedRef, specs: &Specs) -> Result<(), RingError> {
    for (name, spec) in specs {
        shared.check_part(name, spec)?;
    }
    Ok(())
}

impl SharedState {
    /// Means the value the same to its maker?
    fn check_schema(&self, schema: u64) -> Result<(), RingError> {
        let differs = |part: &&Part| part.schema != schema;
        match self.parts().iter().find(differs) {
            None => Ok(()),
            Some(part) => {
                let wrong = Mismatch::Schema {
                    expected: schema,
                    found: part.schema,
                };
                Err(mismatch(&self.path(), wrong))
            }
        }
    }
}
