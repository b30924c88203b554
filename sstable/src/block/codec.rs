//! Compression of block bodies: none, LZ4, zstd.
//!
//! LZ4 is the block format without a size in front; zstd is one frame. The plain length stands in the block's header, bounds
//! the output, and must be met exactly.

use crate::error::Fault;

/// How the blocks of a table are compressed. Numbers are on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
#[non_exhaustive]
pub enum Compression {
    /// Blocks are stored as they are.
    #[default]
    None = 0,
    /// LZ4 block format: fast.
    Lz4 = 1,
    /// Zstandard: smaller. Needs the feature `zstd`, to write and to read.
    Zstd = 2,
}

impl Compression {
    /// The compression with this number on disk.
    pub(crate) fn from_u8(number: u8) -> Result<Self, Fault> {
        match number {
            0 => Ok(Compression::None),
            1 => Ok(Compression::Lz4),
            2 => Ok(Compression::Zstd),
            n => Err(Fault::Newer(format!("the unknown compression {n}").into())),
        }
    }

    /// Whether this build can read and write it.
    #[must_use]
    pub fn is_available(self) -> bool {
        self != Compression::Zstd || cfg!(feature = "zstd")
    }
}

/// Compression state that is reused from block to block.
#[derive(Default)]
pub(crate) struct Compressor {
    lz4: lz4_flex::block::CompressTable,
    #[cfg(feature = "zstd")]
    zstd: Option<zstd::bulk::Compressor<'static>>,
}

/// Level of zstd: its own default, a good ratio at some 300 MB/s.
#[cfg(feature = "zstd")]
const ZSTD_LEVEL: i32 = 3;

impl Compressor {
    /// Compresses `plain` to the end of `out`. Returns false, and leaves `out` as it was, if it cannot.
    pub(crate) fn compress(&mut self, codec: Compression, plain: &[u8], out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let written = match codec {
            Compression::None => None,
            Compression::Lz4 => {
                out.resize(start + lz4_flex::block::get_maximum_output_size(plain.len()), 0);
                lz4_flex::block::compress_into_with_table(plain, &mut out[start..], &mut self.lz4).ok()
            }
            Compression::Zstd => self.zstd(plain, out, start),
        };
        out.truncate(start + written.unwrap_or(0));
        written.is_some()
    }

    #[cfg(feature = "zstd")]
    fn zstd(&mut self, plain: &[u8], out: &mut Vec<u8>, start: usize) -> Option<usize> {
        if self.zstd.is_none() {
            self.zstd = zstd::bulk::Compressor::new(ZSTD_LEVEL).ok();
        }
        out.resize(start + zstd::zstd_safe::compress_bound(plain.len()), 0);
        self.zstd.as_mut()?.compress_to_buffer(plain, &mut out[start..]).ok()
    }

    #[cfg(not(feature = "zstd"))]
    #[allow(clippy::unused_self, reason = "the same call with and without the feature")]
    fn zstd(&mut self, _plain: &[u8], _out: &mut Vec<u8>, _start: usize) -> Option<usize> {
        None
    }
}

/// Decompression state that is reused from block to block.
#[derive(Default)]
pub(crate) struct Decompressor {
    #[cfg(feature = "zstd")]
    zstd: Option<zstd::bulk::Decompressor<'static>>,
}

impl std::fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decompressor")
    }
}

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Compressor")
    }
}

impl Decompressor {
    /// Decompresses `packed` to fill `out` exactly.
    pub(crate) fn decompress(
        &mut self,
        codec: Compression,
        packed: &[u8],
        out: &mut [u8],
    ) -> Result<(), Fault> {
        let written = match codec {
            Compression::None => return Err(Fault::corrupt("a plain block taken for a compressed one")),
            Compression::Lz4 => lz4_flex::block::decompress_into(packed, out).ok(),
            Compression::Zstd => self.zstd(packed, out)?,
        };
        if written != Some(out.len()) {
            return Err(Fault::corrupt("a block that does not decompress to its length"));
        }
        Ok(())
    }

    #[cfg(feature = "zstd")]
    fn zstd(&mut self, packed: &[u8], out: &mut [u8]) -> Result<Option<usize>, Fault> {
        if self.zstd.is_none() {
            self.zstd = zstd::bulk::Decompressor::new().ok();
        }
        let Some(zstd) = &mut self.zstd else {
            return Err(Fault::corrupt("no memory for zstd"));
        };
        Ok(zstd.decompress_to_buffer(packed, out).ok())
    }

    #[cfg(not(feature = "zstd"))]
    #[allow(clippy::unused_self, reason = "the same call with and without the feature")]
    fn zstd(&mut self, _packed: &[u8], _out: &mut [u8]) -> Result<Option<usize>, Fault> {
        Err(Fault::Newer("zstd, which this build was made without (feature `zstd`)".into()))
    }
}
