//! The atomics that the tree shares between threads. `loom_check` compiles the same tree with loom's in their place.

pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64};
