//! What the tree finds around it, in place of the engine's memtable.

pub(crate) use ringwood_sstable::{Kind, SEQ_MAX};

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64};
}

#[path = "../../../src/memtable/tree/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the engine uses the rest")]
pub(crate) mod tree;
