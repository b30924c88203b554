//! Records: the framing of the log stream. The byte table is in `docs/format-wal.md`.
//!
//! A record is a 16-byte header and a payload, padded with zeros to a multiple of 8 bytes. Every record starts at a multiple of 8 in
//! the stream, so that a scan for records that survived damage tries one position in eight.
//!
//! The checksum covers the whole record, padding included. It continues from a value made of the store's id, the salt of the
//! *run* (all segments that one opening of the store wrote; the salt is a random number in their headers) and the record's own
//! log position. In one run a position is written with one record only. So a record parses if and only if this store put it at this
//! position in this run: not what a recycled segment held before, not a block that the disk put in the wrong place, not another store's.

use byteorder::{ByteOrder, LittleEndian as LE};

use crate::{BATCH_BYTES_MAX, Lsn};

/// Bytes of a record header.
pub(crate) const HEADER_BYTES: usize = 16;
/// Records start at multiples of it.
pub(crate) const ALIGN: usize = 8;
/// Largest record, header and padding included. A larger batch is split over several.
pub(crate) const RECORD_BYTES_MAX: usize = 64 << 10;
/// Largest payload of one record.
pub(crate) const PAYLOAD_BYTES_MAX: usize = RECORD_BYTES_MAX - HEADER_BYTES;

const _: () = assert!(RECORD_BYTES_MAX.is_multiple_of(ALIGN) && HEADER_BYTES.is_multiple_of(ALIGN));
const _: () = assert!(PAYLOAD_BYTES_MAX < 1 << 24, "the length has 24 bits");
const _: () = assert!(BATCH_BYTES_MAX <= u32::MAX as usize);

/// Bits of the tag that hold the kind.
const KIND_MASK: u8 = 0x07;
/// The batch before this record was given up half-way; its fragments mean nothing.
const GIVEN_UP: u8 = 0x08;

/// What is said of a record that goes on behind all there is.
pub(crate) const CUT: &str = "the record does not end within the log";

/// What part of a batch a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// All of it.
    Full = 1,
    /// The first fragment.
    First = 2,
    /// Neither the first nor the last fragment.
    Middle = 3,
    /// The last fragment.
    Last = 4,
    /// No batch: the log was closed here, and nothing follows in this run.
    Close = 5,
}

/// The fields of a record header, but for the checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) given_up: bool,
    /// Payload bytes.
    pub(crate) len: usize,
    /// Everything before this position was durable when the record was appended.
    pub(crate) durable: Lsn,
}

impl Header {
    /// The header with a checksum of zero.
    #[inline]
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let tag = self.kind as u8 | if self.given_up { GIVEN_UP } else { 0 };
        let mut bytes = [0; HEADER_BYTES];
        LE::write_u32(&mut bytes[4..8], self.len as u32 | u32::from(tag) << 24);
        LE::write_u64(&mut bytes[8..16], self.durable);
        bytes
    }
}

/// Bytes of a record with `len` bytes of payload, padding included.
#[inline]
pub(crate) const fn framed(len: usize) -> usize {
    (HEADER_BYTES + len).next_multiple_of(ALIGN)
}

/// What the checksums of a run continue from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seed(u32);

impl Seed {
    pub(crate) fn new(store_id: u64, salt: u64) -> Self {
        let mut bytes = [0; 16];
        LE::write_u64(&mut bytes[..8], store_id);
        LE::write_u64(&mut bytes[8..], salt);
        Self(crc32fast::hash(&bytes))
    }

    /// The checksum of a record at `lsn`, before its first byte.
    ///
    /// Two positions less than 32 GiB apart never begin alike: their eighths differ in the low 32 bits. Above that the high bits
    /// are spread so that a collision is as unlikely as one of the checksum itself.
    #[inline]
    pub(crate) fn at(self, lsn: Lsn) -> crc32fast::Hasher {
        let eighth = lsn / ALIGN as u64;
        let high = ((eighth >> 32) as u32).wrapping_mul(0x9e37_79b1);
        crc32fast::Hasher::new_with_initial(self.0 ^ eighth as u32 ^ high)
    }
}

/// A record that checked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) header: Header,
    pub(crate) payload: &'a [u8],
}

impl Record<'_> {
    /// Bytes that it takes in the stream.
    pub(crate) fn framed(&self) -> u64 {
        framed(self.header.len) as u64
    }
}

/// What the bytes at a position are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parsed<'a> {
    /// A record of this store, run and position.
    Valid(Record<'a>),
    /// Not a record, and why.
    Invalid(&'static str),
    /// The checksum is right, but the tag is none that this version knows.
    Newer {
        /// The tag.
        tag: u8,
    },
}

/// The payload length that a header claims; it is not verified.
fn claimed_len(bytes: &[u8]) -> usize {
    (LE::read_u32(&bytes[4..8]) & 0x00ff_ffff) as usize
}

/// The promise that a header claims; it is not verified.
pub(crate) fn claimed_durable(bytes: &[u8]) -> Lsn {
    LE::read_u64(&bytes[8..16])
}

/// Looks for a record in `bytes`, which start at `lsn`. They should reach [`RECORD_BYTES_MAX`] far, or to the end of all there is.
pub(crate) fn parse(bytes: &[u8], lsn: Lsn, seed: Seed) -> Parsed<'_> {
    if bytes.len() < HEADER_BYTES {
        return Parsed::Invalid("there is no room for a record header");
    }
    let len = claimed_len(bytes);
    if len > PAYLOAD_BYTES_MAX {
        return Parsed::Invalid("the record header is damaged or was never written");
    }
    let framed = framed(len);
    if framed > bytes.len() {
        return Parsed::Invalid(CUT);
    }
    let tag = bytes[7];
    let durable = claimed_durable(bytes);
    // Zeros, the usual end of a log, need no checksum to be refused.
    if tag == 0 || durable > lsn {
        return Parsed::Invalid("the record header is damaged or was never written");
    }
    let mut hasher = seed.at(lsn);
    hasher.update(&[0; 4]);
    hasher.update(&bytes[4..framed]);
    if hasher.finalize() != LE::read_u32(&bytes[..4]) {
        return Parsed::Invalid("the record's checksum does not match");
    }
    let kind = match tag & KIND_MASK {
        1 => Kind::Full,
        2 => Kind::First,
        3 => Kind::Middle,
        4 => Kind::Last,
        5 => Kind::Close,
        _ => return Parsed::Newer { tag },
    };
    if tag & !(KIND_MASK | GIVEN_UP) != 0 {
        return Parsed::Newer { tag };
    }
    let header = Header { kind, given_up: tag & GIVEN_UP != 0, len, durable };
    Parsed::Valid(Record { header, payload: &bytes[HEADER_BYTES..HEADER_BYTES + len] })
}

/// Makes a record of any bytes whose header claims no more than there is, for fuzz targets.
#[cfg(fuzzing)]
pub(crate) fn fuzz_seal(bytes: &mut [u8], lsn: Lsn, seed: Seed) -> bool {
    if bytes.len() < HEADER_BYTES || framed(claimed_len(bytes)) > bytes.len() {
        return false;
    }
    let end = framed(claimed_len(bytes));
    let mut hasher = seed.at(lsn);
    hasher.update(&[0; 4]);
    hasher.update(&bytes[4..end]);
    let crc = hasher.finalize();
    LE::write_u32(&mut bytes[..4], crc);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(header: Header, payload: &[u8], lsn: Lsn, seed: Seed) -> Vec<u8> {
        let mut bytes = header.encode().to_vec();
        bytes.extend_from_slice(payload);
        bytes.resize(framed(payload.len()), 0);
        let mut hasher = seed.at(lsn);
        hasher.update(&bytes);
        let crc = hasher.finalize();
        LE::write_u32(&mut bytes[..4], crc);
        bytes
    }

    const HEADER: Header = Header { kind: Kind::Full, given_up: false, len: 5, durable: 64 };

    #[test]
    fn the_bytes_of_a_record_are_those_of_the_format_page() {
        let bytes = encode(HEADER, b"hello", 4096, Seed::new(7, 9));
        // crc, length and tag, durable, payload, padding.
        let expected = [
            0x23, 0xab, 0xea, 0xf4, 5, 0, 0, 1, 64, 0, 0, 0, 0, 0, 0, 0, b'h', b'e', b'l', b'l', b'o', 0, 0,
            0,
        ];
        assert_eq!(bytes, expected);
    }

    #[test]
    fn a_record_parses_at_its_own_place_only() {
        let seed = Seed::new(1, 2);
        let bytes = encode(HEADER, b"hello", 4096, seed);
        let Parsed::Valid(record) = parse(&bytes, 4096, seed) else { panic!("not valid") };
        assert_eq!((record.header, record.payload, record.framed()), (HEADER, &b"hello"[..], 24));
        for lsn in [64, 4088, 4104, 4096 + (1 << 32), 4096 + (1 << 35), u64::MAX - 7] {
            assert!(matches!(parse(&bytes, lsn, seed), Parsed::Invalid(_)), "valid at {lsn}");
        }
        for other in [Seed::new(2, 2), Seed::new(1, 3)] {
            assert!(matches!(parse(&bytes, 4096, other), Parsed::Invalid(_)));
        }
    }

    #[test]
    fn no_flipped_bit_goes_unseen() {
        let seed = Seed::new(1, 2);
        let bytes = encode(HEADER, b"hello", 4096, seed);
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(parse(&bad, 4096, seed), Parsed::Invalid(_)), "bit {bit}");
        }
        for cut in 0..bytes.len() {
            assert!(matches!(parse(&bytes[..cut], 4096, seed), Parsed::Invalid(_)), "cut at {cut}");
        }
    }

    #[test]
    fn unknown_tags_under_a_right_checksum_are_newer() {
        let seed = Seed::new(1, 2);
        for tag in [6u8, 7, 0x11, 0x81] {
            let mut bytes = HEADER.encode().to_vec();
            bytes.extend_from_slice(b"hello\0\0\0");
            bytes[7] = tag;
            let mut hasher = seed.at(4096);
            hasher.update(&bytes);
            let crc = hasher.finalize();
            LE::write_u32(&mut bytes[..4], crc);
            assert_eq!(parse(&bytes, 4096, seed), Parsed::Newer { tag });
        }
    }
}
