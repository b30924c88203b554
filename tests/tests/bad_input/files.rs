//! Files of a store that are cut, damaged, foreign, swapped, missing, or newer.
//!
//! Whatever is done to one file of a store that was closed in good order, opening it and reading everything gives the truth or an error that
//! names the file; never a wrong answer, never a panic. And an opening that failed has changed nothing: with the file put back, the store is
//! whole.

use std::fs;
use std::path::{Path, PathBuf};

use byteorder::{ByteOrder, LittleEndian};
use ringwood::{ErrorKind, Result};
use ringwood_tests::dirs;
use ringwood_tests::rng::Rng;

use crate::{Entries, assert_whole, contents, expect, make_store, open};

/// A store, closed, and a place where copies of it are damaged.
struct Patient {
    _dir: tempfile::TempDir,
    original: PathBuf,
    copy: PathBuf,
    all: Entries,
    files: Vec<PathBuf>,
}

impl Patient {
    fn new() -> Self {
        let dir = dirs::fresh();
        let (original, copy) = (dir.path().join("original"), dir.path().join("copy"));
        let all = make_store(&original);
        let files = dirs::files(&original);
        let kinds = ["CURRENT", "MANIFEST-", ".sst", "wal/"]
            .map(|part| files.iter().filter(|f| f.to_string_lossy().contains(part)).count());
        assert!(kinds.iter().all(|&n| n > 0) && kinds[2] > 2, "a store of every kind of file: {files:?}");
        Self { _dir: dir, original, copy, all, files }
    }

    /// Does `harm` to a copy; then it opens and holds the truth, or complains of `file`. Returns whether it complained.
    fn try_harm(&self, file: &Path, what: &str, harm: impl FnOnce(&Path)) -> bool {
        let _ = fs::remove_dir_all(&self.copy);
        dirs::copy(&self.original, &self.copy);
        harm(&self.copy.join(file));
        let outcome = self.read();
        let complaint = match outcome {
            Ok(found) => {
                assert!(found == self.all, "{} {what}: it opened and held something else", file.display());
                None
            }
            Err(error) => Some(error),
        };
        let Some(error) = complaint else { return false };
        let text = error.to_string();
        let kind = error.kind();
        assert!(
            matches!(kind, ErrorKind::Corrupt | ErrorKind::Unsupported),
            "{} {what}: {kind:?}: {text}",
            file.display()
        );
        let name = file.file_name().unwrap().to_string_lossy();
        // A manifest of another store makes all other files strangers: any may be named.
        let named = text.contains(&*name)
            || (what.starts_with("replaced")
                && ["another store", "the manifest says"].iter().any(|words| text.contains(words)))
            || (what == "missing" && text.contains("/wal is incomplete"));
        assert!(named, "{name} {what}: the error does not name it: {text}");
        let advice = ["restore", "backup", "newer", "copy", "repair"];
        assert!(advice.iter().any(|word| text.contains(word)), "{name} {what}: what is to be done? {text}");
        // The opening that failed has changed nothing.
        let target = self.copy.join(file);
        let _ = fs::remove_file(&target);
        fs::copy(self.original.join(file), &target).unwrap();
        assert_whole(&self.copy, &self.all);
        true
    }

    fn read(&self) -> Result<Entries> {
        let db = open(&self.copy)?;
        let found = contents(&db)?;
        db.close()?;
        Ok(found)
    }

    /// All files whose path contains `part`.
    fn of_kind<'a>(&'a self, part: &'a str) -> impl Iterator<Item = &'a PathBuf> {
        self.files.iter().filter(move |f| f.to_string_lossy().contains(part))
    }
}

fn cut(path: &Path, len: u64) {
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(len).unwrap();
}

#[test]
fn cut_files() {
    let patient = Patient::new();
    let mut complaints = 0;
    for file in &patient.files {
        let len = fs::metadata(patient.original.join(file)).unwrap().len();
        let mut lengths =
            vec![0, 1, 7, 512, 4095, 4096, 4097, len / 2, len.saturating_sub(4096), len.saturating_sub(1)];
        lengths.retain(|l| *l < len);
        lengths.sort_unstable();
        lengths.dedup();
        for to in lengths {
            complaints +=
                u32::from(patient.try_harm(file, &format!("cut to {to} of {len}"), |path| cut(path, to)));
        }
    }
    assert!(complaints > 40, "only {complaints} cuts were noticed");
}

#[test]
fn missing_files() {
    let patient = Patient::new();
    for file in &patient.files {
        let complained = patient.try_harm(file, "missing", |path| fs::remove_file(path).unwrap());
        let name = file.to_string_lossy();
        let is_needed = name.contains(".sst") || name.contains("CURRENT") || name.contains("MANIFEST");
        assert!(complained || !is_needed, "{name} is missing and nobody noticed");
    }
    // Without its log directory it is no store any more, and not a new one either.
    fs::remove_dir_all(patient.copy.join("wal")).unwrap();
    expect(patient.read(), ErrorKind::Corrupt, &["wal is incomplete", "restore"]);
    let _ = fs::remove_dir_all(patient.copy.join("wal"));
    dirs::copy(&patient.original.join("wal"), &patient.copy.join("wal"));
    assert_whole(&patient.copy, &patient.all);
}

#[test]
fn files_of_garbage() {
    let patient = Patient::new();
    let mut rng = Rng::new(1);
    for file in &patient.files {
        let len = fs::metadata(patient.original.join(file)).unwrap().len() as usize;
        for fill in ["random", "zeros", "text"] {
            let bytes = match fill {
                "random" => rng.bytes(len),
                "zeros" => vec![0; len],
                _ => b"It was a dark and stormy night. ".iter().copied().cycle().take(len).collect(),
            };
            patient.try_harm(file, &format!("full of {fill}"), |path| fs::write(path, &bytes).unwrap());
        }
    }
}

#[test]
fn damaged_bytes() {
    let patient = Patient::new();
    let mut rng = Rng::new(2);
    let mut complaints = 0;
    for file in &patient.files {
        let bytes = fs::read(patient.original.join(file)).unwrap();
        if bytes.is_empty() {
            continue;
        }
        for _ in 0..12 {
            // Half of them near the start or the end, where headers and footers are.
            let at = match rng.below(4) {
                0 => rng.index(bytes.len().min(100)),
                1 => bytes.len() - 1 - rng.index(bytes.len().min(100)),
                _ => rng.index(bytes.len()),
            };
            let what = format!("bit {at} flipped");
            let complained = patient.try_harm(file, &what, |path| {
                let mut bad = bytes.clone();
                bad[at] ^= 1 << rng.below(8);
                fs::write(path, bad).unwrap();
            });
            complaints += u32::from(complained);
        }
    }
    assert!(complaints > 20, "only {complaints} damages were noticed");
}

#[test]
fn swapped_files() {
    let patient = Patient::new();
    let other = Patient::new();
    for kind in ["CURRENT", "MANIFEST-", ".sst", "wal/"] {
        for file in patient.of_kind(kind) {
            // Another file of the same store under this name, and a file of the same name of another store.
            let sibling = patient.of_kind(kind).find(|f| *f != file);
            let mut strangers: Vec<PathBuf> = sibling.map(|f| patient.original.join(f)).into_iter().collect();
            strangers.extend(other.of_kind(kind).map(|f| other.original.join(f)));
            for stranger in strangers {
                let what = format!("replaced by {}", stranger.display());
                patient.try_harm(file, &what, |path| {
                    fs::copy(&stranger, path).unwrap();
                });
            }
        }
    }
}

/// Number and size are not enough to know a table by.
#[test]
fn a_table_of_another_store_with_the_same_number_and_size() {
    let dir = dirs::fresh();
    let stores = ["one", "two"].map(|name| dir.path().join(name));
    for (store, value) in stores.iter().zip(["first", "other"]) {
        let db = open(store).unwrap();
        db.put("key", value).unwrap();
        db.flush().unwrap();
        db.close().unwrap();
    }
    let [one, two] = stores.map(|store| {
        let tables = dirs::files(&store).into_iter().filter(|f| f.to_string_lossy().ends_with(".sst"));
        let tables: Vec<PathBuf> = tables.map(|f| store.join(f)).collect();
        assert_eq!(tables.len(), 1);
        (store, tables[0].clone())
    });
    let len = |path: &Path| fs::metadata(path).unwrap().len();
    assert_eq!((one.1.file_name(), len(&one.1)), (two.1.file_name(), len(&two.1)));
    fs::copy(&two.1, &one.1).unwrap();
    let name = one.1.file_name().unwrap().to_string_lossy();
    expect(open(&one.0).map(drop), ErrorKind::Corrupt, &[&name, "of another store", "restore"]);
}

#[test]
fn a_file_that_became_a_directory() {
    let patient = Patient::new();
    for kind in ["CURRENT", "MANIFEST-", ".sst"] {
        let file = patient.of_kind(kind).next().unwrap();
        let _ = fs::remove_dir_all(&patient.copy);
        dirs::copy(&patient.original, &patient.copy);
        let target = patient.copy.join(file);
        fs::remove_file(&target).unwrap();
        fs::create_dir(&target).unwrap();
        let error = open(&patient.copy).err().unwrap_or_else(|| panic!("{} is a directory", file.display()));
        assert!(error.to_string().contains(&*file.to_string_lossy()), "{error}");
        fs::remove_dir(&target).unwrap();
        fs::copy(patient.original.join(file), &target).unwrap();
        assert_whole(&patient.copy, &patient.all);
    }
}

#[test]
fn a_store_of_a_newer_version_is_refused_politely() {
    let patient = Patient::new();
    let manifest = patient.of_kind("MANIFEST-").next().unwrap().clone();
    let make_newer = |path: &Path| {
        let mut bytes = fs::read(path).unwrap();
        LittleEndian::write_u32(&mut bytes[8..12], 9);
        let crc = crc32fast::hash(&bytes[..32]);
        LittleEndian::write_u32(&mut bytes[32..36], crc);
        fs::write(path, bytes).unwrap();
    };
    assert!(patient.try_harm(&manifest, "of format version 9", make_newer));
    make_newer(&patient.copy.join(&manifest));
    let words = ["format version 9", "reads up to 1", "newer Ringwood"];
    expect(open(&patient.copy), ErrorKind::Unsupported, &words);
}
