//! Writes, and what else changes the store.

use ringwood::{Durability, ErrorKind, Result, WriteBatch};

use super::mode::Mode;
use super::run::{Run, Space};
use crate::reference::{Bytes, Change, DEFAULT, SpaceId};

/// Keys that are kept to be met again.
const KEYS_KEPT: usize = 3000;

impl Run {
    pub(super) fn write(&mut self) {
        let durability = match self.rng.below(10) {
            0..=2 => Durability::Synced,
            3..=8 => Durability::Buffered,
            _ => Durability::None,
        };
        match self.rng.below(10) {
            0..=4 => self.put_or_delete(durability),
            5..=8 => {
                let count = self.rng.within(1..=12);
                self.batch(durability, count);
            }
            _ => {
                let count = self.rng.within(20..=80);
                self.batch(durability, count);
            }
        }
    }

    fn change(&mut self) -> Change {
        let space = self.spaces[self.rng.index(self.spaces.len())].id;
        let key = self.some_key();
        self.tag += 1;
        let value = (!self.rng.one_in(5)).then(|| self.shape.value(&mut self.rng, self.tag));
        self.remember_key(&key);
        Change { space, key, value }
    }

    /// Keeps a key, to be met again.
    pub(crate) fn remember_key(&mut self, key: &Bytes) {
        if self.keys.len() < KEYS_KEPT {
            self.keys.push(key.clone());
        } else {
            let i = self.rng.index(KEYS_KEPT);
            self.keys[i].clone_from(key);
        }
    }

    fn space(&self, id: SpaceId) -> &Space {
        self.spaces.iter().find(|s| s.id == id).expect("it is open")
    }

    fn put_or_delete(&mut self, durability: Durability) {
        let change = self.change();
        let (db, handle) = (self.db().clone(), self.space(change.space).handle.clone());
        let through_db = change.space == DEFAULT && self.rng.one_in(2);
        let changes = [change];
        let [Change { key, value, .. }] = &changes;
        self.commit(durability, &changes, || match (value, through_db) {
            (Some(value), true) => db.put_with(key, value, durability),
            (Some(value), false) => handle.put_with(key, value, durability),
            (None, true) => db.delete_with(key, durability),
            (None, false) => handle.delete_with(key, durability),
        });
    }

    fn batch(&mut self, durability: Durability, count: u64) {
        let changes: Vec<Change> = (0..count).map(|_| self.change()).collect();
        let mut batch = WriteBatch::new();
        for Change { space, key, value } in &changes {
            let handle = &self.space(*space).handle;
            let added = match value {
                Some(value) if *space == DEFAULT => batch.put(key, value),
                Some(value) => batch.put_in(handle, key, value),
                None if *space == DEFAULT => batch.delete(key),
                None => batch.delete_in(handle, key),
            };
            added.expect("keys and values are within their limits");
        }
        assert_eq!(batch.len(), changes.len());
        let db = self.db().clone();
        self.commit(durability, &changes, || db.write(&batch, durability));
    }

    pub(crate) fn commit(
        &mut self,
        durability: Durability,
        changes: &[Change],
        call: impl FnOnce() -> Result<()>,
    ) {
        let commit = self.reference.write(durability, changes);
        let bytes: usize = changes.iter().map(|c| c.key.len() + c.value.as_ref().map_or(0, Vec::len)).sum();
        let result = call();
        self.note(format!(
            "write {durability:?}: {} operations, {bytes} bytes: {}",
            changes.len(),
            outcome(&result)
        ));
        match result {
            // A process that is dead when the call returns has told nobody.
            Ok(()) if !self.disk.is_dead() => self.reference.acknowledge(commit),
            Err(error) if !self.disk.is_dead() => {
                self.expect_failure("write", &error);
                if self.mode.damages() {
                    // What it did may be past reading.
                    return self.abandon();
                }
                self.resolve(commit, changes, error.kind());
            }
            _ => {}
        }
    }

    /// A failed write may have taken effect, but then all of it; one for which there was no room or descriptor has not.
    pub(super) fn resolve(&mut self, commit: u64, changes: &[Change], kind: ErrorKind) {
        let is_new = |run: &mut Run, change: &Change| {
            let old = run.reference.get(change.space, &change.key, commit - 1).cloned();
            let new = run.reference.get(change.space, &change.key, commit).cloned();
            if old == new {
                return None;
            }
            let got = run.get_surely(change.space, &change.key)?;
            assert!(got == old || got == new, "a failed write left a third value");
            Some(got == new)
        };
        let verdicts: Vec<bool> = changes.iter().filter_map(|c| is_new(self, c)).collect();
        assert!(
            verdicts.windows(2).all(|w| w[0] == w[1]),
            "a failed write took effect in parts: {verdicts:?}"
        );
        self.note(format!("the failed write is visible: {:?}", verdicts.first()));
        // If it would change nothing, nobody can tell now. But it may decide after a crash that takes a write without a log before it.
        let was_refused = verdicts.is_empty() && matches!(kind, ErrorKind::Full | ErrorKind::Exhausted);
        if was_refused || verdicts.first() == Some(&false) {
            self.reference.unwrite();
        }
    }

    /// The value of a key, tried again while the disk fails reads; `None` if the process died.
    fn get_surely(&mut self, space: SpaceId, key: &Bytes) -> Option<Option<Bytes>> {
        for attempt in 0..100 {
            if attempt == 20 && self.mode == Mode::Exact {
                self.lift_faults(); // Reads fail for good.
            }
            let result = self.space(space).handle.get(key);
            if let Some(got) = self.settle("get", result) {
                return Some(got.map(|v| v.to_vec()));
            }
            if self.disk.is_dead() {
                return None;
            }
        }
        panic!("a hundred reads failed");
    }

    pub(super) fn flush(&mut self) {
        let result = self.db().flush();
        self.note(format!("flush: {}", outcome(&result)));
        if self.settle("flush", result).is_some() && !self.disk.is_dead() {
            self.reference.flushed();
        }
    }

    pub(super) fn compact(&mut self) {
        let space = self.spaces[self.rng.index(self.spaces.len())].clone();
        let whole = self.rng.one_in(3);
        let result = if whole { self.db().compact() } else { space.handle.compact() };
        self.note(format!("compact: {}", outcome(&result)));
        if self.settle("compact", result).is_none() || self.disk.is_dead() {
            return;
        }
        self.reference.flushed();
        for keyspace in self.db().stats().keyspaces {
            if whole || keyspace.name == space.handle.name() {
                let above: usize = keyspace.levels.iter().rev().skip(1).map(|l| l.tables).sum();
                assert_eq!(
                    above, 0,
                    "all of {:?} is in the last level: {:?}",
                    keyspace.name, keyspace.levels
                );
            }
        }
    }

    pub(super) fn change_keyspaces(&mut self) {
        if self.spaces.len() > 1 && self.rng.one_in(3) {
            return self.drop_keyspace();
        }
        if self.spaces.len() < 4 {
            let names = ["a", "users", "\u{1f333}", "long name with spaces/and\\slashes", "0"];
            let name = *self.rng.pick(&names);
            if !self.spaces.iter().any(|s| s.handle.name() == name) {
                return self.create_keyspace(name);
            }
        }
        // Opening one that is there changes nothing.
        let i = self.rng.index(self.spaces.len());
        let result = self.db().keyspace(self.spaces[i].handle.name());
        if let Some(handle) = self.settle("open a keyspace", result) {
            self.spaces[i].handle = handle;
        }
    }

    fn create_keyspace(&mut self, name: &str) {
        let id = self.reference.creating(name);
        let result = self.db().keyspace(name);
        self.note(format!("create keyspace {name:?}: {}", outcome(&result)));
        match result {
            Ok(_) if self.disk.is_dead() => {}
            Ok(handle) => {
                self.reference.created(id);
                self.spaces.push(Space { id, handle });
            }
            Err(_) if self.disk.is_dead() => {}
            Err(error) => {
                self.expect_failure("create a keyspace", &error);
                assert!(!self.db().keyspaces().iter().any(|n| n == name), "{name:?} is there all the same");
                if error.kind() == ErrorKind::Full {
                    self.reference.not_created(id);
                }
            }
        }
    }

    fn drop_keyspace(&mut self) {
        let i = 1 + self.rng.index(self.spaces.len() - 1);
        let space = self.spaces[i].clone();
        self.reference.dropping(space.id);
        let result = self.db().drop_keyspace(space.handle.name());
        self.note(format!("drop keyspace {:?}: {}", space.handle.name(), outcome(&result)));
        match result {
            Ok(()) if self.disk.is_dead() => {}
            Ok(()) => {
                self.reference.dropped(space.id);
                self.spaces.remove(i);
                self.dropped.push(space);
            }
            Err(_) if self.disk.is_dead() => {}
            Err(error) => {
                self.expect_failure("drop a keyspace", &error);
                if error.kind() == ErrorKind::Full {
                    self.reference.not_dropped(space.id);
                }
            }
        }
    }

    /// A handle to a keyspace that was dropped takes nothing more, in no form.
    pub(super) fn use_dropped_keyspace(&mut self) {
        let Some(space) = self.dropped.last().cloned() else { return };
        let mut batch = WriteBatch::new();
        batch.put(b"in the default keyspace", b"must not appear").expect("within limits");
        batch.put_in(&space.handle, b"k", b"v").expect("within limits");
        let results = [
            space.handle.put(b"k", b"v"),
            space.handle.delete_with(b"k", Durability::Buffered),
            self.db().write(&batch, Durability::Synced),
            space.handle.compact(),
        ];
        for result in results {
            match result {
                Err(_) if self.disk.is_dead() => return,
                Err(error) if error.kind() == ErrorKind::Invalid => {}
                Err(error) => self.expect_failure("use a dropped keyspace", &error),
                Ok(()) => panic!("a dropped keyspace took a call"),
            }
        }
        let result = self.db().drop_keyspace("never made");
        assert!(self.disk.is_dead() || result.is_err());
    }

    pub(super) fn look_at_stats(&mut self) {
        let stats = self.db().stats();
        let names: Vec<&str> = stats.keyspaces.iter().map(|k| k.name.as_str()).collect();
        let mut expected: Vec<&str> = self.spaces.iter().map(|s| s.handle.name()).collect();
        expected.sort_by_key(|name| self.spaces.iter().find(|s| s.handle.name() == *name).map(|s| s.id));
        if !self.disk.is_dead() && self.fault.is_none() {
            assert_eq!(names, expected, "keyspaces in the order of their creation");
        }
        for level in stats.keyspaces.iter().flat_map(|k| &k.levels) {
            assert!(level.tombstones <= level.entries);
            assert!((level.tables == 0) == (level.bytes == 0));
        }
        assert!(stats.to_string().contains("simulated"), "{stats}");
    }
}

/// A result in few words.
pub(super) fn outcome<T>(result: &Result<T>) -> String {
    match result {
        Ok(_) => "ok".into(),
        Err(error) => format!("{:?}: {error}", error.kind()),
    }
}
