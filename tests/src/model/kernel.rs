//! Images of the simulated disk on the real one: the same bytes, opened through io_uring and O_DIRECT, with all threads running.
//!
//! What the simulated disk says of a crash is a claim about file systems; what the store makes of the image must not depend on who reads it to
//! the store. So an image is written to a directory of the real disk, and there it must open, hold what it held on the simulated disk,
//! take a write, and hold that too when it is opened again.

use std::path::Path;

use ringwood::{Db, Durability, IoChoice};
use ringwood_ring::{Disk, SimDisk};

use super::recovery::contents;
use super::run::{DIR, Run};
use crate::reference::{Change, DEFAULT, Entries, Loss};

impl Run {
    /// `image` is as the crash left it; `found` is what its opening found on the simulated disk.
    pub(super) fn check_on_kernel(
        &mut self,
        image: &SimDisk,
        loss: Loss,
        context: &str,
        found: &std::collections::BTreeMap<String, Entries>,
    ) {
        let Some(base) = &self.plan.kernel else { return };
        let made = tempfile::Builder::new().prefix("image-").tempdir_in(base);
        let dir = made.unwrap_or_else(|e| panic!("no directory in {}: {e}", base.display()));
        write_out(image, dir.path());
        let options = self.options.clone().io(IoChoice::Uring);
        let open = |when: &str| {
            let opened = options.clone().open(dir.path().join(DIR.trim_start_matches('/')));
            opened.unwrap_or_else(|e| panic!("{context}, on the kernel: it does not open {when}: {e}"))
        };
        let read = |db: &Db| contents(db).unwrap_or_else(|e| panic!("{context}, on the kernel: {e}"));
        let mut reference = self.reference.clone();
        let db = open("at first");
        let same = read(&db);
        assert!(same == *found, "{context}: the kernel shows another store than the simulated disk");
        reference
            .recover(loss, &same)
            .unwrap_or_else(|complaint| panic!("{context}, on the kernel: {complaint}"));
        let change = Change { space: DEFAULT, key: b"after".to_vec(), value: Some(b"image".to_vec()) };
        let commit = reference.write(Durability::Synced, std::slice::from_ref(&change));
        let written = db.put_with(b"after", b"image", Durability::Synced);
        written.unwrap_or_else(|e| panic!("{context}, on the kernel: it takes no writes: {e}"));
        reference.acknowledge(commit);
        drop(db);
        let db = open("again");
        let last = reference.recover(Loss::Process, &read(&db));
        last.unwrap_or_else(|complaint| panic!("{context}, on the kernel, then a write: {complaint}"));
        self.counts.on_kernel += 1;
    }
}

/// Writes all files and directories of a simulated disk below `target`.
#[allow(clippy::disallowed_methods, reason = "the image is written past the store")]
fn write_out(image: &SimDisk, target: &Path) {
    image.clear_faults();
    image.process_death(); // A copy is of the process that made it; this is the next one.
    let place = |path: &Path| target.join(path.strip_prefix("/").expect("absolute paths"));
    for dir in [Path::new(DIR), &Path::new(DIR).join("wal")] {
        if image.list(dir).is_ok() {
            std::fs::create_dir_all(place(dir)).expect("room for the image");
        }
    }
    for path in image.file_names() {
        let bytes = image.read_raw(&path).expect("it was listed");
        std::fs::write(place(&path), bytes).expect("room for the image");
    }
}
