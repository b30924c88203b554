//! Directories on the real disk.

use std::path::{Path, PathBuf};

/// A new directory on the disk that holds the build, not on a tmpfs: O_DIRECT and syncs are to be real. Removed when dropped.
///
/// # Panics
/// If it cannot be made.
#[must_use]
pub fn fresh() -> tempfile::TempDir {
    let base = std::env::var_os("CARGO_TARGET_TMPDIR").map_or_else(default_base, PathBuf::from);
    tempfile::Builder::new().prefix("ringwood-").tempdir_in(base).expect("a directory for the test")
}

fn default_base() -> PathBuf {
    // The test's program lies in target/debug/deps.
    let exe = std::env::current_exe().expect("a test knows its own program");
    exe.ancestors().nth(2).map_or_else(std::env::temp_dir, Path::to_path_buf)
}

/// Copies the files of a directory and of those in it.
///
/// # Panics
/// If one cannot be copied.
#[allow(clippy::disallowed_methods, reason = "tests look at files past the store")]
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory for the copy");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

/// All files below a directory, by relative path, sorted.
///
/// # Panics
/// If it cannot be read.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "tests look at files past the store")]
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(relative) = open.pop() {
        for entry in std::fs::read_dir(dir.join(&relative)).expect("a directory") {
            let entry = entry.expect("an entry");
            let path = relative.join(entry.file_name());
            if entry.file_type().expect("a type").is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}
