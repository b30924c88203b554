//! Version edits: what changes from one version of the store to the next, and how it is written down.
//!
//! A manifest record's payload is a sequence of edits that take effect together. Each is a tag byte and its fields,
//! little-endian; see `docs/format-manifest.md`.

use byteorder::{LittleEndian, WriteBytesExt};
use std::collections::BTreeMap;

/// Levels of a tree: level 0 of tables as they were flushed, then sorted runs.
pub(crate) const LEVELS: usize = 7;

/// What the store knows of a table without opening it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableMeta {
    /// File number.
    pub(crate) id: u64,
    /// Size of the file.
    pub(crate) bytes: u64,
    /// Bytes at its end that opening it needs: index, filter, properties, footer. 0 if unknown.
    pub(crate) tail_bytes: u64,
    /// What tells it from any other table of its number, if known.
    pub(crate) salt: Option<u64>,
    /// Entries, versions and tombstones included.
    pub(crate) entries: u64,
    pub(crate) tombstones: u64,
    pub(crate) seq_min: u64,
    pub(crate) seq_max: u64,
    /// The file was written before its sequence number was known: `seq_max` is that of all entries, and the file says 0.
    pub(crate) is_loaded: bool,
    pub(crate) smallest: Box<[u8]>,
    pub(crate) largest: Box<[u8]>,
}

impl TableMeta {
    /// The sequence number that the manifest gives to all entries, if they have none of their own.
    pub(crate) fn assigned_seq(&self) -> Option<u64> {
        self.is_loaded.then_some(self.seq_max)
    }

    /// Whether some key in `from..=to` can be in the table.
    pub(crate) fn overlaps(&self, from: &[u8], to: &[u8]) -> bool {
        *self.smallest <= *to && *from <= *self.largest
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Edit {
    KeyspaceAdd {
        keyspace: u32,
        name: String,
    },
    KeyspaceDrop {
        keyspace: u32,
    },
    TableAdd {
        keyspace: u32,
        level: u8,
        meta: TableMeta,
    },
    TableRemove {
        keyspace: u32,
        level: u8,
        id: u64,
    },
    /// All writes to the keyspace up to `seq` are in tables.
    Flushed {
        keyspace: u32,
        seq: u64,
    },
    /// The log before this position is not needed.
    LogFloor {
        lsn: u64,
    },
    /// Files from this number on are unused.
    NextFile {
        number: u64,
    },
    /// Sequence numbers up to this one are used.
    LastSeq {
        seq: u64,
    },
}

const KEYSPACE_ADD: u8 = 1;
const KEYSPACE_DROP: u8 = 2;
/// As it was until tails and loaded tables came: still read, not written any more.
const TABLE_ADD_PLAIN: u8 = 3;
const TABLE_REMOVE: u8 = 4;
const FLUSHED: u8 = 5;
const LOG_FLOOR: u8 = 6;
const NEXT_FILE: u8 = 7;
const LAST_SEQ: u8 = 8;
const TABLE_ADD: u8 = 9;

/// Flag of a table: [`TableMeta::is_loaded`].
const FLAG_LOADED: u8 = 1;
/// In place of a salt: the table is older than this field.
const SALT_UNKNOWN: u64 = 0;

fn put_u16(out: &mut Vec<u8>, n: u16) {
    out.extend_from_slice(&n.to_le_bytes());
}

fn put_u32(out: &mut Vec<u8>, n: u32) {
    out.extend_from_slice(&n.to_le_bytes());
}

fn put_u64(out: &mut Vec<u8>, n: u64) {
    out.write_u64::<LittleEndian>(n).expect("writing to memory");
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u16(out, u16::try_from(bytes.len()).expect("keys and names are bounded"));
    out.extend_from_slice(bytes);
}

impl Edit {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Edit::KeyspaceAdd { keyspace, name } => {
                out.push(KEYSPACE_ADD);
                put_u32(out, *keyspace);
                put_bytes(out, name.as_bytes());
            }
            Edit::KeyspaceDrop { keyspace } => {
                out.push(KEYSPACE_DROP);
                put_u32(out, *keyspace);
            }
            Edit::TableAdd { keyspace, level, meta } => {
                out.push(TABLE_ADD);
                put_u32(out, *keyspace);
                out.push(*level);
                let TableMeta { id, bytes, tail_bytes, salt, entries, tombstones, seq_min, seq_max, .. } =
                    *meta;
                let salt = salt.unwrap_or(SALT_UNKNOWN);
                for n in [id, bytes, tail_bytes, salt, entries, tombstones, seq_min, seq_max] {
                    put_u64(out, n);
                }
                out.push(if meta.is_loaded { FLAG_LOADED } else { 0 });
                put_bytes(out, &meta.smallest);
                put_bytes(out, &meta.largest);
            }
            Edit::TableRemove { keyspace, level, id } => {
                out.push(TABLE_REMOVE);
                put_u32(out, *keyspace);
                out.push(*level);
                put_u64(out, *id);
            }
            Edit::Flushed { keyspace, seq } => {
                out.push(FLUSHED);
                put_u32(out, *keyspace);
                put_u64(out, *seq);
            }
            Edit::LogFloor { lsn } => {
                out.push(LOG_FLOOR);
                put_u64(out, *lsn);
            }
            Edit::NextFile { number } => {
                out.push(NEXT_FILE);
                put_u64(out, *number);
            }
            Edit::LastSeq { seq } => {
                out.push(LAST_SEQ);
                put_u64(out, *seq);
            }
        }
    }
}

/// Reads the edits of a record. The record's checksum was right, so bytes that do not parse are from a newer version.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<Edit>, String> {
    let mut edits = Vec::new();
    let mut rest = Fields(bytes);
    while !rest.0.is_empty() {
        edits.push(rest.edit().ok_or_else(|| {
            format!("edit {} does not parse; it may be of a newer version of Ringwood", edits.len())
        })?);
    }
    Ok(edits)
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|b| b[0])
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = u16::from_le_bytes(self.take(2)?.try_into().ok()?);
        self.take(len as usize)
    }

    fn level(&mut self) -> Option<u8> {
        self.u8().filter(|&l| (l as usize) < LEVELS)
    }

    fn table(&mut self, is_plain: bool) -> Option<TableMeta> {
        Some(TableMeta {
            id: self.u64()?,
            bytes: self.u64()?,
            tail_bytes: if is_plain { 0 } else { self.u64()? },
            salt: if is_plain { None } else { Some(self.u64()?).filter(|&salt| salt != SALT_UNKNOWN) },
            entries: self.u64()?,
            tombstones: self.u64()?,
            seq_min: self.u64()?,
            seq_max: self.u64()?,
            is_loaded: !is_plain && self.flags()?,
            smallest: self.bytes()?.into(),
            largest: self.bytes()?.into(),
        })
    }

    /// The flags of a table; none but the one is known.
    fn flags(&mut self) -> Option<bool> {
        self.u8().filter(|flags| flags & !FLAG_LOADED == 0).map(|flags| flags & FLAG_LOADED != 0)
    }

    fn edit(&mut self) -> Option<Edit> {
        Some(match self.u8()? {
            KEYSPACE_ADD => Edit::KeyspaceAdd {
                keyspace: self.u32()?,
                name: String::from_utf8(self.bytes()?.to_vec()).ok()?,
            },
            KEYSPACE_DROP => Edit::KeyspaceDrop { keyspace: self.u32()? },
            tag @ (TABLE_ADD_PLAIN | TABLE_ADD) => Edit::TableAdd {
                keyspace: self.u32()?,
                level: self.level()?,
                meta: self.table(tag == TABLE_ADD_PLAIN)?,
            },
            TABLE_REMOVE => {
                Edit::TableRemove { keyspace: self.u32()?, level: self.level()?, id: self.u64()? }
            }
            FLUSHED => Edit::Flushed { keyspace: self.u32()?, seq: self.u64()? },
            LOG_FLOOR => Edit::LogFloor { lsn: self.u64()? },
            NEXT_FILE => Edit::NextFile { number: self.u64()? },
            LAST_SEQ => Edit::LastSeq { seq: self.u64()? },
            _ => return None,
        })
    }
}

/// All edits so far, added up: what a manifest says the store is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) keyspaces: BTreeMap<u32, KeyspaceState>,
    pub(crate) log_floor: u64,
    pub(crate) next_file: u64,
    pub(crate) last_seq: u64,
    /// Numbers of keyspaces are never used twice, or old log records would go to the wrong one.
    pub(crate) next_keyspace: u32,
}

/// What a manifest says of one keyspace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KeyspaceState {
    pub(crate) name: String,
    pub(crate) flushed_seq: u64,
    pub(crate) levels: [Vec<TableMeta>; LEVELS],
}

impl State {
    /// Applies one edit. An edit that does not fit (an unknown keyspace, a table that is not there) says so.
    pub(crate) fn apply(&mut self, edit: &Edit) -> Result<(), String> {
        match edit {
            Edit::KeyspaceAdd { keyspace, name } => {
                let fresh = KeyspaceState { name: name.clone(), ..KeyspaceState::default() };
                if self.keyspaces.insert(*keyspace, fresh).is_some() {
                    return Err(format!("keyspace {keyspace} is added twice"));
                }
                self.next_keyspace = self.next_keyspace.max(keyspace.saturating_add(1));
            }
            Edit::KeyspaceDrop { keyspace } => {
                self.keyspaces
                    .remove(keyspace)
                    .ok_or_else(|| format!("unknown keyspace {keyspace} is dropped"))?;
            }
            Edit::TableAdd { keyspace, level, meta } => {
                self.keyspace(*keyspace)?.levels[*level as usize].push(meta.clone());
                self.next_file = self.next_file.max(meta.id.saturating_add(1));
            }
            Edit::TableRemove { keyspace, level, id } => {
                let tables = &mut self.keyspace(*keyspace)?.levels[*level as usize];
                let at = tables.iter().position(|t| t.id == *id);
                let at =
                    at.ok_or_else(|| format!("table {id} is removed from level {level}, where it is not"))?;
                tables.remove(at);
            }
            Edit::Flushed { keyspace, seq } => {
                let flushed = &mut self.keyspace(*keyspace)?.flushed_seq;
                *flushed = (*flushed).max(*seq);
            }
            Edit::LogFloor { lsn } => self.log_floor = self.log_floor.max(*lsn),
            Edit::NextFile { number } => self.next_file = self.next_file.max(*number),
            Edit::LastSeq { seq } => self.last_seq = self.last_seq.max(*seq),
        }
        Ok(())
    }

    fn keyspace(&mut self, id: u32) -> Result<&mut KeyspaceState, String> {
        self.keyspaces.get_mut(&id).ok_or_else(|| format!("an edit names unknown keyspace {id}"))
    }

    /// The edits that lead from nothing to this state.
    pub(crate) fn to_edits(&self) -> Vec<Edit> {
        let mut edits = vec![
            Edit::LogFloor { lsn: self.log_floor },
            Edit::NextFile { number: self.next_file },
            Edit::LastSeq { seq: self.last_seq },
        ];
        for (&keyspace, state) in &self.keyspaces {
            edits.push(Edit::KeyspaceAdd { keyspace, name: state.name.clone() });
            edits.push(Edit::Flushed { keyspace, seq: state.flushed_seq });
            for (level, tables) in state.levels.iter().enumerate() {
                let add =
                    |meta: &TableMeta| Edit::TableAdd { keyspace, level: level as u8, meta: meta.clone() };
                edits.extend(tables.iter().map(add));
            }
        }
        // A dropped keyspace's number must not come back.
        if let Some(last) =
            self.next_keyspace.checked_sub(1).filter(|last| !self.keyspaces.contains_key(last))
        {
            edits.push(Edit::KeyspaceAdd { keyspace: last, name: String::new() });
            edits.push(Edit::KeyspaceDrop { keyspace: last });
        }
        edits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(id: u64) -> TableMeta {
        let (smallest, largest) = (b"a".as_slice().into(), b"zz".as_slice().into());
        TableMeta {
            id,
            bytes: 4096 * id,
            tail_bytes: 4096,
            salt: (id != 5).then_some(77),
            entries: 10,
            tombstones: 1,
            seq_min: 5,
            seq_max: 50,
            is_loaded: id == 5,
            smallest,
            largest,
        }
    }

    fn all_kinds() -> Vec<Edit> {
        vec![
            Edit::KeyspaceAdd { keyspace: 0, name: "default".into() },
            Edit::KeyspaceAdd { keyspace: 1, name: "users".into() },
            Edit::TableAdd { keyspace: 1, level: 0, meta: meta(4) },
            Edit::TableAdd { keyspace: 1, level: 6, meta: meta(5) },
            Edit::TableRemove { keyspace: 1, level: 0, id: 4 },
            Edit::Flushed { keyspace: 1, seq: 50 },
            Edit::LogFloor { lsn: 1 << 40 },
            Edit::NextFile { number: 9 },
            Edit::LastSeq { seq: 77 },
            Edit::KeyspaceAdd { keyspace: 2, name: "gone".into() },
            Edit::KeyspaceDrop { keyspace: 2 },
        ]
    }

    #[test]
    fn edits_read_back_and_every_cut_is_an_error_or_a_prefix() {
        let mut bytes = Vec::new();
        let edits = all_kinds();
        edits.iter().for_each(|e| e.encode(&mut bytes));
        assert_eq!(decode(&bytes).unwrap(), edits);
        for cut in 0..bytes.len() {
            if let Ok(prefix) = decode(&bytes[..cut]) {
                assert_eq!(prefix, edits[..prefix.len()]);
            }
        }
        assert!(decode(&[200]).unwrap_err().contains("newer version"));
    }

    /// What stores of the first versions hold is read as before.
    #[test]
    fn tables_without_tail_and_flags_are_read() {
        let mut bytes = vec![TABLE_ADD_PLAIN];
        put_u32(&mut bytes, 1);
        bytes.push(6);
        (1..=6).for_each(|n| put_u64(&mut bytes, n));
        put_bytes(&mut bytes, b"a");
        put_bytes(&mut bytes, b"b");
        let edits = decode(&bytes).unwrap();
        let [Edit::TableAdd { keyspace: 1, level: 6, meta }] = &edits[..] else { panic!("{edits:?}") };
        assert_eq!((meta.id, meta.bytes, meta.entries, meta.tombstones), (1, 2, 3, 4));
        assert_eq!((meta.seq_min, meta.seq_max, meta.tail_bytes, meta.assigned_seq()), (5, 6, 0, None));
        assert_eq!(meta.salt, None);
        assert_eq!((&*meta.smallest, &*meta.largest), (&b"a"[..], &b"b"[..]));
    }

    #[test]
    fn an_unknown_flag_of_a_table_is_of_a_newer_version() {
        let mut bytes = Vec::new();
        Edit::TableAdd { keyspace: 1, level: 0, meta: meta(5) }.encode(&mut bytes);
        let at = bytes.len() - (2 + 1) - (2 + 2) - 1;
        assert_eq!(bytes[at], FLAG_LOADED);
        bytes[at] = 2;
        assert!(decode(&bytes).unwrap_err().contains("newer version"));
    }

    #[test]
    fn a_state_is_rebuilt_from_its_own_edits() {
        let mut state = State::default();
        for edit in all_kinds() {
            state.apply(&edit).unwrap();
        }
        let mut again = State::default();
        for edit in state.to_edits() {
            again.apply(&edit).unwrap();
        }
        assert_eq!(again, state);
        assert_eq!(again.next_keyspace, 3, "the number of a dropped keyspace is not used again");
    }

    #[test]
    fn edits_that_do_not_fit_are_refused() {
        let mut state = State::default();
        assert!(state.apply(&Edit::TableRemove { keyspace: 0, level: 0, id: 1 }).is_err());
        state.apply(&Edit::KeyspaceAdd { keyspace: 0, name: "default".into() }).unwrap();
        assert!(state.apply(&Edit::TableRemove { keyspace: 0, level: 0, id: 1 }).is_err());
        assert!(state.apply(&Edit::KeyspaceAdd { keyspace: 0, name: "again".into() }).is_err());
    }
}
