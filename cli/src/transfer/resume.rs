//! How far a load has come, kept in the store, so that one that was stopped can go on.
//!
//! A load that is not all or nothing writes a record of its progress with everything that it puts in: in the same batch, or as part of the same bulk load. So the
//! record and the entries that it tells of are there together or not at all, whenever the process is killed or the power fails, and an entry is never
//! put in twice. Records lie in a keyspace of their own, [`LOADS`], which is dropped with the last of them when its load is complete.

use ringwood::{Db, Durability, Loader, WriteBatch};
use serde_json::{Value, json};

use crate::failure::{Failure, Result};
use crate::open::LOADS;

/// A place in an input, between two records, and a checksum of all before it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) bytes: u64,
    pub(super) crc: u32,
}

impl Mark {
    /// The place behind these bytes.
    pub(super) fn after(self, bytes: &[u8]) -> Self {
        let mut hasher = crc32fast::Hasher::new_with_initial(self.crc);
        hasher.update(bytes);
        Self { bytes: self.bytes + bytes.len() as u64, crc: hasher.finalize() }
    }
}

/// What of an input is in the store.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Progress {
    /// All of the input before this.
    pub(super) end: Mark,
    pub(super) entries: u64,
    /// Lines that were left out.
    pub(super) skipped: u64,
}

/// Passes over what an earlier run has loaded.
#[derive(Debug)]
pub(super) struct Skip(Option<Mark>);

impl Skip {
    pub(super) fn to(mark: Mark) -> Self {
        Self(Some(mark).filter(|mark| mark.bytes > 0))
    }

    /// Whether what ends here was loaded before.
    ///
    /// # Errors
    /// A sentence, if it is not the input that was.
    pub(super) fn passes(&mut self, end: Mark) -> Result<bool, String> {
        match self.0 {
            None => Ok(false),
            Some(mark) if end.bytes < mark.bytes => Ok(true),
            Some(mark) if end == mark => {
                self.0 = None;
                Ok(true)
            }
            Some(mark) => Err(changed(mark)),
        }
    }

    /// The input has ended.
    ///
    /// # Errors
    /// A sentence, if that is before what was loaded.
    pub(super) fn end(&self) -> Result<(), String> {
        self.0.map_or(Ok(()), |mark| Err(changed(mark)))
    }
}

fn changed(mark: Mark) -> String {
    format!(
        "--resume: the input has changed: its first {} bytes are not those that were loaded. Give that input, or load without --resume, from the beginning",
        mark.bytes
    )
}

/// Where a load's record is kept.
pub(super) struct Record<'a> {
    db: &'a Db,
    key: String,
    /// How the input is read; only a load that reads it alike can go on.
    how: String,
    is_there: bool,
}

impl<'a> Record<'a> {
    /// `keyspace` is `None` for a dump, which names its own.
    pub(super) fn new(db: &'a Db, keyspace: Option<&str>, how: String) -> Self {
        let key = keyspace.map_or_else(|| "dump".to_owned(), |name| format!("keyspace {name}"));
        Self { db, key, how, is_there: false }
    }

    /// What an earlier run has left, if it was stopped.
    ///
    /// # Errors
    /// If it was read in another way, or by a newer version.
    pub(super) fn find(&mut self) -> Result<Option<Progress>> {
        if !self.db.keyspaces().iter().any(|name| name == LOADS) {
            return Ok(None);
        }
        let Some(bytes) = self.db.keyspace(LOADS)?.get(&self.key)? else { return Ok(None) };
        self.is_there = true;
        let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let progress = decode(&value).ok_or_else(|| {
            Failure::store(
                "--resume: the record of the load that was stopped is of a newer version of Ringwood",
            )
        })?;
        match value["how"].as_str() {
            Some(how) if how == self.how => Ok(Some(progress)),
            how => Err(Failure::Usage(format!(
                "--resume: the load that was stopped read its input as {}, and this one would as {}. Give the same options, or load without --resume, from the beginning",
                how.unwrap_or_default(),
                self.how
            ))),
        }
    }

    /// Puts the record into a batch.
    pub(super) fn in_batch(&mut self, batch: &mut WriteBatch, progress: &Progress) -> Result<()> {
        self.is_there = true;
        Ok(batch.put_in(&self.db.keyspace(LOADS)?, &self.key, self.encode(progress))?)
    }

    /// Puts the record into a bulk load, as its last entry.
    pub(super) fn in_bulk(&mut self, bulk: &mut Loader, progress: &Progress) -> Result<()> {
        self.is_there = true;
        bulk.switch_to(&self.db.keyspace(LOADS)?)?;
        Ok(bulk.put(&self.key, self.encode(progress))?)
    }

    /// Whether this run has found or left a record.
    pub(super) fn is_there(&self) -> bool {
        self.is_there
    }

    /// The load is complete: removes the record, of whichever run it is. Durable when it returns.
    pub(super) fn forget(&mut self) -> Result<()> {
        if !self.db.keyspaces().iter().any(|name| name == LOADS) {
            return Ok(());
        }
        self.is_there = false;
        let keyspace = self.db.keyspace(LOADS)?;
        let is_other = |entry: ringwood::Result<(ringwood::Key, _)>| {
            entry.is_ok_and(|(key, _)| *key != *self.key.as_bytes())
        };
        if keyspace.iter()?.any(is_other) {
            return Ok(keyspace.delete_with(&self.key, Durability::Synced)?);
        }
        Ok(self.db.drop_keyspace(LOADS)?)
    }

    fn encode(&self, progress: &Progress) -> String {
        let Progress { end, entries, skipped } = progress;
        json!({
            "version": 1, "how": self.how, "bytes": end.bytes, "crc": end.crc, "entries": entries, "skipped": skipped,
        })
        .to_string()
    }
}

fn decode(value: &Value) -> Option<Progress> {
    let field = |name: &str| value[name].as_u64();
    let end = Mark { bytes: field("bytes")?, crc: u32::try_from(field("crc")?).ok()? };
    let progress = Progress { end, entries: field("entries")?, skipped: field("skipped")? };
    (value["version"] == 1).then_some(progress)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_loaded_is_passed_over_and_only_that() {
        let pieces: [&[u8]; 3] = [b"a\n", b"b\n", b"c\n"];
        let marks = |pieces: &[&[u8]]| {
            pieces
                .iter()
                .scan(Mark::default(), |at, piece| {
                    *at = at.after(piece);
                    Some(*at)
                })
                .collect::<Vec<_>>()
        };
        let all = marks(&pieces);
        let passes = |to: Mark, pieces: &[&[u8]]| {
            let mut skip = Skip::to(to);
            let passed: Result<Vec<bool>, String> =
                marks(pieces).into_iter().map(|end| skip.passes(end)).collect();
            passed.and_then(|passed| skip.end().map(|()| passed))
        };
        assert_eq!(passes(Mark::default(), &pieces), Ok(vec![false; 3]), "nothing was loaded");
        assert_eq!(passes(all[1], &pieces), Ok(vec![true, true, false]));
        assert_eq!(passes(all[2], &pieces), Ok(vec![true; 3]));
        for other in [&[&b"a\n"[..], b"B\n", b"c\n"][..], &[b"a\n", b"b\nb\n", b"c\n"], &[b"a\n"], &[]] {
            assert!(passes(all[1], other).unwrap_err().contains("its first 4 bytes"), "{other:?}");
        }
        assert_eq!(
            passes(all[1], &[b"a\n", b"b\n", b"changed\n"]),
            Ok(vec![true, true, false]),
            "what comes later may"
        );
    }
}
