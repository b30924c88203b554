//! `--report FILE`: a page of a run, with earlier runs beside it.
//!
//! | module | what |
//! |---|---|
//! | [`runs`] | what a page shows, as JSON: written into the page, and read back from pages and from what `--json` printed |
//! | [`show`] | the page |

mod runs;
mod show;

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::failure::{Failure, Result};
use crate::new_file::NewFile;
use runs::Run;

/// The page of a run that is under way. Its file appears when it is whole.
pub(crate) struct Report {
    path: PathBuf,
    file: NewFile,
    /// This run, then those that it is compared with.
    runs: Vec<Run>,
}

impl Report {
    /// Makes sure that the page can be written, and reads what it is compared with.
    ///
    /// # Errors
    /// If one of the files cannot be had, or holds no run.
    pub(crate) fn begin(path: &Path, compare: &[PathBuf]) -> Result<Self> {
        let mut runs = vec![Run::new(path)];
        for earlier in compare {
            runs.push(Run::read(earlier)?);
        }
        runs::tell_apart(&mut runs);
        let file = NewFile::create(path).map_err(|e| cannot_write(path, &e))?;
        Ok(Self { path: path.to_path_buf(), file, runs })
    }

    /// What is measured and where: lines as the header prints them, a name, a colon, a value.
    pub(crate) fn facts(&mut self, lines: &[String]) {
        let facts = lines.iter().filter_map(|line| line.split_once(':'));
        self.runs[0].facts = facts.map(|(name, value)| (name.trim().into(), value.trim().into())).collect();
    }

    /// What a benchmark came to, as `--json` prints it.
    pub(crate) fn add(&mut self, benchmark: Value) {
        self.runs[0].benchmarks.push(benchmark);
    }

    /// Writes the page, unless nothing was measured.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn end(mut self) -> Result<()> {
        if self.runs[0].benchmarks.is_empty() {
            return Ok(());
        }
        let written = self.file.write_all(show::page(&self.runs).as_bytes());
        let written = written.and_then(|()| self.file.end());
        written.map_err(|e| cannot_write(&self.path, &e))
    }
}

fn cannot_write(path: &Path, e: &std::io::Error) -> Failure {
    Failure::store(format!("cannot write the report {}: {e}", path.display()))
}
