//! Loads: begun, fed and ended between other operations.
//!
//! To the reference a load is one synced commit, at the moment of its `finish`.

use ringwood::{ErrorKind, Loader};

use super::run::Run;
use super::writes::outcome;
use crate::reference::{Change, SpaceId};

/// A load under way, and what it will have done.
pub(super) struct Load {
    loader: Loader,
    /// The keyspaces that it has come to; the last is the one at hand.
    spaces: Vec<SpaceId>,
    changes: Vec<Change>,
}

impl Load {
    fn space(&self) -> SpaceId {
        *self.spaces.last().expect("a load is begun in a keyspace")
    }
}

impl Run {
    /// Begins a load, goes on with it, ends it or gives it up.
    pub(super) fn load(&mut self) {
        let Some(load) = self.loading.take() else { return self.begin_load() };
        let is_there = |change: &Change| self.spaces.iter().any(|s| s.id == change.space);
        let is_space_there = load.changes.iter().all(is_there);
        if self.rng.one_in(8) {
            self.note("load: given up");
        } else if !is_space_there || load.loader.is_empty() {
            self.end_nothing(load, is_space_there);
        } else if self.rng.one_in(3) {
            self.feed(load);
        } else {
            self.end_load(load);
        }
    }

    fn begin_load(&mut self) {
        let space = self.spaces[self.rng.index(self.spaces.len())].clone();
        let result = space.handle.loader();
        if let Some(loader) = self.settle("load", result) {
            self.feed(Load { loader, spaces: vec![space.id], changes: Vec::new() });
        }
    }

    /// Goes on in another keyspace; one that was left before is refused.
    fn switch(&mut self, load: &mut Load) {
        let space = self.spaces[self.rng.index(self.spaces.len())].clone();
        let is_left = load.space() != space.id && load.spaces.contains(&space.id);
        match load.loader.switch_to(&space.handle) {
            Ok(()) => {
                assert!(!is_left, "a load came to a keyspace twice");
                if load.space() != space.id {
                    load.spaces.push(space.id);
                }
            }
            Err(error) if is_left => assert_eq!(error.kind(), ErrorKind::Invalid, "{error}"),
            Err(_) if self.disk.is_dead() => {}
            Err(error) => self.expect_failure("load", &error),
        }
    }

    /// Puts more entries, all above those before; and some that are not, which are refused and change nothing.
    fn feed(&mut self, mut load: Load) {
        if self.rng.one_in(3) {
            self.switch(&mut load);
        }
        let count = if self.rng.one_in(6) { self.rng.within(500..=3000) } else { self.rng.within(1..=200) };
        let mut keys: Vec<_> = (0..count).map(|_| self.some_key()).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            self.tag += 1;
            let value = self.shape.value(&mut self.rng, self.tag);
            let last = load.changes.last().filter(|last| last.space == load.space());
            let is_next = last.is_none_or(|last| last.key < key);
            match load.loader.put(&key, &value) {
                Ok(()) => {
                    assert!(is_next, "{key:?} was taken out of order");
                    load.changes.push(Change { space: load.space(), key, value: Some(value) });
                }
                Err(error) if !is_next => {
                    let text = error.to_string();
                    assert!(error.kind() == ErrorKind::Invalid && text.contains("ascending"), "{text}");
                }
                Err(_) if self.disk.is_dead() => return,
                Err(error) => return self.expect_failure("load", &error),
            }
        }
        assert_eq!(load.loader.len(), load.changes.len() as u64);
        self.note(format!("load: {} entries so far", load.changes.len()));
        self.loading = Some(load);
    }

    fn end_load(&mut self, load: Load) {
        let Load { loader, changes, .. } = load;
        let durability = ringwood::Durability::Synced;
        let mut failure = None;
        self.commit(durability, &changes, || loader.finish().inspect_err(|e| failure = Some(e.kind())));
        // Where the manifest's write or sync failed, nobody sees the load, and the device may hold it.
        if matches!(failure, Some(ErrorKind::Io | ErrorKind::Poisoned)) {
            self.reference.doubt(&changes);
        }
        for change in changes.iter().step_by(1 + changes.len() / 8) {
            self.remember_key(&change.key);
        }
    }

    /// A load into a keyspace that was dropped fails; one without entries changes nothing.
    fn end_nothing(&mut self, load: Load, is_space_there: bool) {
        let is_empty = load.loader.is_empty();
        let result = load.loader.finish();
        self.note(format!("load: nothing loaded: {}", outcome(&result)));
        match result {
            _ if self.disk.is_dead() => {}
            Ok(()) => assert!(is_empty, "a dropped keyspace was loaded"),
            Err(error) if !is_space_there && error.kind() == ErrorKind::Invalid => {}
            Err(error) => self.expect_failure("load", &error),
        }
    }

    /// A load that outlives the closing of its store.
    pub(super) fn end_load_after_close(&mut self) {
        let Some(load) = self.loading.take() else { return };
        let error = load.loader.finish().expect_err("a closed store was loaded");
        assert!(
            matches!(error.kind(), ErrorKind::Closed | ErrorKind::Poisoned),
            "a load after the store was closed: {error}"
        );
    }
}
