//! What a writer is told, and what it tells in the end.

use ringwood_ring::PAGE;

use crate::block::Compression;
use crate::footer::Properties;

/// How a table is written.
#[derive(Debug, Clone)]
pub struct TableOptions {
    /// Bytes of a block on disk: whole pages up to 32 KiB. One page, the default, makes a point read one page.
    pub block_bytes: usize,
    /// Compression of blocks.
    pub compression: Compression,
    /// Write a filter: some 9.5 bits a key.
    pub filter: bool,
    /// Bytes that the file will have, about: so much is reserved at first, since writing past the end of a file is slow.
    pub expected_bytes: u64,
    /// Mixed into every checksum, so that blocks of an earlier file of the same id cannot pass for this one's. Random by default.
    pub salt: Option<u64>,
    /// Who writes: a name and a version, for the properties.
    pub creator: String,
}

impl Default for TableOptions {
    fn default() -> Self {
        Self {
            block_bytes: PAGE,
            compression: Compression::None,
            filter: true,
            expected_bytes: 0,
            salt: None,
            creator: concat!("ringwood ", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSummary {
    /// The table's id.
    pub id: u64,
    /// Length of the file.
    pub file_bytes: u64,
    /// Bytes at its end that are not blocks: index, filter, properties, footer. What opening it reads.
    pub tail_bytes: u64,
    /// Counts and bounds.
    pub properties: Properties,
}
