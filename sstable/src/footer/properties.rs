//! What a table says of itself.
//!
//! A list of fields, each a tag, a length and bytes. A reader skips tags it does not know, unless their top bit says that the
//! table cannot be read right without them (kept so for a global sequence number and for references to value files).

use byteorder::{ByteOrder, LittleEndian as LE};

use crate::block::Compression;
use crate::entry::{KEY_BYTES_MAX, SEQ_MAX};
use crate::error::Fault;

const FIELD: usize = 8;
const CRITICAL: u32 = 1 << 31;

// Tags. 32 (global sequence number) and 33 (value files) are kept.
const ENTRIES: u32 = 1;
const DELETES: u32 = 2;
const KEYS: u32 = 3;
const SEQ_SMALLEST: u32 = 4;
const SEQ_LARGEST: u32 = 5;
const KEY_BYTES: u32 = 6;
const VALUE_BYTES: u32 = 7;
const BLOCKS: u32 = 8;
const COMPRESSION: u32 = 9;
const SMALLEST_KEY: u32 = 10;
const LARGEST_KEY: u32 = 11;
const CREATOR: u32 = 12;

/// Counts and bounds of a table, from when it was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Properties {
    /// Entries: versions of keys.
    pub entries: u64,
    /// Entries that are deletes.
    pub deletes: u64,
    /// Distinct keys.
    pub keys: u64,
    /// Smallest sequence number.
    pub seq_smallest: u64,
    /// Largest sequence number.
    pub seq_largest: u64,
    /// Bytes of all entries' keys, before any compression.
    pub key_bytes: u64,
    /// Bytes of all entries' values, before any compression.
    pub value_bytes: u64,
    /// Data blocks.
    pub blocks: u64,
    /// How blocks were asked to be compressed; those that gained nothing are plain.
    pub compression: Compression,
    /// First key.
    pub smallest_key: Vec<u8>,
    /// Last key.
    pub largest_key: Vec<u8>,
    /// What wrote it: a name and a version.
    pub creator: String,
}

impl Properties {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let mut field = |tag: u32, bytes: &[u8]| {
            out.extend_from_slice(&tag.to_le_bytes());
            out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            out.extend_from_slice(bytes);
        };
        for (tag, number) in [
            (ENTRIES, self.entries),
            (DELETES, self.deletes),
            (KEYS, self.keys),
            (SEQ_SMALLEST, self.seq_smallest),
            (SEQ_LARGEST, self.seq_largest),
            (KEY_BYTES, self.key_bytes),
            (VALUE_BYTES, self.value_bytes),
            (BLOCKS, self.blocks),
            (COMPRESSION, self.compression as u64),
        ] {
            field(tag, &number.to_le_bytes());
        }
        field(SMALLEST_KEY, &self.smallest_key);
        field(LARGEST_KEY, &self.largest_key);
        field(CREATOR, self.creator.as_bytes());
    }

    pub(crate) fn parse(mut bytes: &[u8]) -> Result<Self, Fault> {
        let mut this = Self::default();
        while !bytes.is_empty() {
            let short = Fault::corrupt("properties cut short");
            let (head, rest) = bytes.split_at_checked(FIELD).ok_or(short.clone())?;
            let (tag, len) = (LE::read_u32(head), LE::read_u32(&head[4..]) as usize);
            let (value, rest) = rest.split_at_checked(len).ok_or(short)?;
            bytes = rest;
            this.set(tag, value)?;
        }
        let has_sane_keys =
            [&this.smallest_key, &this.largest_key].iter().all(|k| (1..=KEY_BYTES_MAX).contains(&k.len()));
        if !has_sane_keys || this.smallest_key > this.largest_key || this.entries == 0 {
            return Err(Fault::corrupt("properties with impossible bounds"));
        }
        if this.seq_smallest > this.seq_largest || this.seq_largest >= SEQ_MAX {
            return Err(Fault::corrupt("properties with impossible sequence numbers"));
        }
        Ok(this)
    }

    fn set(&mut self, tag: u32, value: &[u8]) -> Result<(), Fault> {
        let number = || {
            value
                .first_chunk::<8>()
                .filter(|_| value.len() == 8)
                .map(|b| u64::from_le_bytes(*b))
                .ok_or(Fault::corrupt("a property of the wrong length"))
        };
        match tag {
            ENTRIES => self.entries = number()?,
            DELETES => self.deletes = number()?,
            KEYS => self.keys = number()?,
            SEQ_SMALLEST => self.seq_smallest = number()?,
            SEQ_LARGEST => self.seq_largest = number()?,
            KEY_BYTES => self.key_bytes = number()?,
            VALUE_BYTES => self.value_bytes = number()?,
            BLOCKS => self.blocks = number()?,
            COMPRESSION => self.compression = Compression::from_u8(number()?.min(255) as u8)?,
            SMALLEST_KEY => self.smallest_key = value.to_vec(),
            LARGEST_KEY => self.largest_key = value.to_vec(),
            CREATOR => self.creator = String::from_utf8_lossy(value).into_owned(),
            _ if tag & CRITICAL != 0 => {
                return Err(Fault::Newer(format!("the unknown property {}", tag & !CRITICAL).into()));
            }
            _ => {}
        }
        Ok(())
    }
}
