//! Measures ways of passing messages: one engine, on which `memring bench` and `memring-rivals`
//! stand.
//!
//! From below: [`message`] is what goes through and how it is checked, [`times`] what was timed,
//! [`board`] what workers share; [`task`] says what is measured and what a worker does of it;
//! [`ends`] is what a sender and a receiver are to the engine, [`worker`] and [`asleep`] what is
//! done with them; [`contestant`] is what is measured, of which [`floor`], [`streams`] and
//! [`rings`] are in both programs; [`control`] and [`workers`] are the processes; [`measure`]
//! measures one thing once; [`spread`] is what many figures add up to and [`output`]
//! how they reach people.

pub mod asleep;
pub mod board;
pub mod contestant;
pub mod control;
pub mod ends;
pub mod floor;
pub mod measure;
pub mod message;
pub mod output;
pub mod rings;
pub mod spread;
pub mod streams;
pub mod task;
pub mod times;
pub mod worker;
pub mod workers;
