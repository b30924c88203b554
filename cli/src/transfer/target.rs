//! Entries on their way into the store: in bulk where they are in order, else in batches.
//!
//! A bulk load writes each entry once, straight into tables, and takes effect as a whole, in all keyspaces that it comes to. It is begun with a piece of input that is in
//! ascending order, and goes on up to a piece that is not, or whose keys are not above those before. Then what it has takes effect, and that piece goes in a batch; so an
//! entry that comes later in the input always wins. After each such end the next bulk load wants twice as many pieces in order before it is begun: input that is in no order
//! soon is left alone, and one that is in order but for a few places goes in bulk but for a few pieces.
//!
//! What takes effect before the end of the input does so with a [record](super::resume) of how far it came. Batches are in the log for that: without it, a crash could
//! leave the entries and not the record, or the record and not the entries.

use clap::ValueEnum;
use ringwood::{Db, Durability, Keyspace, Loader, WriteBatch};

use super::parsed::{Complaint, Parsed};
use super::piece::Place;
use super::resume::{Mark, Progress, Record};
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
    /// Entries of the run before, which was stopped.
    pub(super) resumed: u64,
    /// Lines that were left out, in that run too.
    pub(super) skipped: u64,
    /// Whether the store knows how far it came.
    pub(super) is_recorded: bool,
    /// Why not all went in bulk: the first key that is not above the one before it.
    pub(super) first_unsorted: Option<String>,
}

impl Loaded {
    /// Entries of this run.
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
    record: Record<'a>,
    /// Up to here the input was taken.
    end: Mark,
    loaded: Loaded,
    pub(super) complaints: Vec<Complaint>,
}

impl<'a> Target<'a> {
    /// Goes on behind `before`, which is nothing for a load from the beginning.
    pub(super) fn new(
        db: &'a Db,
        keyspace: &str,
        sorted: Sorted,
        skip: bool,
        record: Record<'a>,
        before: &Progress,
    ) -> Result<Self> {
        let &Progress { end, entries: resumed, skipped } = before;
        Ok(Self {
            db,
            keyspace: db.keyspace(keyspace)?,
            sorted,
            skip,
            bulk: None,
            last_key: Vec::new(),
            ordered: 0,
            wanted: 0,
            record,
            end,
            loaded: Loaded { resumed, skipped, ..Loaded::default() },
            complaints: Vec::new(),
        })
    }

    /// What follows goes to this keyspace, which is made if it is not there. A bulk load goes on in it.
    pub(super) fn keyspace(&mut self, name: &str) -> Result<()> {
        crate::open::check_name(name).map_err(Failure::Store)?;
        self.keyspace = self.db.keyspace(name)?;
        if let Some(bulk) = &mut self.bulk {
            bulk.switch_to(&self.keyspace).map_err(Failure::of_store)?;
        }
        self.last_key.clear();
        (self.ordered, self.wanted) = (0, 0);
        Ok(())
    }

    /// Takes the next entries of the input, which come before `end`.
    ///
    /// # Errors
    /// If the store fails, or, where order is demanded, an entry is out of it.
    pub(super) fn take(&mut self, parsed: &Parsed, end: Mark) -> Result<()> {
        let is_bulk = parsed.len() > 0 && self.is_bulk(parsed);
        let is_batch = parsed.len() > 0 && !is_bulk;
        if is_bulk {
            self.in_bulk(parsed)?;
        } else if is_batch {
            self.end_bulk()?;
            if self.sorted == Sorted::Auto && self.loaded.first_unsorted.is_none() {
                self.loaded.first_unsorted = first_unsorted(parsed, &self.last_key);
            }
        }
        self.end = end;
        self.loaded.skipped += (parsed.complaints.len() + self.complaints.len()) as u64;
        if is_batch { self.in_batch(parsed) } else { Ok(()) }
    }

    /// Whether these entries go in bulk.
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
            Sorted::Auto if self.bulk.is_some() => continues && parsed.is_ascending(),
            Sorted::Auto => self.ordered > self.wanted,
        }
    }

    fn in_bulk(&mut self, parsed: &Parsed) -> Result<()> {
        let before = std::mem::take(&mut self.last_key);
        let (mut bulk, mut last) = match self.bulk.take() {
            Some(bulk) => (bulk, &before[..]),
            None => (self.keyspace.loader()?, &[][..]),
        };
        for (place, key, value) in parsed.entries() {
            if key > last {
                bulk.put(key, value)?;
                last = key;
            } else {
                self.refuse(place, key, last)?;
            }
        }
        self.last_key = last.to_vec();
        self.bulk = Some(bulk);
        Ok(())
    }

    /// The order of keys ends a bulk load: what it has takes effect, and the next one is begun later.
    fn end_bulk(&mut self) -> Result<()> {
        if let Some(bulk) = self.bulk.take() {
            self.wanted = (2 * self.wanted).max(1);
            self.put_in_place(bulk, true)?;
        }
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

    /// Writes a piece, and how far the load has come with it.
    fn in_batch(&mut self, parsed: &Parsed) -> Result<()> {
        let mut batch = WriteBatch::new();
        for (_, key, value) in parsed.entries() {
            batch.put_in(&self.keyspace, key, value)?;
        }
        self.record.in_batch(&mut batch, &self.progress(parsed.len()))?;
        self.db.write(&batch, Durability::Buffered)?;
        self.loaded.batched += parsed.len();
        self.last_key.clear();
        self.last_key.extend_from_slice(parsed.last_key());
        Ok(())
    }

    /// Puts in place what is loaded in bulk, and, unless nobody will ask for it, how far the load has come with it.
    fn put_in_place(&mut self, mut bulk: Loader, is_recorded: bool) -> Result<()> {
        let entries = bulk.len();
        if is_recorded {
            self.record.in_bulk(&mut bulk, &self.progress(entries))?;
        }
        bulk.finish()?;
        self.loaded.bulk += entries;
        Ok(())
    }

    /// How far the load has come, if so many entries more take effect.
    fn progress(&self, more: u64) -> Progress {
        let Loaded { resumed, skipped, .. } = self.loaded;
        Progress { end: self.end, entries: resumed + self.loaded.entries() + more, skipped }
    }

    /// The input is at its end: puts in place what is loaded in bulk and not there yet. All is on the device when it returns, and no record is left.
    pub(super) fn finish(&mut self) -> Result<()> {
        if let Some(bulk) = self.bulk.take() {
            self.put_in_place(bulk, self.record.is_there())?;
        }
        self.db.flush()?;
        self.record.forget()
    }

    /// Gives up what is loaded in bulk and not there yet, and tells what is.
    pub(super) fn end(self) -> Loaded {
        Loaded { is_recorded: self.record.is_there(), ..self.loaded }
    }
}

/// The first key of a piece that is not above the one before it, told.
fn first_unsorted(parsed: &Parsed, before: &[u8]) -> Option<String> {
    let mut last = before;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::resume::Skip;

    fn piece(keys: &[&str]) -> Parsed {
        let mut parsed = Parsed::new(false);
        keys.iter().for_each(|key| parsed.put(Place::START, key.as_bytes(), b"value").unwrap());
        parsed
    }

    /// What the store holds, and what it knows of the load, if that is stopped here.
    fn left(db: &Db) -> (usize, Option<Progress>) {
        let mut record = Record::new(db, Some("default"), "lines".into());
        (db.iter().unwrap().count(), record.find().unwrap())
    }

    #[test]
    fn entries_and_the_record_of_them_take_effect_together() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(dir.path().join("db")).unwrap();
        let record = Record::new(&db, Some("default"), "lines".into());
        let mut target =
            Target::new(&db, "default", Sorted::Auto, false, record, &Progress::default()).unwrap();
        let marks = [1, 2, 3, 4].map(|bytes| Mark { bytes, crc: 7 });
        target.take(&piece(&["a", "b"]), marks[0]).unwrap();
        target.take(&piece(&["c"]), marks[1]).unwrap();
        assert_eq!(left(&db), (0, None), "a bulk load is under way");
        target.end_bulk().unwrap();
        assert_eq!(left(&db), (3, Some(Progress { end: marks[1], entries: 3, skipped: 0 })));
        target.take(&piece(&["a", "0"]), marks[2]).unwrap();
        assert_eq!(left(&db), (4, Some(Progress { end: marks[2], entries: 5, skipped: 0 })));
        // Another run goes on, and its last bulk load is recorded too, until all is done.
        drop(target);
        let mut record = Record::new(&db, Some("default"), "lines".into());
        let before = record.find().unwrap().unwrap();
        assert_eq!(Skip::to(before.end).passes(marks[2]), Ok(true));
        let mut target = Target::new(&db, "default", Sorted::Auto, false, record, &before).unwrap();
        target.take(&piece(&["d", "e"]), marks[3]).unwrap();
        assert_eq!(left(&db).0, 4);
        target.finish().unwrap();
        assert_eq!((left(&db), db.keyspaces().len()), ((6, None), 1));
        assert_eq!(target.end(), Loaded { bulk: 2, resumed: 5, ..Loaded::default() });
    }
}
