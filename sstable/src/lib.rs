//! Ringwood's sorted tables.

mod cache;
mod sync;

pub use cache::{BlockCache, BlockRef, CacheStats, Claim, Fill, Hint, Residency, Waiter};
