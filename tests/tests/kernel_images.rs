//! Images of the simulated disk after crashes, written to real file systems, and opened there through io_uring.
//!
//! Some dozens of images by default; the long run is `ringwood-sim --kernel DIR` and `ringwood-enumerate cuts --kernel DIR`.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::path::Path;

use ringwood::{IoChoice, Options};
use ringwood_tests::model::{self, Counts, Mode, Plan};
use ringwood_tests::volume::{Kind, Volume};
use ringwood_tests::{child, dirs, enumerate, seeds, skip};

/// Why nothing here goes through io_uring, if so.
fn refusal(dir: &Path) -> Option<String> {
    let opened = Options::new().memory(8 << 20).io(IoChoice::Uring).open(dir.join("probe"));
    opened.err().map(|error| error.to_string())
}

fn runs(dir: &Path, first: u64) {
    let mut counts = Counts::default();
    for mode in [Mode::NoFaults, Mode::Storm] {
        for seed in first..first + 3 {
            let plan = Plan { kernel: Some(dir.to_path_buf()), ..Plan::new(mode, seed) };
            seeds::or_say(&format!("ringwood-sim {plan}"), || counts += model::run(&plan).counts);
        }
    }
    println!("{counts}");
    assert!(counts.on_kernel > 10 && counts.on_kernel == counts.images, "{counts}");
}

#[test]
fn images_on_the_file_system_of_the_build() {
    let dir = dirs::fresh();
    if let Some(why) = refusal(dir.path()) {
        return skip("images_on_the_file_system_of_the_build", why);
    }
    runs(dir.path(), 100);
    let tally = enumerate::cuts(131, 1, Some(dir.path()));
    println!("cuts: {tally}");
    assert!(tally.on_kernel > 20, "{tally}");
}

fn on_a_volume(test: &str, kind: Kind, first: u64) {
    child::run(test, || {
        let volume = match Volume::new(kind, Volume::smallest(kind)) {
            Ok(volume) => volume,
            Err(why) => return skip(test, why),
        };
        match refusal(volume.path()) {
            Some(why) => skip(test, why),
            None => runs(volume.path(), first),
        }
    });
}

#[test]
fn images_on_ext4() {
    on_a_volume("images_on_ext4", Kind::Ext4, 200);
}

#[test]
fn images_on_xfs() {
    on_a_volume("images_on_xfs", Kind::Xfs, 300);
}
