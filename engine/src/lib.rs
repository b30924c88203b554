//! Placeholder.
pub mod memtable;
