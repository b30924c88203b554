//! The binary dump: a header, then frames, each with a checksum that continues from the one before, so that no frame can be missing or
//! out of place. The byte table is in `docs/format-dump.md`.

use std::io::{Read, Write};

use super::resume::Mark;

const MAGIC: [u8; 8] = *b"RWOODDMP";
const VERSION: u32 = 1;
const HEADER: usize = 16;
/// Tag and length of a frame.
const FRAME: usize = 5;

const KEYSPACE: u8 = 1;
const ENTRIES: u8 = 2;
const END: u8 = 3;

/// Entries of a frame, in bytes, unless a single one is larger.
const FRAME_BYTES: usize = 1 << 20;
/// A frame is no larger: a key and a value at their limits, and what was gathered before them.
const FRAME_BYTES_MAX: usize = (64 << 20) + (1 << 20) + (128 << 10);
const ENTRY_HEADER: usize = 6;

/// What a dump holds, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The entries that follow are of this keyspace.
    Keyspace(String),
    /// Entries, encoded: see [`entries`].
    Entries(Vec<u8>),
    /// The whole dump was there.
    End,
}

/// Writes a dump.
pub(super) struct Writer<W> {
    to: W,
    crc: u32,
    frame: Vec<u8>,
    entries: u64,
    keyspaces: u64,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(mut to: W) -> std::io::Result<Self> {
        let mut header = [0; HEADER];
        header[..8].copy_from_slice(&MAGIC);
        header[8..12].copy_from_slice(&VERSION.to_le_bytes());
        to.write_all(&header)?;
        Ok(Self { to, crc: crc32fast::hash(&header), frame: Vec::new(), entries: 0, keyspaces: 0 })
    }

    pub(super) fn keyspace(&mut self, name: &str) -> std::io::Result<()> {
        self.entries_frame()?;
        self.keyspaces += 1;
        self.frame(KEYSPACE, name.as_bytes())
    }

    pub(super) fn entry(&mut self, key: &[u8], value: &[u8]) -> std::io::Result<()> {
        self.entries += 1;
        push_entry(key, value, &mut self.frame);
        if self.frame.len() >= FRAME_BYTES { self.entries_frame() } else { Ok(()) }
    }

    /// Ends the dump and gives back what it was written to.
    pub(super) fn end(mut self) -> std::io::Result<W> {
        self.entries_frame()?;
        let mut counts = self.keyspaces.to_le_bytes().to_vec();
        counts.extend_from_slice(&self.entries.to_le_bytes());
        self.frame(END, &counts)?;
        Ok(self.to)
    }

    fn entries_frame(&mut self) -> std::io::Result<()> {
        let mut entries = std::mem::take(&mut self.frame);
        if entries.is_empty() {
            return Ok(());
        }
        self.frame(ENTRIES, &entries)?;
        entries.clear();
        self.frame = entries;
        Ok(())
    }

    fn frame(&mut self, tag: u8, payload: &[u8]) -> std::io::Result<()> {
        let mut head = [tag; FRAME];
        head[1..].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        self.crc = checksum(self.crc, &head, payload);
        self.to.write_all(&head)?;
        self.to.write_all(payload)?;
        self.to.write_all(&self.crc.to_le_bytes())
    }
}

fn checksum(before: u32, head: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(before);
    hasher.update(head);
    hasher.update(payload);
    hasher.finalize()
}

/// Reads a dump.
pub(super) struct Reader<R> {
    from: R,
    crc: u32,
    /// Bytes read so far.
    offset: u64,
    entries: u64,
    keyspaces: u64,
}

impl<R: Read> Reader<R> {
    /// # Errors
    /// A sentence, if it is no dump.
    pub(super) fn new(mut from: R) -> Result<Self, String> {
        let mut header = [0; HEADER];
        let is_dump = read(&mut from, &mut header, 0).is_ok() && header[..8] == MAGIC;
        if !is_dump {
            return Err("it is no binary dump of Ringwood (say what it is with --format)".into());
        }
        match u32::from_le_bytes([header[8], header[9], header[10], header[11]]) {
            VERSION => {}
            version => {
                return Err(format!("it is of format version {version}, and this program knows {VERSION}"));
            }
        }
        let crc = crc32fast::hash(&header);
        Ok(Self { from, crc, offset: HEADER as u64, entries: 0, keyspaces: 0 })
    }

    /// Where the next part begins.
    pub(super) fn mark(&self) -> Mark {
        Mark { bytes: self.offset, crc: self.crc }
    }

    /// The next part.
    ///
    /// # Errors
    /// A sentence with the offset, if it is cut or damaged. Nothing of a damaged frame is given.
    pub(super) fn next(&mut self) -> Result<Part, String> {
        let at = self.offset;
        let mut head = [0; FRAME];
        read(&mut self.from, &mut head, at)?;
        let len = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
        if len > FRAME_BYTES_MAX {
            return Err(format!("offset {at}: the dump is damaged: a frame of {len} bytes is none"));
        }
        let mut payload = Vec::new();
        let got = (&mut self.from).take(len as u64).read_to_end(&mut payload);
        if got.map_err(|e| format!("offset {at}: {e}"))? != len {
            return Err(cut(at));
        }
        let mut crc = [0; 4];
        read(&mut self.from, &mut crc, at)?;
        self.crc = checksum(self.crc, &head, &payload);
        if self.crc != u32::from_le_bytes(crc) {
            return Err(format!("offset {at}: the dump is damaged: a checksum does not match"));
        }
        self.offset = at + (FRAME + len + 4) as u64;
        self.part(head[0], payload)
            .ok_or_else(|| format!("offset {at}: the dump holds what this version does not know"))
    }

    fn part(&mut self, tag: u8, payload: Vec<u8>) -> Option<Part> {
        match tag {
            KEYSPACE => {
                self.keyspaces += 1;
                Some(Part::Keyspace(String::from_utf8(payload).ok()?))
            }
            ENTRIES => {
                let mut rest = Entries(&payload);
                self.entries += rest.by_ref().count() as u64;
                rest.0.is_empty().then_some(Part::Entries(payload))
            }
            END => {
                let mut counts = self.keyspaces.to_le_bytes().to_vec();
                counts.extend_from_slice(&self.entries.to_le_bytes());
                (payload == counts).then_some(Part::End)
            }
            _ => None,
        }
    }
}

fn cut(at: u64) -> String {
    format!("offset {at}: the dump ends too early: it was cut")
}

fn read(from: &mut impl Read, bytes: &mut [u8], at: u64) -> Result<(), String> {
    from.read_exact(bytes).map_err(|e| match e.kind() {
        std::io::ErrorKind::UnexpectedEof => cut(at),
        _ => format!("offset {at}: {e}"),
    })
}

/// Appends an entry, within the store's limits, as it is in a frame.
pub(super) fn push_entry(key: &[u8], value: &[u8], frame: &mut Vec<u8>) {
    frame.extend_from_slice(&(key.len() as u16).to_le_bytes());
    frame.extend_from_slice(&(value.len() as u32).to_le_bytes());
    frame.extend_from_slice(key);
    frame.extend_from_slice(value);
}

/// The entries of a frame.
pub(super) fn entries(payload: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    Entries(payload)
}

struct Entries<'a>(&'a [u8]);

impl<'a> Iterator for Entries<'a> {
    type Item = (&'a [u8], &'a [u8]);

    /// Ends early, and leaves the rest, at bytes that are no entry.
    fn next(&mut self) -> Option<Self::Item> {
        let (head, rest) = self.0.split_at_checked(ENTRY_HEADER)?;
        let key_len = usize::from(u16::from_le_bytes([head[0], head[1]]));
        let value_len = u32::from_le_bytes([head[2], head[3], head[4], head[5]]) as usize;
        let (key, rest) = rest.split_at_checked(key_len)?;
        let (value, rest) = rest.split_at_checked(value_len)?;
        self.0 = rest;
        Some((key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dump() -> Vec<u8> {
        let mut writer = Writer::new(Vec::new()).unwrap();
        writer.keyspace("default").unwrap();
        writer.entry(b"a", b"1").unwrap();
        writer.entry(b"b", b"").unwrap();
        writer.keyspace("empty").unwrap();
        writer.end().unwrap()
    }

    fn parts(bytes: &[u8]) -> Result<Vec<Part>, String> {
        let mut reader = Reader::new(bytes)?;
        let mut parts = Vec::new();
        loop {
            parts.push(reader.next()?);
            if parts.last() == Some(&Part::End) {
                return Ok(parts);
            }
        }
    }

    #[test]
    fn a_dump_reads_back() {
        let parts = parts(&dump()).unwrap();
        let [Part::Keyspace(first), Part::Entries(payload), Part::Keyspace(second), Part::End] = &parts[..]
        else {
            panic!("{parts:?}");
        };
        assert_eq!((first.as_str(), second.as_str()), ("default", "empty"));
        assert!(entries(payload).eq([(&b"a"[..], &b"1"[..]), (b"b", b"")]));
    }

    #[test]
    fn no_flipped_bit_and_no_cut_goes_unseen() {
        let whole = dump();
        for bit in 0..whole.len() * 8 {
            let mut bad = whole.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            // Bytes 12..16 are reserved: the first frame's checksum continues from them.
            assert!(parts(&bad).is_err(), "bit {bit}");
        }
        for end in 0..whole.len() {
            assert!(parts(&whole[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn a_missing_frame_is_noticed() {
        let mut writer = Writer::new(Vec::new()).unwrap();
        writer.keyspace("a").unwrap();
        let first = writer.to.len();
        writer.keyspace("a").unwrap();
        let second = writer.to.len();
        writer.keyspace("b").unwrap();
        let mut bytes = writer.end().unwrap();
        bytes.drain(first..second);
        assert!(parts(&bytes).is_err());
    }
}
