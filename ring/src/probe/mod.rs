//! What the kernel, the limits of this process and the file system of a directory allow, and what that means for a store
//! there. Everything that can be is found out by doing. Any thread may ask; it takes half a second.

mod device;
mod files;
mod rings;
mod speed;

use std::path::Path;

use crate::os::Host;
use crate::uring;

/// How good a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be, or a mere fact.
    Ok,
    /// It works, but slower or with less protection than it could.
    Warn,
    /// Something does not work at all.
    Bad,
}

/// One thing found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is about: "kernel", "io_uring", "limits", "file system" or "device".
    pub topic: &'static str,
    /// What was asked; unique within the topic.
    pub name: &'static str,
    /// The answer, short.
    pub value: String,
    /// What the answer means for a store, as a sentence.
    pub meaning: String,
    /// How good that is.
    pub level: Level,
}

/// All that was found out, in an order to be read in.
#[derive(Debug, Clone, Default)]
pub struct Probe {
    /// The findings, by topic.
    pub findings: Vec<Finding>,
}

impl Probe {
    /// A finding by topic and name.
    #[must_use]
    pub fn get(&self, topic: &str, name: &str) -> Option<&Finding> {
        self.findings.iter().find(|f| f.topic == topic && f.name == name)
    }

    /// The worst level of all findings.
    #[must_use]
    pub fn worst(&self) -> Level {
        self.findings.iter().map(|f| f.level).max().unwrap_or(Level::Ok)
    }

    fn add(
        &mut self,
        topic: &'static str,
        name: &'static str,
        value: impl Into<String>,
        level: Level,
        meaning: impl Into<String>,
    ) {
        self.findings.push(Finding { topic, name, value: value.into(), meaning: meaning.into(), level });
    }
}

/// Finds out what a store in `dir` can count on. Writes two files there, the larger one of 16 MiB, and removes them; `dir` itself is not
/// created.
///
/// ```
/// let probe = ringwood_ring::probe::report(std::env::temp_dir().as_path());
/// for f in &probe.findings {
///     println!("{:?} {} {}: {}. {}", f.level, f.topic, f.name, f.value, f.meaning);
/// }
/// assert!(probe.get("kernel", "release").is_some());
/// ```
#[must_use]
pub fn report(dir: &Path) -> Probe {
    let mut probe = Probe::default();
    let (host, survey) = (Host::read(), uring::survey());
    rings::kernel(&mut probe, &host);
    rings::rings(&mut probe, &host, &survey);
    rings::limits(&mut probe, &host);
    let file_system = files::file_system(&mut probe, dir);
    files::trial(&mut probe, dir);
    device::device(&mut probe, dir, file_system.as_ref());
    speed::speed(&mut probe, dir);
    probe
}
