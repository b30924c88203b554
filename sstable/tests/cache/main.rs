//! The block cache through its public interface: one module for each thing that is promised.

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
