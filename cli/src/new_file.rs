//! A file of the user's that appears under its name when it is whole.
//!
//! It is written beside that name, as `NAME.partial`, and renamed at the end. What is there under the name and is no plain file, a device or a pipe, is never
//! replaced: it is written to as it is. A link stays, and what it leads to is replaced.

#![allow(clippy::disallowed_methods, reason = "the user's file, no file of the store")]

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// See the module documentation. Dropped before its [`end`](Self::end), it leaves nothing.
#[derive(Debug)]
pub(crate) struct NewFile {
    file: File,
    /// Its name until then, and its name.
    names: Option<(PathBuf, PathBuf)>,
}

impl NewFile {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let there = fs::metadata(path);
        if there.as_ref().is_ok_and(|there| !there.is_file()) {
            return Ok(Self { file: File::options().write(true).open(path)?, names: None });
        }
        let target = if there.is_ok() { fs::canonicalize(path)? } else { path.to_path_buf() };
        let mut partial = target.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        Ok(Self { file: File::create(&partial)?, names: Some((partial, target)) })
    }

    /// Gives it its name. Its content is on the device when it returns.
    pub(crate) fn end(mut self) -> io::Result<()> {
        if let Some((partial, target)) = &self.names {
            self.file.sync_all()?;
            fs::rename(partial, target)?;
            self.names = None;
        }
        Ok(())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some((partial, _)) = &self.names {
            let _ = fs::remove_file(partial);
        }
    }
}
