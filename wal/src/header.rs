//! The header pages of segments and of the staging file. The byte tables are in `docs/format-wal.md`.
//!
//! Both begin alike: magic, version, checksum over the whole page, store id; so that each mistake gets its own error.

use std::path::Path;

use byteorder::{ByteOrder, LittleEndian as LE};
use ringwood_ring::PAGE;

use crate::options::{LSN_LIMIT, SEGMENT_BYTES_LIMIT, STAGING_BYTES_LIMIT};
use crate::{Lsn, Result, WalError};

/// Version of the format that is written, and the newest that is read.
pub(crate) const VERSION: u32 = 1;

const SEGMENT_MAGIC: [u8; 8] = *b"RWOODLOG";
const STAGING_MAGIC: [u8; 8] = *b"RWOODSTG";

/// The header of a segment: what it holds and what comes before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) store_id: u64,
    /// Number of the segment, as in its name.
    pub(crate) number: u64,
    /// Random number of the run: all segments that one opening of the store wrote.
    pub(crate) salt: u64,
    /// Log position of the first payload byte.
    pub(crate) start: Lsn,
    /// Payload bytes.
    pub(crate) capacity: u64,
    /// The segment before this one; 0 if there never was one.
    pub(crate) prev_number: u64,
    /// Where the log before this segment ends: at `start`, or earlier if a new run starts here.
    pub(crate) prev_end: Lsn,
    /// Everything before this position was durable when this header was written.
    pub(crate) durable: Lsn,
}

/// Size of the header fields in use; the rest of the page is zero.
const SEGMENT_FIELDS: usize = 80;
const _: () = assert!(SEGMENT_FIELDS <= PAGE);

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; PAGE] {
        let mut page = begin(SEGMENT_MAGIC, self.store_id);
        let fields = [
            self.number,
            self.salt,
            self.start,
            self.capacity,
            self.prev_number,
            self.prev_end,
            self.durable,
        ];
        for (i, field) in fields.into_iter().enumerate() {
            LE::write_u64(&mut page[24 + 8 * i..][..8], field);
        }
        finish(page)
    }

    /// Reads the header page of segment `number` of store `store_id`, whose file `path` is `file_bytes` long.
    pub(crate) fn decode(
        page: &[u8],
        path: &Path,
        number: u64,
        store_id: u64,
        file_bytes: u64,
    ) -> Result<Self> {
        check(page, SEGMENT_MAGIC, "a log segment", path, store_id)?;
        let field = |i: usize| LE::read_u64(&page[24 + 8 * i..][..8]);
        let header = Self {
            store_id,
            number: field(0),
            salt: field(1),
            start: field(2),
            capacity: field(3),
            prev_number: field(4),
            prev_end: field(5),
            durable: field(6),
        };
        let bad = |offset: u64, what: String| Err(WalError::corrupt(path, offset, what));
        if header.number != number {
            return bad(24, format!("it is segment {} under the name of segment {number}", header.number));
        }
        let whole = |n: u64| n.is_multiple_of(PAGE as u64);
        let sane = whole(header.start)
            && whole(header.capacity)
            && (1..=SEGMENT_BYTES_LIMIT).contains(&header.capacity)
            && header.start <= LSN_LIMIT
            && header.prev_number < header.number
            && header.prev_end <= header.start
            && header.durable <= header.start;
        if !sane {
            return bad(24, format!("its header makes no sense: {header:?}"));
        }
        if header.capacity.checked_add(PAGE as u64).is_none_or(|bytes| bytes > file_bytes) {
            return bad(
                file_bytes,
                format!(
                    "the file was cut: it ends after {file_bytes} bytes and must hold {}",
                    header.capacity
                ),
            );
        }
        Ok(header)
    }
}

/// The number and the store's id that the header page of a segment, or of a staging file, names; neither is verified.
pub(crate) fn claimed(page: &[u8]) -> (u64, u64) {
    (LE::read_u64(&page[24..32]), LE::read_u64(&page[16..24]))
}

/// The number in a page, if it is the sound header of some segment of this store.
pub(crate) fn segment_number_in(page: &[u8], path: &Path, store_id: u64) -> Option<u64> {
    let sound = check(page, SEGMENT_MAGIC, "a log segment", path, store_id);
    sound.ok().map(|()| LE::read_u64(&page[24..32]))
}

/// The header page of a staging file with a ring of `ring_bytes`.
pub(crate) fn encode_staging(store_id: u64, ring_bytes: u64) -> [u8; PAGE] {
    let mut page = begin(STAGING_MAGIC, store_id);
    LE::write_u64(&mut page[24..32], ring_bytes);
    finish(page)
}

/// Reads the header page of a staging file; returns the size of its ring.
pub(crate) fn decode_staging(page: &[u8], path: &Path, store_id: u64, file_bytes: u64) -> Result<u64> {
    check(page, STAGING_MAGIC, "a staging file", path, store_id)?;
    let ring_bytes = LE::read_u64(&page[24..32]);
    if !ring_bytes.is_power_of_two() || !(PAGE as u64..=STAGING_BYTES_LIMIT as u64).contains(&ring_bytes) {
        return Err(WalError::corrupt(path, 24, format!("a ring of {ring_bytes} bytes makes no sense")));
    }
    if ring_bytes.checked_add(PAGE as u64) != Some(file_bytes) {
        let what = format!(
            "the file was cut or extended: it is {file_bytes} bytes long and holds a ring of {ring_bytes}"
        );
        return Err(WalError::corrupt(path, file_bytes, what));
    }
    Ok(ring_bytes)
}

fn begin(magic: [u8; 8], store_id: u64) -> [u8; PAGE] {
    let mut page = [0; PAGE];
    page[..8].copy_from_slice(&magic);
    LE::write_u32(&mut page[8..12], VERSION);
    LE::write_u64(&mut page[16..24], store_id);
    page
}

fn finish(mut page: [u8; PAGE]) -> [u8; PAGE] {
    let crc = crc32fast::hash(&page);
    LE::write_u32(&mut page[12..16], crc);
    page
}

/// Magic, version, checksum, store: in the order that gives the most helpful error.
fn check(page: &[u8], magic: [u8; 8], what: &str, path: &Path, store_id: u64) -> Result<()> {
    if page.len() < PAGE {
        return Err(WalError::corrupt(path, 0, format!("it is too short to be {what}")));
    }
    if page[..8] != magic {
        return Err(WalError::corrupt(path, 0, format!("it is not {what} (wrong magic number)")));
    }
    let version = LE::read_u32(&page[8..12]);
    if version > VERSION {
        let what = format!("its format version is {version}, this one knows {VERSION}");
        return Err(WalError::Newer { path: path.to_path_buf(), what });
    }
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&page[..12]);
    hasher.update(&[0; 4]);
    hasher.update(&page[16..PAGE]);
    if version == 0 || hasher.finalize() != LE::read_u32(&page[12..16]) {
        return Err(WalError::corrupt(path, 0, "the checksum of its header does not match"));
    }
    let found = LE::read_u64(&page[16..24]);
    if found != store_id {
        return Err(WalError::Foreign { path: path.to_path_buf(), found, expected: store_id });
    }
    Ok(())
}

/// Parses both headers with their magic, version and checksum made right, for fuzz targets.
#[cfg(fuzzing)]
pub(crate) fn fuzz(data: &[u8]) {
    for magic in [SEGMENT_MAGIC, STAGING_MAGIC] {
        let mut page = data.to_vec();
        page.resize(PAGE, 0);
        page[..8].copy_from_slice(&magic);
        LE::write_u32(&mut page[8..12], VERSION);
        page[12..16].fill(0);
        let crc = crc32fast::hash(&page);
        LE::write_u32(&mut page[12..16], crc);
        let store_id = LE::read_u64(&page[16..24]);
        let path = Path::new("f");
        if magic == SEGMENT_MAGIC {
            let number = LE::read_u64(&page[24..32]);
            let _ = SegmentHeader::decode(&page, path, number, store_id, 1 << 20);
        } else {
            let _ = decode_staging(&page, path, store_id, 1 << 20);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WalErrorKind;

    const HEADER: SegmentHeader = SegmentHeader {
        store_id: 0x1122_3344_5566_7788,
        number: 3,
        salt: 0xdead_beef,
        start: 1 << 20,
        capacity: 1 << 20,
        prev_number: 2,
        prev_end: 1 << 20,
        durable: 4096,
    };

    fn decode(page: &[u8]) -> Result<SegmentHeader> {
        SegmentHeader::decode(page, Path::new("3.log"), 3, HEADER.store_id, (1 << 20) + 4096)
    }

    #[test]
    fn the_bytes_of_a_segment_header_are_those_of_the_format_page() {
        let page = HEADER.encode();
        let expected: [u8; 88] = [
            b'R', b'W', b'O', b'O', b'D', b'L', b'O', b'G', 1, 0, 0, 0, 0x2c, 0x20, 0xbe,
            0x61, // magic, version, crc
            0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 3, 0, 0, 0, 0, 0, 0, 0, // store, number
            0xef, 0xbe, 0xad, 0xde, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, // salt, start
            0, 0, 0x10, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, // capacity, previous number
            0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, // previous end, durable
            0, 0, 0, 0, 0, 0, 0, 0,
        ];
        assert_eq!(page[..88], expected);
        assert!(page[88..].iter().all(|&b| b == 0));
        assert_eq!(decode(&page).unwrap(), HEADER);
    }

    #[test]
    fn every_flipped_bit_of_a_header_is_an_error() {
        let page = HEADER.encode();
        for bit in 0..PAGE * 8 {
            let mut bad = page;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn each_mistake_has_its_own_error() {
        let path = Path::new("3.log");
        let kind = |r: Result<SegmentHeader>| r.unwrap_err().kind();
        let page = HEADER.encode();
        let other = SegmentHeader::decode(&page, path, 3, 1, 1 << 30);
        assert_eq!(kind(other), WalErrorKind::Corrupt);
        let mut newer = page;
        newer[8] = 2;
        assert_eq!(kind(decode(&newer)), WalErrorKind::Unsupported);
        assert_eq!(kind(decode(&page[..4000])), WalErrorKind::Corrupt);
        let renamed = SegmentHeader::decode(&page, path, 4, HEADER.store_id, 1 << 30);
        assert!(renamed.unwrap_err().to_string().contains("segment 3 under the name of segment 4"));
        for huge in [
            SegmentHeader { capacity: 1 << 40, ..HEADER },
            SegmentHeader { start: (1 << 60) + (1 << 20), ..HEADER },
        ] {
            let error = SegmentHeader::decode(&huge.encode(), path, 3, HEADER.store_id, 1 << 41).unwrap_err();
            assert!(error.to_string().contains("makes no sense"), "{error}");
        }
        let cut = SegmentHeader::decode(&page, path, 3, HEADER.store_id, 1 << 20);
        assert!(cut.unwrap_err().to_string().contains("was cut"));
    }

    #[test]
    fn the_staging_header_round_trips_and_is_checked() {
        let path = Path::new("staging.map");
        let page = encode_staging(5, 1 << 20);
        assert_eq!(decode_staging(&page, path, 5, (1 << 20) + 4096).unwrap(), 1 << 20);
        assert!(decode_staging(&page, path, 6, (1 << 20) + 4096).is_err());
        assert!(decode_staging(&page, path, 5, 1 << 20).is_err());
        // However long a file is: a ring is read into memory as a whole.
        let huge = encode_staging(5, 1 << 40);
        assert!(decode_staging(&huge, path, 5, (1 << 40) + 4096).is_err());
        for bit in 0..PAGE * 8 {
            let mut bad = page;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode_staging(&bad, path, 5, (1 << 20) + 4096).is_err(), "bit {bit}");
        }
    }
}
