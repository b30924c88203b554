//! Blocks: whole pages of entries, searched in place.
//!
//! A data block is a run of [`PAGE`](ringwood_ring::PAGE)s, aligned in the file, so that one direct read fetches exactly it.
//! The bytes that the read brings are the bytes that serve every later hit: nothing is decoded into another form. The
//! layout is described in `docs/format-sstable.md`; [`format`] holds its numbers.
//!
//! - [`format`]: header, columns, and where each lies ([`Layout`]).
//! - [`builder`]: entries to bytes.
//! - [`columns`]: what stands in the columns for an entry.
//! - [`view`]: search and access in bytes.
//! - [`cursor`]: stepping through a block, with whole keys.
//! - [`pack`], [`squeeze`]: how many entries make a block, plain and compressed.
//! - [`seal`]: codec and checksum around a block, and their check after a read.

pub(crate) mod builder;
pub(crate) mod codec;
mod columns;
pub(crate) mod cursor;
pub(crate) mod format;
pub(crate) mod pack;
pub(crate) mod seal;
pub(crate) mod squeeze;
pub(crate) mod view;

#[cfg(fuzzing)]
pub(crate) use seal::fuzz_unpack;

#[cfg(test)]
mod tests;

pub use codec::Compression;
pub(crate) use format::Layout;
pub use view::{BlockView, Found};
