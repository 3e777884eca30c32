//! Corners of life with rings: many threads in one dead process, forks that
//! outlive their parents, closed descriptors, namespaces, names that change
//! hands, full file systems, full tables.

#[path = "../common/mod.rs"]
mod common;

mod closefrom;
mod full;
mod namespaces;
mod occupied;
mod orphans;
mod passed;
mod renamed;
mod table;
mod threads;
mod waiters;

/// The entry of child processes; in an ordinary run it does nothing.
#[test]
fn child() {
    common::child::enter(&[
        ("holder", common::hold::holder),
        ("crowd", threads::crowd),
        ("crowd at work", threads::crowd_at_work),
        ("forking parent", orphans::parent),
        ("executed orphan", orphans::executed),
        ("closer", closefrom::closer),
        ("giver", passed::giver),
        ("space", namespaces::space),
        ("racing remover", renamed::racer),
        ("full", full::full),
        ("full creator", full::creator),
        ("limited", full::limited),
        ("table filler", table::filler),
        ("waiter", waiters::waiter),
    ]);
}
