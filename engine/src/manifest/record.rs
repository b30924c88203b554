//! The bytes of a manifest: a header page, then records that each start on a page of their own.
//!
//! A page is never written twice, so a torn write can hurt only the record that was being written. Layout in
//! `docs/format-manifest.md`.

use byteorder::{ByteOrder, LittleEndian};
use ringwood_ring::{PAGE, page_ceil};

pub(crate) const MAGIC: [u8; 8] = *b"RWMANIFE";
/// Version of all formats of a store. A newer one in a manifest keeps older programs out.
pub(crate) const FORMAT_VERSION: u32 = 1;
/// Bytes of a record before its payload.
const HEADER_BYTES: usize = 24;
/// Bound on a record's payload: a snapshot of some million tables.
const PAYLOAD_BYTES_MAX: usize = 256 << 20;

/// The first page of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(crate) store_id: u64,
    pub(crate) number: u64,
}

impl FileHeader {
    pub(crate) fn encode(self) -> [u8; PAGE] {
        let mut page = [0; PAGE];
        page[..8].copy_from_slice(&MAGIC);
        LittleEndian::write_u32(&mut page[8..12], FORMAT_VERSION);
        LittleEndian::write_u64(&mut page[16..24], self.store_id);
        LittleEndian::write_u64(&mut page[24..32], self.number);
        let crc = crc32fast::hash(&page[..32]);
        LittleEndian::write_u32(&mut page[32..36], crc);
        page
    }

    pub(crate) fn decode(page: &[u8]) -> Result<Self, BadHeader> {
        let bad = |what: &'static str| BadHeader::Corrupt(what);
        let page = page.get(..36).ok_or(bad("it is shorter than its header"))?;
        if page[..8] != MAGIC {
            return Err(bad("it is not a manifest of Ringwood"));
        }
        if LittleEndian::read_u32(&page[32..36]) != crc32fast::hash(&page[..32]) {
            return Err(bad("the checksum of its header is wrong"));
        }
        let version = LittleEndian::read_u32(&page[8..12]);
        if version > FORMAT_VERSION {
            return Err(BadHeader::Newer(version));
        }
        Ok(Self {
            store_id: LittleEndian::read_u64(&page[16..24]),
            number: LittleEndian::read_u64(&page[24..32]),
        })
    }

    /// Starts a checksum so that a record of another store or manifest does not pass.
    fn checksum(self) -> crc32fast::Hasher {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.store_id.to_le_bytes());
        hasher.update(&self.number.to_le_bytes());
        hasher
    }
}

/// Why a header page was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadHeader {
    Corrupt(&'static str),
    Newer(u32),
}

/// Encodes record `index`, which also says that all records before it are durable: whole pages.
pub(crate) fn encode(file: FileHeader, index: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; page_ceil(HEADER_BYTES + payload.len())];
    LittleEndian::write_u32(&mut bytes[4..8], payload.len() as u32);
    LittleEndian::write_u64(&mut bytes[8..16], index);
    // bytes 16..24: reserved, zero
    bytes[HEADER_BYTES..HEADER_BYTES + payload.len()].copy_from_slice(payload);
    let mut hasher = file.checksum();
    hasher.update(&bytes[4..HEADER_BYTES + payload.len()]);
    let crc = hasher.finalize();
    LittleEndian::write_u32(&mut bytes[..4], crc);
    bytes
}

/// Bytes that the first record of a manifest would take by its own account; nothing is verified.
pub(crate) fn claimed_bytes(manifest: &[u8]) -> usize {
    let len = manifest.get(PAGE + 4..PAGE + 8).map_or(0, |len| LittleEndian::read_u32(len) as usize);
    page_ceil(HEADER_BYTES + len.min(PAYLOAD_BYTES_MAX))
}

/// A record at the start of `bytes`: its index, payload, and length in bytes. `None` if there is no whole, sound one.
fn decode(file: FileHeader, bytes: &[u8]) -> Option<(u64, &[u8], usize)> {
    let len = LittleEndian::read_u32(bytes.get(4..8)?) as usize;
    if len > PAYLOAD_BYTES_MAX {
        return None;
    }
    let sealed = bytes.get(4..HEADER_BYTES + len)?;
    let mut hasher = file.checksum();
    hasher.update(sealed);
    if hasher.finalize() != LittleEndian::read_u32(&bytes[..4]) {
        return None;
    }
    Some((
        LittleEndian::read_u64(&bytes[8..16]),
        &bytes[HEADER_BYTES..HEADER_BYTES + len],
        page_ceil(HEADER_BYTES + len),
    ))
}

/// What a scan of a manifest found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scan<'a> {
    pub(crate) payloads: Vec<&'a [u8]>,
    /// Where the last record begins.
    pub(crate) last: usize,
    /// Where the next record goes.
    pub(crate) end: usize,
    /// Where a record was durable once and is not sound now, if there is such a place: nothing from there on is in the scan.
    pub(crate) damage: Option<usize>,
}

/// Reads all records of a manifest. A bad record is the torn end of an append that was never acknowledged, unless a sound one
/// with a higher index follows it: that one was written only after the bad one was durable, so the file is damaged.
pub(crate) fn scan(file: FileHeader, bytes: &[u8]) -> Scan<'_> {
    let mut scan = Scan { payloads: Vec::new(), last: PAGE, end: PAGE, damage: None };
    while let Some((index, payload, len)) = bytes.get(scan.end..).and_then(|rest| decode(file, rest)) {
        if index != scan.payloads.len() as u64 {
            scan.damage = Some(scan.end);
            return scan;
        }
        scan.payloads.push(payload);
        (scan.last, scan.end) = (scan.end, scan.end + len);
    }
    let mut later = scan.end;
    while let Some(rest) = bytes.get(later..).filter(|rest| !rest.is_empty()) {
        if decode(file, rest).is_some_and(|(index, ..)| index > scan.payloads.len() as u64) {
            scan.damage = Some(scan.end);
            break;
        }
        later += PAGE;
    }
    scan
}

/// Where the records of these payloads begin, the first behind the header page.
pub(crate) fn offsets(payloads: &[&[u8]]) -> impl Iterator<Item = usize> {
    payloads.iter().scan(PAGE, |at, payload| {
        let offset = *at;
        *at += page_ceil(HEADER_BYTES + payload.len());
        Some(offset)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: FileHeader = FileHeader { store_id: 42, number: 7 };

    fn file(records: &[&[u8]]) -> Vec<u8> {
        let mut bytes = FILE.encode().to_vec();
        for (i, payload) in records.iter().enumerate() {
            bytes.extend(encode(FILE, i as u64, payload));
        }
        bytes
    }

    #[test]
    fn the_header_is_these_bytes() {
        let page = FILE.encode();
        assert_eq!(&page[..16], b"RWMANIFE\x01\0\0\0\0\0\0\0");
        assert_eq!(FileHeader::decode(&page), Ok(FILE));
        let mut newer = page;
        newer[8] = 9;
        let crc = crc32fast::hash(&newer[..32]);
        LittleEndian::write_u32(&mut newer[32..36], crc);
        assert_eq!(FileHeader::decode(&newer), Err(BadHeader::Newer(9)));
        for i in 0..36 {
            let mut bad = page;
            bad[i] ^= 1;
            assert!(FileHeader::decode(&bad).is_err(), "byte {i}");
        }
    }

    #[test]
    fn a_torn_end_is_cut_and_damage_before_a_later_record_is_reported() {
        let long = vec![9u8; 9000];
        let bytes = file(&[b"one", &long, b"three"]);
        let whole = scan(FILE, &bytes);
        assert_eq!(
            (whole.payloads.as_slice(), whole.damage),
            (&[b"one".as_slice(), &long, b"three"][..], None)
        );
        assert!(offsets(&whole.payloads).eq([PAGE, 2 * PAGE, 5 * PAGE]));
        // Any damage to the last record cuts it off; to an earlier one it is reported where it is.
        let starts = [PAGE, 2 * PAGE, 5 * PAGE];
        for (record, &start) in starts.iter().enumerate() {
            for at in [0, 5, 9, 20, HEADER_BYTES + 1] {
                let mut bad = bytes.clone();
                bad[start + at] ^= 0x10;
                let found = scan(FILE, &bad);
                assert_eq!(found.payloads.len(), record, "byte {at}");
                assert_eq!(found.damage, (record < 2).then_some(start), "byte {at}");
            }
        }
        for cut in PAGE..bytes.len() {
            assert_eq!(scan(FILE, &bytes[..cut]).damage, None, "a cut file is a torn one: {cut}");
        }
    }

    #[test]
    fn records_of_another_manifest_do_not_pass() {
        let other = FileHeader { number: 6, ..FILE };
        let mut bytes = FILE.encode().to_vec();
        bytes.extend(encode(other, 0, b"stale"));
        assert_eq!(scan(FILE, &bytes).payloads.len(), 0);
    }
}
