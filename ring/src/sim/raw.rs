//! The disk seen by a test, past all files and lanes: reading, damaging, replacing.

use std::path::{Path, PathBuf};

use super::SimDisk;
use super::namespace::{Errno, Inode};
use super::state::State;
use crate::{IoError, Result};

fn failed(op: &'static str, path: &Path) -> impl Fn(Errno) -> IoError {
    move |errno| IoError::from_errno(op, path, None, errno)
}

impl State {
    fn raw(&mut self, path: &Path) -> std::result::Result<Inode, Errno> {
        let inode = self.names.lookup(path)?;
        if !self.names.files.contains_key(&inode) {
            return Err(libc::EISDIR);
        }
        self.fold(inode, 0, u64::MAX);
        Ok(inode)
    }
}

impl SimDisk {
    /// All files by absolute path, sorted.
    #[must_use]
    pub fn file_names(&self) -> Vec<PathBuf> {
        self.lock().names.paths().into_keys().collect()
    }

    /// A file's bytes as a reader sees them now.
    ///
    /// # Errors
    /// If there is no such file.
    pub fn read_raw(&self, path: impl AsRef<Path>) -> Result<Vec<u8>> {
        let path = path.as_ref();
        let mut state = self.lock();
        let inode = state.raw(path).map_err(failed("read", path))?;
        let content = state.content(inode);
        Ok(content.map_or_else(Vec::new, |content| {
            let mut bytes = vec![0; content.size as usize];
            content.read(0, &mut bytes);
            bytes
        }))
    }

    /// Sets a file's bytes, durable at once, creating it and the directories above it if they are missing. All names changed so far in its
    /// directory become durable with it.
    ///
    /// # Errors
    /// If the path is a directory, or leads through a file.
    pub fn write_raw(&self, path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
        let path = path.as_ref();
        let mut state = self.lock();
        let inode = state.names.create_durable(path);
        let inode = inode.and_then(|_| state.raw(path)).map_err(failed("write", path))?;
        if let Some(content) = state.content_mut(inode) {
            content.replace(bytes);
        }
        state.unfold(inode, 0, u64::MAX);
        Ok(())
    }

    /// Flips one bit of a file for good: on the medium and in every cache.
    ///
    /// # Errors
    /// If there is no such file or it is too short.
    pub fn flip_bit(&self, path: impl AsRef<Path>, offset: u64, bit: u8) -> Result<()> {
        let path = path.as_ref();
        let mut state = self.lock();
        let inode = state.raw(path).map_err(failed("flip a bit of", path))?;
        match state.content_mut(inode).filter(|c| offset < c.size) {
            Some(content) => content.flip(offset, bit),
            None => return Err(failed("flip a bit of", path)(libc::EINVAL)),
        }
        state.unfold(inode, 0, u64::MAX);
        Ok(())
    }

    /// Cuts or extends a file (with zeros), durable at once.
    ///
    /// # Errors
    /// If there is no such file.
    pub fn truncate_raw(&self, path: impl AsRef<Path>, len: u64) -> Result<()> {
        let mut bytes = self.read_raw(&path)?;
        bytes.resize(len as usize, 0);
        self.write_raw(path, &bytes)
    }

    /// What a machine that lost power now would find at least: the file's durable bytes. `None` if no such name is durable.
    #[must_use]
    pub fn read_durable(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let mut state = self.lock().fork();
        state.keep_durable();
        let inode = state.raw(path.as_ref()).ok()?;
        let content = state.content(inode)?;
        let mut bytes = vec![0; content.size as usize];
        content.read(0, &mut bytes);
        Some(bytes)
    }
}
