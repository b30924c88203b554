//! What stands around a block on disk: codec, padding to whole pages, checksum; and their check after a read.
//!
//! The checksum covers every byte of the block's pages but its own four, padding included, so that no flipped bit goes
//! unseen. A compressed block is its header, the length of the packed body (4 bytes), the packed body, padding.

use byteorder::{ByteOrder, LittleEndian as LE};
use ringwood_ring::{PAGE, page_ceil};

use super::codec::{Compression, Compressor, Decompressor};
use super::format::{BODY_LEN_AT, BODY_MAX, CODEC_AT, CRC_AT, HEADER};
use crate::checksum::Checksum;
use crate::error::Fault;

/// Bytes in front of a packed body: the header, and the body's packed length.
pub(crate) const PACKED_HEADER: usize = HEADER + 4;
const SUMMED_FROM: usize = CRC_AT + 4;

/// Writes the stored form of the plain block `plain` to `out`, replacing what is there: compressed, not padded, not yet sealed.
/// Returns false if it cannot be compressed.
pub(crate) fn pack(codec: Compression, compressor: &mut Compressor, plain: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    out.extend_from_slice(&plain[..HEADER]);
    out.extend_from_slice(&[0; 4]);
    if !compressor.compress(codec, &plain[HEADER..], out) {
        return false;
    }
    out[CODEC_AT] = codec as u8;
    let packed = (out.len() - PACKED_HEADER) as u32;
    LE::write_u32(&mut out[HEADER..], packed);
    true
}

/// Pads a stored block with zeros to whole pages.
pub(crate) fn pad(block: &mut Vec<u8>) {
    block.resize(page_ceil(block.len()), 0);
}

/// Writes the checksum of a padded block that will stand at `offset`.
pub(crate) fn seal(checksum: &Checksum, offset: u64, block: &mut [u8]) {
    debug_assert!(block.len().is_multiple_of(PAGE), "a block is whole pages");
    let sum = checksum.of(offset, &block[SUMMED_FROM..]);
    LE::write_u32(&mut block[CRC_AT..], sum);
}

/// Checks a stored block, whole pages as read at `offset`, and tells its codec.
pub(crate) fn verify(checksum: &Checksum, offset: u64, stored: &[u8]) -> Result<Compression, Fault> {
    if stored.len() < PAGE {
        return Err(Fault::corrupt("a block cut short"));
    }
    let want = LE::read_u32(&stored[CRC_AT..]);
    let got = checksum.of(offset, &stored[SUMMED_FROM..]);
    if want != got {
        return Err(Fault::Corrupt(
            format!("the block's checksum is {got:#010x}, and {want:#010x} was written").into(),
        ));
    }
    codec(stored)
}

/// The codec of a stored block.
pub(crate) fn codec(stored: &[u8]) -> Result<Compression, Fault> {
    Compression::from_u8(stored[CODEC_AT])
}

/// Length of the plain form of a stored block: header and body.
pub(crate) fn plain_len(stored: &[u8]) -> Result<usize, Fault> {
    let body_len = LE::read_u32(&stored[BODY_LEN_AT..]) as usize;
    if body_len > BODY_MAX {
        return Err(Fault::corrupt("a block with an impossible length"));
    }
    Ok(HEADER + body_len)
}

/// Writes the plain form of a compressed, verified block to `out`, which is exactly [`plain_len`] long.
pub(crate) fn unpack(
    codec: Compression,
    decompressor: &mut Decompressor,
    stored: &[u8],
    out: &mut [u8],
) -> Result<(), Fault> {
    let packed = LE::read_u32(&stored[HEADER..]) as usize;
    let Some(packed) = stored.get(PACKED_HEADER..).and_then(|body| body.get(..packed)) else {
        return Err(Fault::corrupt("a packed block longer than its pages"));
    };
    let (header, body) = out.split_at_mut(HEADER);
    header.copy_from_slice(&stored[..HEADER]);
    header[CODEC_AT] = 0;
    decompressor.decompress(codec, packed, body)
}

/// The plain form of a stored block whose checksum was right, for fuzz targets.
#[cfg(fuzzing)]
pub(crate) fn fuzz_unpack(data: &[u8]) -> Option<Vec<u8>> {
    let mut stored = data.to_vec();
    stored.resize(page_ceil(stored.len().max(1)), 0);
    let codec = codec(&stored).ok()?;
    if codec == Compression::None {
        return Some(stored);
    }
    // As a reader does: no larger than a frame of the cache may be. Blocks of a megabyte will do.
    let len = plain_len(&stored).ok().filter(|len| *len <= 1 << 20)?;
    let mut plain = vec![0; len];
    unpack(codec, &mut Decompressor::default(), &stored, &mut plain).ok()?;
    Some(plain)
}
