//! The atomics that the tree shares between threads. The test `memtable_loom` compiles
//! the same tree with loom's in their place.

pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64};
