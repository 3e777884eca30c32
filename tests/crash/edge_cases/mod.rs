//! Edge cases: many threads in one dead process, forks that outlive their
//! parents, closed descriptors, namespaces, names that change hands, full file
//! systems, full tables.

mod closefrom;
mod full;
mod namespaces;
mod occupied;
mod orphans;
mod passed;
mod polled;
mod renamed;
mod table;
mod threads;
mod waiters;

use memring_testkit::children::Role;
use memring_testkit::of_kind;

/// What children of these tests do.
pub const ROLES: [Role; 14] = [
    ("crowd", of_kind!(K => threads::crowd::<K>)),
    ("crowd at work", of_kind!(K => threads::crowd_at_work::<K>)),
    ("forking parent", of_kind!(K => orphans::parent::<K>)),
    ("executed orphan", of_kind!(K => orphans::executed::<K>)),
    ("closer", of_kind!(K => closefrom::closer::<K>)),
    (
        "behind a claim",
        of_kind!(K => closefrom::behind_a_claim::<K>),
    ),
    ("giver", of_kind!(K => passed::giver::<K>)),
    ("space", namespaces::space),
    ("racing remover", renamed::racer),
    ("full", full::full),
    ("full creator", full::creator),
    ("limited", full::limited),
    ("table filler", of_kind!(K => table::filler::<K>)),
    ("waiter", of_kind!(K => waiters::waiter::<K>)),
];
