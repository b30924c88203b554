//! Names of the files of a store.
//!
//! | name | what |
//! |---|---|
//! | `LOCK` | held while a process has the store open |
//! | `CURRENT` | names the manifest in force |
//! | `MANIFEST-NNNNNN` | the log of version edits |
//! | `NNNNNN.sst` | a sorted table |
//! | `wal/` | the write-ahead log |
//!
//! Tables and manifests draw their numbers from one counter; none is ever used twice.

use std::path::{Path, PathBuf};

pub(crate) const CURRENT: &str = "CURRENT";
pub(crate) const CURRENT_NEW: &str = "CURRENT.new";
pub(crate) const LOCK: &str = "LOCK";
pub(crate) const WAL: &str = "wal";

/// Largest number of a file; a name with a larger one is not ours.
pub(crate) const NUMBER_MAX: u64 = 1 << 56;
/// The next number is one more than the largest of those up to here that lie about, so that no stray name can use the numbers up.
pub(crate) const NUMBER_SEEN_MAX: u64 = NUMBER_MAX / 2;

/// A file in the store's directory, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileName {
    Lock,
    Current,
    CurrentNew,
    Wal,
    Manifest(u64),
    Table(u64),
}

impl FileName {
    /// Reads a name; `None` for one that is not ours.
    pub(crate) fn parse(name: &Path) -> Option<Self> {
        let name = name.to_str()?;
        match name {
            LOCK => return Some(Self::Lock),
            CURRENT => return Some(Self::Current),
            CURRENT_NEW => return Some(Self::CurrentNew),
            WAL => return Some(Self::Wal),
            _ => {}
        }
        let number = |digits: &str| {
            let plain = digits.len() >= 6 && digits.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| digits.parse().ok()).flatten().filter(|&number| number <= NUMBER_MAX)
        };
        if let Some(digits) = name.strip_prefix("MANIFEST-") {
            return number(digits).map(Self::Manifest);
        }
        number(name.strip_suffix(".sst")?).map(Self::Table)
    }
}

pub(crate) fn manifest(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("MANIFEST-{number:06}"))
}

pub(crate) fn table(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:06}.sst"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_foreign_names_are_not_ours() {
        let dir = Path::new("d");
        let name = |path: PathBuf| FileName::parse(Path::new(path.file_name().unwrap()));
        assert_eq!(name(table(dir, 7)), Some(FileName::Table(7)));
        assert_eq!(name(table(dir, 12_345_678)), Some(FileName::Table(12_345_678)));
        assert_eq!(name(manifest(dir, 3)), Some(FileName::Manifest(3)));
        for foreign in [
            "notes.txt",
            "7.sst",
            "MANIFEST-",
            "MANIFEST-00000x",
            "000001.sst.bak",
            "",
            "18446744073709551614.sst",
        ] {
            assert_eq!(FileName::parse(Path::new(foreign)), None, "{foreign}");
        }
    }
}
