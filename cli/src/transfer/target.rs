//! Entries on their way into the store: in bulk where they are in order, else in batches.
//!
//! A bulk load writes each entry once, straight into tables, and takes effect as a whole. It is begun with a piece of input that is in ascending order, and
//! goes on until a key is not above the one before it. Then what it has takes effect, and the rest goes on in batches; so an entry that comes later in the input always
//! wins. After each such end the next bulk load wants twice as many pieces in order before it is begun: input that is in no order soon is left alone, and one that is
//! in order but for a few places goes in bulk but for a few pieces.

use clap::ValueEnum;
use ringwood::{Db, Durability, Keyspace, Loader, WriteBatch};

use super::parsed::{Complaint, Parsed};
use super::piece::Place;
use crate::escape::escape;
use crate::failure::{Failure, Result};

/// Bytes of a key that a complaint shows.
const KEY_SHOWN: usize = 60;

/// Whether input is taken to be in ascending order of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sorted {
    Auto,
    Yes,
    No,
}

/// What has come into the store.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Loaded {
    /// Entries of bulk loads that took effect.
    pub(super) bulk: u64,
    /// Entries of batches.
    pub(super) batched: u64,
    /// Why not all went in bulk: the first key that is not above the one before it.
    pub(super) first_unsorted: Option<String>,
}

impl Loaded {
    pub(super) fn entries(&self) -> u64 {
        self.bulk + self.batched
    }
}

/// See the module documentation.
pub(super) struct Target<'a> {
    db: &'a Db,
    keyspace: Keyspace,
    sorted: Sorted,
    /// Whether an entry that is out of order is left out, where order is demanded.
    skip: bool,
    bulk: Option<Loader>,
    /// The key before, if there is one.
    last_key: Vec<u8>,
    /// Pieces in order, one behind the other, up to here.
    ordered: u32,
    /// So many must have gone by before a bulk load is begun.
    wanted: u32,
    pub(super) loaded: Loaded,
    pub(super) complaints: Vec<Complaint>,
}

impl<'a> Target<'a> {
    pub(super) fn new(db: &'a Db, keyspace: &str, sorted: Sorted, skip: bool) -> Result<Self> {
        Ok(Self {
            db,
            keyspace: db.keyspace(keyspace)?,
            sorted,
            skip,
            bulk: None,
            last_key: Vec::new(),
            ordered: 0,
            wanted: 0,
            loaded: Loaded::default(),
            complaints: Vec::new(),
        })
    }

    /// What follows goes to this keyspace, which is made if it is not there. A bulk load takes effect.
    pub(super) fn keyspace(&mut self, name: &str) -> Result<()> {
        self.finish()?;
        self.keyspace = self.db.keyspace(name)?;
        self.last_key.clear();
        (self.ordered, self.wanted) = (0, 0);
        Ok(())
    }

    /// Takes the next entries of the input.
    ///
    /// # Errors
    /// If the store fails, or, where order is demanded, an entry is out of it.
    pub(super) fn take(&mut self, parsed: &Parsed) -> Result<()> {
        if parsed.len() == 0 {
            return Ok(());
        }
        if self.is_bulk(parsed) {
            self.in_bulk(parsed)?;
        } else {
            if self.sorted == Sorted::Auto && self.loaded.first_unsorted.is_none() {
                self.loaded.first_unsorted = first_unsorted(parsed);
            }
            self.in_batch(parsed.entries())?;
        }
        self.last_key.clear();
        self.last_key.extend_from_slice(parsed.last_key());
        Ok(())
    }

    /// Whether these entries go in bulk, at least their first.
    fn is_bulk(&mut self, parsed: &Parsed) -> bool {
        let continues = parsed.entries().next().is_some_and(|(_, key, _)| key > &self.last_key[..]);
        self.ordered = match parsed.is_ascending() {
            true if continues => self.ordered + 1,
            true => 1,
            false => 0,
        };
        match self.sorted {
            Sorted::Yes => true,
            Sorted::No => false,
            Sorted::Auto => self.bulk.is_some() || self.ordered > self.wanted,
        }
    }

    fn in_bulk(&mut self, parsed: &Parsed) -> Result<()> {
        let before = self.bulk.is_some().then(|| self.last_key.clone());
        let mut last = before.as_deref();
        let mut bulk = match self.bulk.take() {
            Some(bulk) => bulk,
            None => self.keyspace.loader()?,
        };
        let mut entries = parsed.entries();
        while let Some((place, key, value)) = entries.next() {
            match last.filter(|last| key <= *last) {
                None => {
                    bulk.put(key, value)?;
                    last = Some(key);
                }
                Some(last) if self.sorted == Sorted::Yes => self.refuse(place, key, last)?,
                Some(last) => {
                    self.loaded.first_unsorted.get_or_insert_with(|| told(place, key, last));
                    self.bulk = Some(bulk);
                    self.finish()?;
                    self.wanted = (2 * self.wanted).max(1);
                    return self.in_batch(std::iter::once((place, key, value)).chain(entries));
                }
            }
        }
        self.bulk = Some(bulk);
        Ok(())
    }

    /// An entry is out of order where order is demanded.
    fn refuse(&mut self, place: Option<Place>, key: &[u8], last: &[u8]) -> Result<()> {
        match place {
            Some(place) if self.skip => self.complaints.push(Complaint { place, what: unsorted(key, last) }),
            _ => return Err(Failure::Store(told(place, key, last))),
        }
        Ok(())
    }

    /// Writes entries without the log, since the load ends with a flush and may be done again.
    fn in_batch<'e>(
        &mut self,
        entries: impl Iterator<Item = (Option<Place>, &'e [u8], &'e [u8])>,
    ) -> Result<()> {
        let mut batch = WriteBatch::new();
        for (_, key, value) in entries {
            batch.put_in(&self.keyspace, key, value)?;
        }
        self.db.write(&batch, Durability::None)?;
        self.loaded.batched += batch.len() as u64;
        Ok(())
    }

    /// Gives up what is loaded in bulk and not there yet, and tells what is.
    pub(super) fn end(self) -> Loaded {
        self.loaded
    }

    /// Puts in place what is loaded in bulk and not there yet.
    pub(super) fn finish(&mut self) -> Result<()> {
        if let Some(bulk) = self.bulk.take() {
            let entries = bulk.len();
            bulk.finish()?;
            self.loaded.bulk += entries;
        }
        Ok(())
    }
}

/// The first key of a piece that is out of order, told.
fn first_unsorted(parsed: &Parsed) -> Option<String> {
    let mut last: &[u8] = &[];
    parsed.entries().find_map(|(place, key, _)| {
        let last = std::mem::replace(&mut last, key);
        (key <= last).then(|| told(place, key, last))
    })
}

fn told(place: Option<Place>, key: &[u8], last: &[u8]) -> String {
    let what = unsorted(key, last);
    match place {
        Some(place) => Complaint { place, what }.to_string(),
        None => what,
    }
}

fn unsorted(key: &[u8], last: &[u8]) -> String {
    let [shown, before] = [key, last].map(|key| match key.get(..KEY_SHOWN) {
        Some(start) => escape(start) + "…",
        None => escape(key),
    });
    let how = if key == last { "is the same as" } else { "is not above" };
    format!("the key {shown} {how} the one before it, {before}")
}
