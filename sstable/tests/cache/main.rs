//! The block cache through its public interface: one module for each thing that is promised.

#![allow(clippy::unwrap_used)] // Helpers of tests, which clippy does not take for tests.

mod alone;
mod basics;
mod coalescing;
mod memory;
mod pins;
mod policy;
mod random_ops;
mod sizes;
mod stress;
mod support;
