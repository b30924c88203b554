//! Reading a manifest without taking it over: what opening and the tools have in common.

use std::path::Path;

use ringwood_ring::{Disk, File, IoErrorKind, Lane, OpenOptions, PAGE, page_ceil, read_file};

use super::edit::{self, Edit, State};
use super::record::{self, BadHeader, FileHeader};
use super::{CAPACITY_MIN, capacity_for, current_text};
use crate::files::{CURRENT, FileName};
use crate::{Error, ErrorKind, Result};

/// What a manifest says.
pub(crate) struct Contents {
    pub(crate) header: FileHeader,
    /// The edits of each record that could be used, and its offset in the file.
    pub(crate) records: Vec<(u64, Vec<Edit>)>,
    /// All these edits, added up.
    pub(crate) state: State,
    /// Why nothing behind the last of them could be used, if the manifest goes on there.
    pub(crate) damage: Option<Error>,
}

/// Reads the manifest at `path`.
pub(crate) fn look(disk: &dyn Disk, lane: &mut dyn Lane, path: &Path) -> Result<Contents> {
    let file = disk.open(path, OpenOptions::READ).map_err(|e| match e.kind() {
        IoErrorKind::NotFound => Error::corrupt(path, None, "CURRENT names it and it does not exist"),
        _ => e.into(),
    })?;
    parse(path, &read(disk, lane, &file)?)
}

/// Reads a manifest: whole pages, and no more than its first record warrants, however long the file is.
pub(super) fn read(disk: &dyn Disk, lane: &mut dyn Lane, file: &File) -> Result<Vec<u8>> {
    let mut bytes = read_file(disk, lane, file, CAPACITY_MIN as u64)?;
    if bytes.len() == CAPACITY_MIN {
        let snapshot = record::claimed_bytes(&bytes);
        if PAGE + snapshot > CAPACITY_MIN {
            bytes = read_file(disk, lane, file, (PAGE + snapshot) as u64)?;
        }
        let is_sound =
            FileHeader::decode(&bytes).is_ok_and(|header| !record::scan(header, &bytes).payloads.is_empty());
        if is_sound && capacity_for(snapshot) > CAPACITY_MIN {
            bytes = read_file(disk, lane, file, capacity_for(snapshot) as u64)?;
        }
    }
    // Records fill whole pages. One that lost some of its padding has lost nothing.
    bytes.resize(page_ceil(bytes.len()), 0);
    Ok(bytes)
}

/// The number of the manifest that `CURRENT` in `dir` names.
pub(crate) fn named_by_current(disk: &dyn Disk, lane: &mut dyn Lane, dir: &Path) -> Result<u64> {
    let path = dir.join(CURRENT);
    let file = disk.open(&path, OpenOptions::READ)?;
    parse_current(&path, &read_file(disk, lane, &file, PAGE as u64)?)
}

/// The number in the bytes of a `CURRENT`.
pub(crate) fn parse_current(path: &Path, bytes: &[u8]) -> Result<u64> {
    let text = String::from_utf8_lossy(bytes);
    let name = text.split(' ').next().unwrap_or_default();
    match FileName::parse(Path::new(name)) {
        // No path from a file is trusted: only a name of ours, in this directory.
        Some(FileName::Manifest(number)) if text == current_text(number) => Ok(number),
        _ => Err(Error::corrupt(path, Some(0), "it does not name a manifest with a right checksum")),
    }
}

/// Reads the bytes of a manifest.
///
/// # Errors
/// If its header cannot be used; what is wrong behind it is in the contents.
pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Contents> {
    let header = FileHeader::decode(bytes).map_err(|bad| match bad {
        BadHeader::Corrupt(what) => Error::corrupt(path, Some(0), what),
        BadHeader::Newer(version) => Error::new(
            ErrorKind::Unsupported,
            format!(
                "{} is of format version {version}; this program reads up to {}; use a newer Ringwood",
                path.display(),
                record::FORMAT_VERSION
            ),
        ),
    })?;
    if FileName::parse(Path::new(path.file_name().unwrap_or_default()))
        != Some(FileName::Manifest(header.number))
    {
        return Err(Error::corrupt(path, Some(24), "it is another manifest under this one's name"));
    }
    let scan = record::scan(header, bytes);
    let mut contents = Contents { header, records: Vec::new(), state: State::default(), damage: None };
    contents.damage = if let Some(offset) = scan.damage {
        let what = "a record before the end of the manifest does not pass its checksum";
        Some(Error::corrupt(path, Some(offset as u64), what))
    } else if scan.payloads.is_empty() {
        Some(Error::corrupt(path, Some(PAGE as u64), "its first record, the snapshot, is not whole"))
    } else {
        None
    };
    for (i, (payload, offset)) in scan.payloads.iter().zip(record::offsets(&scan.payloads)).enumerate() {
        match contents.take(path, i, payload) {
            Ok(edits) => contents.records.push((offset as u64, edits)),
            Err(error) => {
                contents.damage = Some(error);
                break;
            }
        }
    }
    if contents.damage.is_none() {
        contents.damage = contents.state.check().err().map(|what| Error::corrupt(path, None, what));
    }
    Ok(contents)
}

impl Contents {
    fn take(&mut self, path: &Path, i: usize, payload: &[u8]) -> Result<Vec<Edit>> {
        let edits = edit::decode(payload)
            .map_err(|e| Error::new(ErrorKind::Unsupported, format!("{} record {i}: {e}", path.display())))?;
        for edit in &edits {
            self.state.apply(edit).map_err(|e| Error::corrupt(path, None, format!("record {i}: {e}")))?;
        }
        Ok(edits)
    }
}
