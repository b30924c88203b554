//! The memtable's tree under loom: all interleavings of a writer and a reader (with few preemptions), and all stale values that
//! the memory model allows.
//!
//! The same source as the engine's, compiled with loom's atomics, and with two slots a node: so a few entries make every
//! kind of change. It runs with the ordinary tests; nothing but this test has loom in it.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

mod changes;
mod memtable;
