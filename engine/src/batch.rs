//! Write batches: operations that take effect together, and their form in the log.
//!
//! A batch is kept in the form that the log stores, so that committing it copies it once. The payload of a log record is
//!
//! | bytes | field |
//! |---|---|
//! | 0..8 | sequence number of the first operation, `u64` |
//! | 8..12 | number of operations, `u32` |
//! | 12.. | the operations, in order |
//!
//! and an operation is
//!
//! | bytes | field |
//! |---|---|
//! | 0 | kind (`u8`, see [`Kind`]) |
//! | 1..5 | keyspace, `u32` |
//! | 5..7 | key length, `u16` |
//! | 7..11 | value length, `u32` (0 for a delete) |
//! | 11.. | key, value |
//!
//! all little-endian. Operation `i` has sequence number `first + i`. Integrity is the log record's checksum; the lengths are
//! checked again here, so that a wrong one is an error and never a panic.

use byteorder::{ByteOrder, LittleEndian};
use ringwood_sstable::Kind;

use crate::{Error, Keyspace, Result};

/// Longest key, in bytes. Keys have at least one byte.
pub const KEY_BYTES_MAX: usize = u16::MAX as usize;
/// Longest value, in bytes.
pub const VALUE_BYTES_MAX: usize = 64 << 20;
/// Largest batch, in encoded bytes: what recovery may have to hold in memory at once.
pub const BATCH_BYTES_MAX: usize = 256 << 20;

pub(crate) const HEADER_BYTES: usize = 12;
pub(crate) const OP_HEADER_BYTES: usize = 11;

/// The keyspace that [`Db`](crate::Db)'s own operations go to.
pub(crate) const DEFAULT_KEYSPACE: u32 = 0;

/// Operations that take effect together or not at all, in order: of two on one key, the later wins.
///
/// ```
/// let mut batch = ringwood::WriteBatch::new();
/// batch.put(b"a", b"1")?;
/// batch.delete(b"b")?;
/// assert_eq!(batch.len(), 2);
/// # Ok::<(), ringwood::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct WriteBatch {
    bytes: Vec<u8>,
    count: u32,
    keyspaces: Vec<Keyspace>,
}

impl Default for WriteBatch {
    fn default() -> Self {
        Self::new()
    }
}

impl WriteBatch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self { bytes: vec![0; HEADER_BYTES], count: 0, keyspaces: Vec::new() }
    }

    /// Adds a put to the default keyspace.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for an empty or too long key, or a too long value. The batch is as before.
    pub fn put(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.push(Kind::Put, DEFAULT_KEYSPACE, key.as_ref(), value.as_ref())
    }

    /// Adds a delete to the default keyspace.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn delete(&mut self, key: impl AsRef<[u8]>) -> Result<()> {
        self.push(Kind::Delete, DEFAULT_KEYSPACE, key.as_ref(), &[])
    }

    /// Adds a put to `keyspace`.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn put_in(
        &mut self,
        keyspace: &Keyspace,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<()> {
        self.push(Kind::Put, keyspace.id(), key.as_ref(), value.as_ref())?;
        self.remember(keyspace);
        Ok(())
    }

    /// Adds a delete to `keyspace`.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn delete_in(&mut self, keyspace: &Keyspace, key: impl AsRef<[u8]>) -> Result<()> {
        self.push(Kind::Delete, keyspace.id(), key.as_ref(), &[])?;
        self.remember(keyspace);
        Ok(())
    }

    /// Number of operations.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is no operation.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Forgets all operations, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.truncate(HEADER_BYTES);
        self.count = 0;
        self.keyspaces.clear();
    }

    /// The handles whose keyspaces the batch writes to, besides the default one.
    pub(crate) fn keyspaces(&self) -> &[Keyspace] {
        &self.keyspaces
    }

    /// The operations, encoded, without the header.
    pub(crate) fn ops(&self) -> &[u8] {
        &self.bytes[HEADER_BYTES..]
    }

    fn push(&mut self, kind: Kind, keyspace: u32, key: &[u8], value: &[u8]) -> Result<()> {
        check_key(key)?;
        check_value(value)?;
        let bytes = self.bytes.len() + OP_HEADER_BYTES + key.len() + value.len();
        if bytes > BATCH_BYTES_MAX {
            return Err(Error::invalid(format!(
                "the batch would have {bytes} bytes, more than {BATCH_BYTES_MAX}; commit it in several"
            )));
        }
        self.bytes.extend_from_slice(&op_header(kind, keyspace, key, value));
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        self.count += 1;
        Ok(())
    }

    fn remember(&mut self, keyspace: &Keyspace) {
        if !self.keyspaces.iter().any(|k| k.id() == keyspace.id()) {
            self.keyspaces.push(keyspace.clone());
        }
    }
}

pub(crate) fn check_key(key: &[u8]) -> Result<()> {
    match key.len() {
        0 => Err(Error::invalid("the key is empty; keys have at least one byte")),
        1..=KEY_BYTES_MAX => Ok(()),
        n => Err(Error::invalid(format!("the key has {n} bytes; keys have at most {KEY_BYTES_MAX}"))),
    }
}

pub(crate) fn check_value(value: &[u8]) -> Result<()> {
    if value.len() > VALUE_BYTES_MAX {
        let n = value.len();
        return Err(Error::invalid(format!(
            "the value has {n} bytes; values have at most {VALUE_BYTES_MAX}"
        )));
    }
    Ok(())
}

/// Encodes the header of a batch.
pub(crate) fn header(first_seq: u64, count: u32) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    LittleEndian::write_u64(&mut bytes[..8], first_seq);
    LittleEndian::write_u32(&mut bytes[8..], count);
    bytes
}

/// Encodes the header of an operation. The lengths were checked before.
pub(crate) fn op_header(kind: Kind, keyspace: u32, key: &[u8], value: &[u8]) -> [u8; OP_HEADER_BYTES] {
    let mut bytes = [0; OP_HEADER_BYTES];
    bytes[0] = kind as u8;
    LittleEndian::write_u32(&mut bytes[1..5], keyspace);
    LittleEndian::write_u16(&mut bytes[5..7], key.len() as u16);
    LittleEndian::write_u32(&mut bytes[7..11], value.len() as u32);
    bytes
}

/// One operation of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpRef<'a> {
    pub(crate) kind: Kind,
    pub(crate) keyspace: u32,
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
}

/// The operations of an encoded batch, without its header. Ends with an error at bytes that do not parse.
pub(crate) struct Ops<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Ops<'a> {
    type Item = Result<OpRef<'a>, &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let bytes = std::mem::take(&mut self.0);
        let Some((head, rest)) = bytes.split_at_checked(OP_HEADER_BYTES) else {
            return Some(Err("an operation is cut short"));
        };
        let Some(kind) = Kind::from_u8(head[0]) else {
            return Some(Err("an operation is of a kind that this version does not know"));
        };
        let (key_len, value_len) =
            (LittleEndian::read_u16(&head[5..7]) as usize, LittleEndian::read_u32(&head[7..11]) as usize);
        let Some((key, rest)) = rest.split_at_checked(key_len) else {
            return Some(Err("a key reaches past the end of its batch"));
        };
        let Some((value, rest)) = rest.split_at_checked(value_len) else {
            return Some(Err("a value reaches past the end of its batch"));
        };
        if key.is_empty() || value.len() > VALUE_BYTES_MAX {
            return Some(Err("an operation has an impossible length"));
        }
        self.0 = rest;
        Some(Ok(OpRef { kind, keyspace: LittleEndian::read_u32(&head[1..5]), key, value }))
    }
}

/// Splits a log record's payload into first sequence number, number of operations, and operations.
pub(crate) fn decode(payload: &[u8]) -> Result<(u64, u32, Ops<'_>), &'static str> {
    let (head, ops) = payload.split_at_checked(HEADER_BYTES).ok_or("a batch is shorter than its header")?;
    Ok((LittleEndian::read_u64(&head[..8]), LittleEndian::read_u32(&head[8..]), Ops(ops)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_reads_back_as_written() {
        let mut batch = WriteBatch::new();
        batch.put(b"k", b"v").unwrap();
        batch.delete(b"gone").unwrap();
        batch.put([7u8; 300], []).unwrap();
        let ops: Vec<_> = Ops(batch.ops()).map(Result::unwrap).collect();
        let op = |kind, key, value| OpRef { kind, keyspace: 0, key, value };
        assert_eq!(
            ops,
            [op(Kind::Put, b"k", b"v"), op(Kind::Delete, b"gone", b""), op(Kind::Put, &[7; 300], b"")]
        );
        let mut payload = header(99, 3).to_vec();
        payload.extend_from_slice(batch.ops());
        let (first, count, ops) = decode(&payload).unwrap();
        assert_eq!((first, count, ops.count()), (99, 3, 3));
    }

    #[test]
    fn impossible_keys_and_values_are_refused_and_leave_the_batch_alone() {
        let mut batch = WriteBatch::new();
        assert_eq!(batch.put(b"", b"v").unwrap_err().kind(), crate::ErrorKind::Invalid);
        assert!(batch.put(vec![0; KEY_BYTES_MAX + 1], b"v").is_err());
        assert!(batch.put(b"k", vec![0; VALUE_BYTES_MAX + 1]).is_err());
        batch.put(vec![0; KEY_BYTES_MAX], b"").unwrap();
        assert_eq!(batch.len(), 1);
    }

    #[test]
    fn cut_and_foreign_bytes_are_errors() {
        let mut batch = WriteBatch::new();
        batch.put(b"key", b"value").unwrap();
        for cut in 1..batch.ops().len() {
            assert!(Ops(&batch.ops()[..cut]).any(|op| op.is_err()), "cut at {cut}");
        }
        assert!(Ops(&[0xff; 40]).next().unwrap().is_err());
        assert!(decode(&[0; 11]).is_err());
    }
}
