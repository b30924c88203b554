//! Many crashes at one moment: images of the running disk, each opened and compared, while the run goes on undisturbed.

use std::sync::Arc;

use ringwood::Durability;
use ringwood_ring::SimDisk;

use super::faults::ROOMY;
use super::plan::Exact;
use super::recovery::contents;
use super::run::{DIR, Run};
use crate::reference::{Change, DEFAULT, Loss};

impl Run {
    pub(super) fn check_images(&mut self) {
        if self.disk.is_dead() || self.lie.is_some() {
            return;
        }
        self.note("images");
        for _ in 0..self.rng.within(1..=3) {
            let seed = self.rng.next();
            let (image, loss) = if self.rng.one_in(3) {
                let image = self.disk.fork();
                image.process_death();
                (image, Loss::Process)
            } else {
                (self.disk.image(seed), Loss::Power)
            };
            self.check_image(&image, loss, seed);
        }
    }

    /// The images of an enumerated cut, and the disk as the death of the process leaves it.
    pub(super) fn check_exact_images(&mut self) {
        let Some(Exact::Cut { images, .. }) = self.plan.exact else { return };
        for seed in 0..images {
            self.check_image(&self.disk.image(seed), Loss::Power, seed);
        }
        let dead = self.disk.fork();
        dead.process_death();
        self.check_image(&dead, Loss::Process, 0);
    }

    /// The image opens, holds what it must, opens a second time just the same, and what is written after that stays.
    fn check_image(&mut self, image: &Arc<SimDisk>, loss: Loss, seed: u64) {
        self.counts.images += 1;
        let untouched = self.plan.kernel.is_some().then(|| image.fork());
        image.clear_faults();
        image.configure(|config| (config.read_error, config.files_max) = (0.0, usize::MAX));
        image.set_capacity(ROOMY);
        let mut reference = self.reference.clone();
        let context = format!("image {seed:#x} after {loss:?}");
        let options = self.options.clone();
        let open = |image: &Arc<SimDisk>| {
            let opened = options.clone().open_on(image.clone(), DIR, true);
            let db = opened.unwrap_or_else(|e| panic!("{context}: it does not open: {e}"));
            let found = contents(&db).unwrap_or_else(|e| panic!("{context}: it cannot be read: {e}"));
            (db, found)
        };
        let (db, before) = open(image);
        if let Err(complaint) = reference.recover(loss, &before) {
            panic!("{context}: {complaint}");
        }
        // The power fails right after it was opened: what a reader saw stays.
        let again = image.image(seed ^ 1);
        let (second, same) = open(&again);
        assert!(before == same, "{context}: a second opening after a power loss shows another store");
        drop(second);
        // What is written after the recovery survives the next cut, and so does all before it.
        let change = Change { space: DEFAULT, key: b"after".to_vec(), value: Some(b"image".to_vec()) };
        let commit = reference.write(Durability::Synced, std::slice::from_ref(&change));
        match db.put_with(b"after", b"image", Durability::Synced) {
            Ok(()) => reference.acknowledge(commit),
            Err(error) => panic!("{context}: it takes no writes: {error}"),
        }
        let last = image.image(seed ^ 2);
        let (db, found) = open(&last);
        if let Err(complaint) = reference.recover(Loss::Power, &found) {
            panic!("{context}, then a write and a power loss: {complaint}");
        }
        drop(db);
        if let Some(untouched) = untouched {
            self.check_on_kernel(&untouched, loss, &context, &before);
        }
    }
}
