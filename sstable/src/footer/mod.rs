//! The end of a table: where its parts are, under a checksum.
//!
//! The footer is the file's last page. Its frame (magic, version, and the checksum in the last four bytes) stays the same in all
//! versions to come, so that a table of a newer one is told from a damaged one. `docs/format-sstable.md` has the bytes.

mod properties;

use std::path::Path;

use byteorder::{ByteOrder, LittleEndian as LE};
use ringwood_ring::PAGE;

pub use properties::Properties;

use crate::checksum::Checksum;
use crate::error::{Result, TableError};

/// What every table's footer starts with.
pub(crate) const MAGIC: [u8; 8] = *b"RINGWSST";
/// The version of the format that this code writes.
pub(crate) const VERSION: u32 = 1;
/// Bytes of the footer: one page.
pub(crate) const FOOTER: usize = PAGE;

const SECTIONS_AT: usize = 56;
const SECTION: usize = 24;
const CRC_AT: usize = FOOTER - 4;
/// A section, or a property, that a reader must know to read the table right.
const CRITICAL: u32 = 1 << 31;

/// Kinds of sections. 4 is kept for range tombstones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum SectionKind {
    Index = CRITICAL | 1,
    Filter = 2,
    Properties = CRITICAL | 3,
}

/// A run of bytes after the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) kind: u32,
    pub(crate) crc: u32,
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

/// The footer's numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) id: u64,
    pub(crate) salt: u64,
    /// Bytes of data blocks, from the start of the file.
    pub(crate) data_bytes: u64,
    pub(crate) file_bytes: u64,
    pub(crate) sections: Vec<Section>,
}

impl Footer {
    /// The checksum of blocks and sections of this table.
    pub(crate) fn checksum(&self) -> Checksum {
        Checksum::new(self.id, self.salt)
    }

    pub(crate) fn section(&self, kind: SectionKind) -> Option<&Section> {
        self.sections.iter().find(|s| s.kind == kind as u32)
    }

    /// Bytes that an opening reads: sections and footer.
    pub(crate) fn tail_bytes(&self) -> u64 {
        self.file_bytes - self.data_bytes
    }

    /// The footer's page.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut page = vec![0; FOOTER];
        page[..8].copy_from_slice(&MAGIC);
        LE::write_u32(&mut page[8..], VERSION);
        LE::write_u64(&mut page[16..], self.id);
        LE::write_u64(&mut page[24..], self.salt);
        LE::write_u64(&mut page[32..], self.data_bytes);
        LE::write_u64(&mut page[40..], self.file_bytes);
        LE::write_u32(&mut page[48..], self.sections.len() as u32);
        for (section, at) in self.sections.iter().zip(page[SECTIONS_AT..CRC_AT].chunks_exact_mut(SECTION)) {
            LE::write_u32(at, section.kind);
            LE::write_u32(&mut at[4..], section.crc);
            LE::write_u64(&mut at[8..], section.offset);
            LE::write_u64(&mut at[16..], section.len);
        }
        let crc = crc32fast::hash(&page[..CRC_AT]);
        LE::write_u32(&mut page[CRC_AT..], crc);
        page
    }

    /// Reads the footer of the table `id` at `path`, `file_bytes` long, from its last page.
    pub(crate) fn parse(page: &[u8], path: &Path, id: u64, file_bytes: u64) -> Result<Self> {
        let at = file_bytes.saturating_sub(FOOTER as u64);
        let corrupt = |what: &'static str| TableError::corrupt(path, at, what);
        if page.len() != FOOTER {
            return Err(corrupt("the footer is cut short"));
        }
        if page[..8] != MAGIC {
            return Err(corrupt(
                "the last page is no table footer; the file was cut, never finished, or is no Ringwood table",
            ));
        }
        if LE::read_u32(&page[CRC_AT..]) != crc32fast::hash(&page[..CRC_AT]) {
            return Err(corrupt("the footer's checksum does not match"));
        }
        let version = LE::read_u32(&page[8..]);
        if version > VERSION {
            return Err(TableError::newer(path, format!("format version {version}, and this is {VERSION}")));
        }
        if LE::read_u32(&page[12..]) != 0 {
            return Err(TableError::newer(path, "a format feature that this version does not know"));
        }
        let count = LE::read_u32(&page[48..]) as usize;
        if version == 0 || count > (CRC_AT - SECTIONS_AT) / SECTION {
            return Err(corrupt("the footer holds impossible numbers"));
        }
        let footer = Self {
            id: LE::read_u64(&page[16..]),
            salt: LE::read_u64(&page[24..]),
            data_bytes: LE::read_u64(&page[32..]),
            file_bytes: LE::read_u64(&page[40..]),
            sections: page[SECTIONS_AT..]
                .chunks_exact(SECTION)
                .take(count)
                .map(|s| Section {
                    kind: LE::read_u32(s),
                    crc: LE::read_u32(&s[4..]),
                    offset: LE::read_u64(&s[8..]),
                    len: LE::read_u64(&s[16..]),
                })
                .collect(),
        };
        footer.check(path, id, file_bytes)?;
        Ok(footer)
    }

    fn check(&self, path: &Path, id: u64, file_bytes: u64) -> Result<()> {
        let at = file_bytes - FOOTER as u64;
        if self.id != id {
            let what = format!(
                "it is table {}, and table {id} was looked for; files were swapped or copied",
                self.id
            );
            return Err(TableError::corrupt(path, at, what));
        }
        if self.file_bytes != file_bytes {
            let what = format!("the file has {file_bytes} bytes, and {} were written", self.file_bytes);
            return Err(TableError::corrupt(path, at, what));
        }
        let is_data_sane = self.data_bytes <= at && self.data_bytes.is_multiple_of(PAGE as u64);
        let are_inside = self
            .sections
            .iter()
            .all(|s| s.offset >= self.data_bytes && s.offset.checked_add(s.len).is_some_and(|end| end <= at));
        if !is_data_sane || !are_inside {
            return Err(TableError::corrupt(path, at, "the footer's sections do not fit the file"));
        }
        let known = [SectionKind::Index, SectionKind::Filter, SectionKind::Properties];
        let unknown = self
            .sections
            .iter()
            .find(|s| s.kind & CRITICAL != 0 && !known.iter().any(|&k| k as u32 == s.kind));
        if let Some(section) = unknown {
            let what = format!("a section of the unknown kind {}", section.kind & !CRITICAL);
            return Err(TableError::newer(path, what));
        }
        Ok(())
    }
}

/// Makes the checksum of a footer page right, for fuzz targets.
#[cfg(fuzzing)]
pub(crate) fn fuzz_seal(page: &mut [u8]) {
    page[..8].copy_from_slice(&MAGIC);
    let crc = crc32fast::hash(&page[..CRC_AT]);
    LE::write_u32(&mut page[CRC_AT..], crc);
}

#[cfg(test)]
mod tests;
