//! `--report FILE`: a page of a run, with earlier runs beside it.
//!
//! | module | what |
//! |---|---|
//! | [`runs`] | what a page shows, as JSON: written into the page, and read back from pages and from what `--json` printed |
//! | [`show`] | the page |

mod runs;
mod show;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::failure::{Failure, Result};
use runs::Run;

/// The page of a run that is under way. Its file appears when it is whole.
pub(crate) struct Report {
    path: PathBuf,
    partial: PathBuf,
    file: Option<File>,
    /// This run, then those that it is compared with.
    runs: Vec<Run>,
}

impl Report {
    /// Makes sure that the page can be written, and reads what it is compared with.
    ///
    /// # Errors
    /// If one of the files cannot be had, or holds no run.
    #[allow(clippy::disallowed_methods, reason = "the user's report file, no file of the store")]
    pub(crate) fn begin(path: &Path, compare: &[PathBuf]) -> Result<Self> {
        let mut runs = vec![Run::new(path)];
        for earlier in compare {
            runs.push(Run::read(earlier)?);
        }
        runs::tell_apart(&mut runs);
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = File::create(&partial).map_err(|e| cannot_write(path, &e))?;
        Ok(Self { path: path.to_path_buf(), partial, file: Some(file), runs })
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
    #[allow(clippy::disallowed_methods, reason = "the user's report file, no file of the store")]
    pub(crate) fn end(mut self) -> Result<()> {
        let Some(mut file) = self.file.take_if(|_| !self.runs[0].benchmarks.is_empty()) else {
            return Ok(());
        };
        let written = file.write_all(show::page(&self.runs).as_bytes());
        let written = written.and_then(|()| std::fs::rename(&self.partial, &self.path));
        written.map_err(|e| cannot_write(&self.path, &e))
    }
}

impl Drop for Report {
    /// Removes what did not become a page.
    #[allow(clippy::disallowed_methods, reason = "the user's report file, no file of the store")]
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.partial);
    }
}

fn cannot_write(path: &Path, e: &std::io::Error) -> Failure {
    Failure::store(format!("cannot write the report {}: {e}", path.display()))
}
