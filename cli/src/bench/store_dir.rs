//! The directory of a benchmark's store: what is in it, whether it may be destroyed, and its end.
//!
//! A benchmark destroys what is in its way only if that is certainly a benchmark's own store: every name in the directory is
//! one of a Ringwood store, there is no keyspace besides the default one, and first and last key look like
//! [`write_key`](super::data::write_key)'s.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use ringwood::{Db, Options};

use super::data::is_padded_key;
use crate::clock;
use crate::failure::{Failure, Result};

/// What a directory holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// It is not there, or empty.
    Nothing,
    /// A store and nothing else.
    Store,
    /// Something else, such as this.
    Foreign(String),
}

/// Looks into a directory.
///
/// # Errors
/// If it cannot be read.
#[allow(
    clippy::disallowed_methods,
    reason = "the runner looks after its own directory; the store is not open"
)]
pub(crate) fn look(dir: &Path) -> Result<Holds> {
    let cannot = |e: io::Error| Failure::store(format!("cannot look into {}: {e}", dir.display()));
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Holds::Nothing),
        Err(e) => return Err(cannot(e)),
    };
    let mut is_store = false;
    for entry in entries {
        let entry = entry.map_err(cannot)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_dir = entry.file_type().map_err(cannot)?.is_dir();
        if is_dir != (name == "wal") || !is_store_name(&name) {
            return Ok(Holds::Foreign(name));
        }
        is_store |= name != "LOCK";
    }
    Ok(if is_store { Holds::Store } else { Holds::Nothing })
}

/// Whether a store has a file of this name.
fn is_store_name(name: &str) -> bool {
    let number = |digits: &str| digits.len() >= 6 && digits.bytes().all(|b| b.is_ascii_digit());
    let numbered = name.strip_prefix("MANIFEST-").or_else(|| name.strip_suffix(".sst"));
    matches!(name, "LOCK" | "CURRENT" | "CURRENT.new" | "wal") || numbered.is_some_and(number)
}

/// Destroys the store in `dir`, and leaves an empty directory. Without `ours`, it must be certain that a benchmark filled it.
///
/// # Errors
/// If it is not, or is open elsewhere, or cannot be removed.
pub(crate) fn destroy(dir: &Path, options: &Options, ours: bool) -> Result<()> {
    match look(dir)? {
        Holds::Nothing => return Ok(()),
        Holds::Foreign(name) => {
            return Err(Failure::store(format!(
                "{} holds {name:?}, which is no part of a store; bench would destroy it: give an empty or new directory",
                dir.display()
            )));
        }
        Holds::Store if ours => {}
        Holds::Store => check_benchs(dir, options)?,
    }
    remove_files(dir)
        .map_err(|e| Failure::store(format!("cannot remove the store in {}: {e}", dir.display())))
}

fn check_benchs(dir: &Path, options: &Options) -> Result<()> {
    let opened = options.clone().create_if_missing(false).open(dir);
    let db = opened.map_err(|e| {
        Failure::store(format!("cannot tell whether bench filled the store in {}: {e}", dir.display()))
    })?;
    let ours = is_benchs(&db)?;
    db.close()?;
    if !ours {
        return Err(Failure::store(format!(
            "the store in {} holds what bench did not write, so bench does not destroy it: give another directory, \
             remove it yourself, or work on it with --use_existing_db",
            dir.display()
        )));
    }
    Ok(())
}

fn is_benchs(db: &Db) -> Result<bool> {
    let mut all = db.iter()?;
    let ends = [all.next(), all.next_back()];
    for entry in ends.into_iter().flatten() {
        if !is_padded_key(&entry?.0) {
            return Ok(false);
        }
    }
    Ok(db.keyspaces().len() <= 1)
}

#[allow(clippy::disallowed_methods, reason = "removing the runner's own store, which is closed")]
fn remove_files(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// A directory that is removed with all that is in it when the value goes.
#[derive(Debug)]
pub(crate) struct TempDir {
    path: PathBuf,
}

impl TempDir {
    /// Makes a directory in the current one, on the disk that the user stands on.
    ///
    /// # Errors
    /// If the current directory cannot be written.
    #[allow(clippy::disallowed_methods, reason = "the runner's own directory, before any store is in it")]
    pub(crate) fn new() -> Result<Self> {
        let path = PathBuf::from(format!("ringwood-bench-{}-{:x}", std::process::id(), clock::unix_micros()));
        let path = std::path::absolute(&path).unwrap_or(path);
        fs::create_dir(&path).map_err(|e| {
            Failure::store(format!(
                "cannot make {}: {e}; go to a directory that you can write, or give --db",
                path.display()
            ))
        })?;
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        remove_temp(&self.path);
    }
}

/// Removes a temporary directory, even while threads of a dying process still write there.
#[allow(clippy::disallowed_methods, reason = "the runner's own directory")]
pub(crate) fn remove_temp(path: &Path) {
    const TRIES: u32 = 5;
    for _ in 0..TRIES {
        match fs::remove_dir_all(path) {
            Err(e) if e.kind() == ErrorKind::DirectoryNotEmpty => {}
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::disallowed_methods, reason = "a test makes files")]
    fn a_directory_is_told_by_its_names() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(look(&dir.path().join("none")).unwrap(), Holds::Nothing);
        assert_eq!(look(dir.path()).unwrap(), Holds::Nothing);
        for name in ["LOCK", "CURRENT", "MANIFEST-000001", "000002.sst", "1234567.sst"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        fs::create_dir(dir.path().join("wal")).unwrap();
        assert_eq!(look(dir.path()).unwrap(), Holds::Store);
        for name in ["letter.txt", "1.sst", "MANIFEST-", "CURRENT.bak"] {
            fs::write(dir.path().join(name), "").unwrap();
            assert_eq!(look(dir.path()).unwrap(), Holds::Foreign(name.into()));
            fs::remove_file(dir.path().join(name)).unwrap();
        }
        fs::create_dir(dir.path().join("000009.sst")).unwrap();
        assert_eq!(look(dir.path()).unwrap(), Holds::Foreign("000009.sst".into()));
    }
}
