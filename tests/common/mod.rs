//! What the tests with several processes share.
//!
//! A test's parent part spawns children, which are this very test binary,
//! started anew with a role: see [`child`]. What they tell each other, they
//! write into shared memory of the test's own: see [`board`].
#![allow(dead_code)] // each test binary uses a part of it

pub mod board;
pub mod child;
pub mod dispatch;
pub mod hold;
pub mod home;
pub mod ledger;
pub mod load;
pub mod progress;
pub mod random;
pub mod sys;
pub mod work;
