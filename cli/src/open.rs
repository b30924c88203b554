//! Opening the store that a command works on.

use std::ops::Bound;
use std::path::Path;

use ringwood::{Db, Durability, IoChoice, Keyspace, Options, Range, Value};

use crate::cli::{Durable, Global, Io};
use crate::failure::{Failure, Result};

impl From<Io> for IoChoice {
    fn from(io: Io) -> Self {
        match io {
            Io::Auto => Self::Auto,
            Io::Uring => Self::Uring,
            Io::Syscalls => Self::Syscalls,
        }
    }
}

impl From<Durable> for Durability {
    fn from(level: Durable) -> Self {
        match level {
            Durable::Synced => Self::Synced,
            Durable::Buffered => Self::Buffered,
            Durable::None => Self::None,
        }
    }
}

/// The keyspace of what `load` must know to go on where it was stopped. It is there while such a load waits to be resumed; no command works on it, and a
/// dump leaves it out.
pub(crate) const LOADS: &str = "ringwood.loads";

/// Names of the keyspaces that are the user's.
pub(crate) fn keyspaces(db: &Db) -> Vec<String> {
    let mut names = db.keyspaces();
    names.retain(|name| name != LOADS);
    names
}

/// Whether a keyspace may have this name.
///
/// # Errors
/// A sentence, if it may not.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    match name {
        LOADS => Err(format!(
            "the keyspace {LOADS:?} is the program's own, for loads that were stopped; take another name"
        )),
        _ => Ok(()),
    }
}

/// What the global options ask of the store.
pub(crate) fn options(global: &Global) -> Options {
    let options = Options::new().io(global.io.into());
    match global.memory {
        Some(bytes) => options.memory(bytes),
        None => options,
    }
}

/// A store, and the part of it that a command works on.
pub(crate) struct Store {
    db: Db,
    keyspace: Option<Keyspace>,
}

impl Store {
    /// Opens the store in `dir`; `create` makes store and keyspace if they are not there.
    ///
    /// # Errors
    /// [`Failure::Store`] if there is none, or it cannot be opened.
    pub(crate) fn open(dir: &Path, global: &Global, create: bool) -> Result<Self> {
        let opened = options(global).create_if_missing(create).open(dir);
        let db = opened.map_err(Failure::of_store)?;
        let keyspace = match &global.keyspace {
            None => None,
            Some(name) => {
                check_name(name).map_err(Failure::Usage)?;
                let known = keyspaces(&db);
                if !create && !known.contains(name) {
                    return Err(Failure::no_keyspace(name, &known));
                }
                Some(db.keyspace(name)?)
            }
        };
        Ok(Self { db, keyspace })
    }

    pub(crate) fn put(&self, key: &[u8], value: &[u8], level: Durability) -> Result<()> {
        Ok(match &self.keyspace {
            Some(keyspace) => keyspace.put_with(key, value, level),
            None => self.db.put_with(key, value, level),
        }?)
    }

    pub(crate) fn delete(&self, key: &[u8], level: Durability) -> Result<()> {
        Ok(match &self.keyspace {
            Some(keyspace) => keyspace.delete_with(key, level),
            None => self.db.delete_with(key, level),
        }?)
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        Ok(match &self.keyspace {
            Some(keyspace) => keyspace.get(key),
            None => self.db.get(key),
        }?)
    }

    pub(crate) fn range(&self, bounds: (Bound<Vec<u8>>, Bound<Vec<u8>>)) -> Result<Range> {
        Ok(match &self.keyspace {
            Some(keyspace) => keyspace.range(bounds),
            None => self.db.range(bounds),
        }?)
    }

    /// Closes the store.
    ///
    /// # Errors
    /// What dropping it would swallow.
    pub(crate) fn close(self) -> Result<()> {
        drop(self.keyspace);
        Ok(self.db.close()?)
    }
}
