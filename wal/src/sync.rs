//! The atomics of [`turns`](crate::turns). The test `turns_loom` compiles the same source with loom's in their place.

pub(crate) use std::sync::atomic::{AtomicU8, AtomicU64, Ordering, fence};
