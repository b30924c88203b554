//! What the tests across Ringwood's crates share.
//!
//! The tests themselves are the targets under `tests/tests`, one theme each. Nothing here is part of the store.

pub mod child;
pub mod confine;
pub mod dirs;
pub mod enumerate;
pub mod failure;
pub mod history;
pub mod logs;
pub mod model;
pub mod reference;
pub mod rng;
pub mod scoreboard;
pub mod seeds;
pub mod settings;
pub mod shrink;
pub mod volume;
pub mod watch;

/// Says why a test was skipped, in a form that can be counted: machines differ in what they allow.
pub fn skip(test: &str, why: impl std::fmt::Display) {
    println!("SKIPPED {test}: {why}");
}
