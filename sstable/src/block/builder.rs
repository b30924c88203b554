//! From entries to the bytes of a block.
//!
//! [`Batch`] holds entries that wait for a block, [`Shape`] knows exactly how long a block of the first n of them would be,
//! and [`encode`] writes it. The writer's thread alone uses them.

use byteorder::{ByteOrder, LittleEndian as LE};

use super::format::{
    BASE_AT, BODY_LEN_AT, COUNT_AT, FLAG_FIXED, FLAG_KINDS, FLAGS_AT, HEADER, KIND_BITS, PREFIX_LEN_AT,
    SUFFIX_LEN_AT, head_of,
};
use crate::entry::{Entry, Kind, common_prefix};

/// Entries that wait to be put into a block, in order, copied.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    items: Vec<Item>,
}

#[derive(Debug, Clone, Copy)]
struct Item {
    at: usize,
    key_len: usize,
    value_len: usize,
    seq: u64,
    kind: Kind,
}

impl Batch {
    #[inline]
    pub(crate) fn push(&mut self, entry: &Entry<'_>) {
        self.items.push(Item {
            at: self.bytes.len(),
            key_len: entry.key.len(),
            value_len: entry.value.len(),
            seq: entry.seq,
            kind: entry.kind,
        });
        self.bytes.extend_from_slice(entry.key);
        self.bytes.extend_from_slice(entry.value);
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Bytes of keys and values.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Entry `i`, which exists.
    pub(crate) fn entry(&self, i: usize) -> Entry<'_> {
        let item = &self.items[i];
        let (key, rest) = self.bytes[item.at..].split_at(item.key_len);
        Entry { key, seq: item.seq, kind: item.kind, value: &rest[..item.value_len] }
    }

    /// Entry `i`, which exists, with its key and value as they lie: one behind the other.
    pub(crate) fn laid(&self, i: usize) -> Laid<'_> {
        let item = &self.items[i];
        let bytes = &self.bytes[item.at..item.at + item.key_len + item.value_len];
        Laid { bytes, key_len: item.key_len, more: &[], seq: item.seq, kind: item.kind }
    }

    /// The last key, if there is an entry.
    #[inline]
    pub(crate) fn last_key(&self) -> Option<&[u8]> {
        self.items.last().map(|item| &self.bytes[item.at..item.at + item.key_len])
    }

    /// The first key; empty if there is none.
    #[inline]
    pub(crate) fn first_key(&self) -> &[u8] {
        self.items.first().map_or(&[], |item| &self.bytes[..item.key_len])
    }

    /// Drops the first `n` entries.
    pub(crate) fn drop_front(&mut self, n: usize) {
        if n == self.items.len() {
            self.items.clear();
            self.bytes.clear();
            return;
        }
        let cut = self.items[n].at;
        self.bytes.drain(..cut);
        self.items.drain(..n);
        for item in &mut self.items {
            item.at -= cut;
        }
    }
}

/// An entry to be encoded: its key, and what lies right behind that of its value, so that the two are copied as one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Laid<'a> {
    bytes: &'a [u8],
    key_len: usize,
    /// The rest of the value.
    more: &'a [u8],
    seq: u64,
    kind: Kind,
}

impl<'a> From<&Entry<'a>> for Laid<'a> {
    fn from(entry: &Entry<'a>) -> Self {
        let (bytes, more) = (entry.key, entry.value);
        Self { bytes, key_len: bytes.len(), more, seq: entry.seq, kind: entry.kind }
    }
}

/// Exact lengths of a block of some entries, kept up to date as entries come: O(1) an entry, except when the common prefix
/// gets shorter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) count: usize,
    prefix_len: usize,
    /// Of the first entry; of all, if `keys_equal`.
    key_len: usize,
    keys_equal: bool,
    key_len_max: usize,
    value_len: usize,
    values_equal: bool,
    value_sum: usize,
    /// Key bytes that are neither in the prefix nor in a head.
    rest_sum: usize,
    seq_min: u64,
    seq_max: u64,
    kind: Kind,
    kinds_equal: bool,
}

impl Shape {
    /// The shape of a block of one entry.
    pub(crate) fn one(entry: &Entry<'_>) -> Self {
        Self {
            count: 1,
            prefix_len: entry.key.len(),
            key_len: entry.key.len(),
            keys_equal: true,
            key_len_max: entry.key.len(),
            value_len: entry.value.len(),
            values_equal: true,
            value_sum: entry.value.len(),
            rest_sum: 0,
            seq_min: entry.seq,
            seq_max: entry.seq,
            kind: entry.kind,
            kinds_equal: true,
        }
    }

    /// The shape with one entry more, which is entry number `count` of `batch` or follows it.
    pub(crate) fn with(mut self, batch: &Batch, entry: &Entry<'_>) -> Self {
        let prefix_len = common_prefix(&batch.entry(0).key[..self.prefix_len], entry.key);
        if prefix_len != self.prefix_len {
            self.prefix_len = prefix_len;
            self.rest_sum = if self.keys_equal {
                self.count * rest_len(self.key_len, prefix_len)
            } else {
                batch.items[..self.count].iter().map(|i| rest_len(i.key_len, prefix_len)).sum()
            };
        }
        self.count += 1;
        self.keys_equal &= entry.key.len() == self.key_len;
        self.key_len_max = self.key_len_max.max(entry.key.len());
        self.values_equal &= entry.value.len() == self.value_len;
        self.value_sum += entry.value.len();
        self.rest_sum += rest_len(entry.key.len(), prefix_len);
        self.seq_min = self.seq_min.min(entry.seq);
        self.seq_max = self.seq_max.max(entry.seq);
        self.kinds_equal &= entry.kind == self.kind;
        self
    }

    /// Takes one entry more if it is like all before in everything that columns depend on, and at most `room` bytes longer than nothing.
    /// Returns how much longer the block gets.
    #[inline]
    pub(crate) fn grow_alike(&mut self, first_key: &[u8], entry: &Entry<'_>, room: usize) -> Option<usize> {
        let is_alike = self.fixed()
            && self.kinds_equal
            && entry.key.len() == self.key_len
            && entry.value.len() == self.value_len
            && entry.kind == self.kind
            && (self.seq_min..=self.seq_max).contains(&entry.seq)
            && starts_alike(first_key, entry.key, self.prefix_len);
        let rest = rest_len(self.key_len, self.prefix_len);
        let bytes = 4 + self.tag_width() + rest + self.value_len;
        // A block of one entry has the whole key for its prefix: the second makes it shorter.
        if !is_alike || bytes > room || self.count == 1 {
            return None;
        }
        self.count += 1;
        self.value_sum += self.value_len;
        self.rest_sum += rest;
        Some(bytes)
    }

    /// The shape of the first `count` entries of `batch`, at least one.
    pub(crate) fn of(batch: &Batch, count: usize) -> Self {
        (1..count).fold(Shape::one(&batch.entry(0)), |shape, i| shape.with(batch, &batch.entry(i)))
    }

    fn len_width(&self) -> usize {
        match self.key_len_max - self.prefix_len {
            _ if self.keys_equal => 0,
            0..=255 => 1,
            _ => 2,
        }
    }

    fn fixed(&self) -> bool {
        self.keys_equal && self.values_equal
    }

    fn kind_bits(&self) -> u32 {
        if self.kinds_equal { 0 } else { KIND_BITS }
    }

    fn tag_width(&self) -> usize {
        let span = self.seq_max - self.seq_min;
        (u64::BITS - span.leading_zeros() + self.kind_bits()).div_ceil(8) as usize
    }

    fn slots_len(&self) -> usize {
        if self.fixed() { 0 } else { 2 * (self.count + 1) }
    }

    /// Bytes of the block: header, columns and data.
    pub(crate) fn block_len(&self) -> usize {
        let columns = self.count * (4 + self.len_width() + self.tag_width()) + self.slots_len();
        HEADER + self.prefix_len + columns + self.rest_sum + self.value_sum
    }
}

/// Whether two keys of one length begin with the same `n` bytes. Word by word: for short keys faster than a call.
#[inline]
fn starts_alike(a: &[u8], b: &[u8], n: usize) -> bool {
    if let (Some(a), Some(b)) = (a.first_chunk::<8>(), b.first_chunk::<8>())
        && n <= 8
    {
        let differ = u64::from_be_bytes(*a) ^ u64::from_be_bytes(*b);
        return differ.leading_zeros() as usize >= 8 * n;
    }
    a.get(..n) == b.get(..n)
}

/// Bytes of a key that are neither in the prefix nor in its head.
fn rest_len(key_len: usize, prefix_len: usize) -> usize {
    (key_len - prefix_len).saturating_sub(4)
}

/// Writes the block of `entries`, whose shape is `shape`, to `out`, replacing what is there. The checksum is left 0.
pub(crate) fn encode<'a>(shape: &Shape, entries: impl Iterator<Item = Laid<'a>>, out: &mut Vec<u8>) {
    out.resize(shape.block_len(), 0);
    let (len_width, tag_width) = (shape.len_width(), shape.tag_width());
    let heads_at = HEADER + shape.prefix_len;
    let lens_at = heads_at + 4 * shape.count;
    let slots_at = lens_at + len_width * shape.count;
    let tags_at = slots_at + shape.slots_len();
    let data_at = tags_at + tag_width * shape.count;
    // The data has no gaps: every byte of it is replaced below.
    out[..data_at].fill(0);
    let mut flags = len_width as u8;
    if shape.fixed() {
        flags |= FLAG_FIXED;
    }
    if !shape.kinds_equal {
        flags |= FLAG_KINDS;
    }
    out[FLAGS_AT] = flags;
    LE::write_u16(&mut out[COUNT_AT..], shape.count as u16);
    LE::write_u32(&mut out[BODY_LEN_AT..], (shape.block_len() - HEADER) as u32);
    LE::write_u16(&mut out[PREFIX_LEN_AT..], shape.prefix_len as u16);
    if shape.keys_equal {
        let suffix_len = shape.key_len - shape.prefix_len;
        LE::write_u16(&mut out[SUFFIX_LEN_AT..], suffix_len as u16);
    }
    let kind = if shape.kinds_equal { shape.kind as u8 } else { 0 };
    let base = shape.seq_min | (tag_width as u64) << 56 | u64::from(kind) << 60;
    LE::write_u64(&mut out[BASE_AT..], base);

    let mut at = data_at;
    for (i, entry) in entries.enumerate() {
        let (prefix, suffix) = entry.bytes[..entry.key_len].split_at(shape.prefix_len);
        if i == 0 {
            out[HEADER..heads_at].copy_from_slice(prefix);
        }
        LE::write_u32(&mut out[heads_at + 4 * i..], head_of(suffix));
        match len_width {
            0 => {}
            1 => out[lens_at + i] = suffix.len() as u8,
            _ => LE::write_u16(&mut out[lens_at + 2 * i..], suffix.len() as u16),
        }
        let mut tag = entry.seq - shape.seq_min;
        if !shape.kinds_equal {
            tag = tag << KIND_BITS | entry.kind as u64;
        }
        if tag_width > 0 {
            out[tags_at + tag_width * i..][..tag_width].copy_from_slice(&tag.to_le_bytes()[..tag_width]);
        }
        let rest = &entry.bytes[entry.key_len.min(shape.prefix_len + 4)..];
        out[at..at + rest.len()].copy_from_slice(rest);
        at += rest.len();
        if !entry.more.is_empty() {
            out[at..at + entry.more.len()].copy_from_slice(entry.more);
            at += entry.more.len();
        }
        if !shape.fixed() {
            LE::write_u16(&mut out[slots_at + 2 * (i + 1)..], (at - data_at) as u16);
        }
    }
    debug_assert_eq!(at, out.len(), "the shape is exact");
}
