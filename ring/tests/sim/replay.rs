//! A seed decides everything; and an oracle that knows only the rules agrees with every outcome.

use std::collections::BTreeSet;

use ringwood_ring::{Disk, Op, PAGE, SimConfig, SimDisk};

use crate::support::*;

/// A small generator of its own: the workload must not share the disk's.
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }
}

fn hostile() -> SimConfig {
    SimConfig { short_transfer: 0.2, retry: 0.2, slow: 0.2, trace_events: 100_000, ..SimConfig::default() }
}

fn wild(seed: u64) -> (String, Vec<Vec<u8>>) {
    let config = SimConfig {
        read_error: 0.02,
        write_error: 0.02,
        sync_error: 0.02,
        dir_sync_error: 0.02,
        garbage_in_grown_space: true,
        bit_rot: 0.01,
        ..hostile()
    };
    let disk = disk_with(seed, config);
    let mut draw = Draw(seed);
    for round in 0..4 {
        let mut lanes = [lane(&disk), lane(&disk)];
        for n in 0..40 {
            let path = format!("/f{}", draw.below(4));
            let options = ringwood_ring::OpenOptions {
                write: true,
                direct: true,
                create: ringwood_ring::Create::IfMissing,
            };
            let lane = &mut *lanes[draw.below(2) as usize];
            let Ok(file) = disk.open(path.as_ref(), options) else {
                continue;
            };
            match draw.below(8) {
                0 => drop(disk.sync_dir("/".as_ref())),
                1 => drop(disk.rename(path.as_ref(), format!("/f{}", draw.below(4)).as_ref())),
                2 => drop(disk.remove(path.as_ref())),
                3 => drop(disk.truncate(&file, draw.below(40_000))),
                4 => drop(lane.push(n, sync(&file))),
                5 => drop(lane.push(n, read(&file, draw.below(8), 2))),
                _ => drop(lane.push(n, write(&file, draw.below(8), 3, n as u8 + 1))),
            }
            lane.reap(draw.below(3) as usize, &mut Vec::new()).unwrap();
        }
        if round % 2 == 0 {
            disk.process_death();
        } else {
            disk.power_loss(seed + round);
        }
    }
    let files = disk.file_names().iter().map(|path| disk.read_raw(path).unwrap()).collect();
    (disk.trace(), files)
}

#[test]
fn a_seed_replays_exactly() {
    let mut traces = BTreeSet::new();
    for seed in 0..20 {
        let (first, second) = (wild(seed), wild(seed));
        assert!(first.0.lines().count() > 100);
        assert_eq!(first, second, "seed {seed}");
        traces.insert(first.0);
    }
    assert_eq!(traces.len(), 20, "different seeds go different ways");
}

#[test]
fn the_trace_is_bounded_and_readable() {
    let config = SimConfig { trace_events: 5, ..SimConfig::calm() };
    let disk = disk_with(1, config);
    let mut lane = lane(&disk);
    let file = create(&disk, "/f");
    for page in 0..9 {
        ok(&mut *lane, write(&file, page, 1, 1));
    }
    disk.sync_dir("/no".as_ref()).unwrap_err();
    let trace = disk.trace();
    assert_eq!(trace.lines().count(), 6, "{trace}");
    assert!(trace.starts_with("(6 earlier events dropped)"), "{trace}");
    assert!(trace.contains("write            /f 32768..36864 = 4096"), "{trace}");
    assert!(trace.contains("sync             /no = errno 2"), "{trace}");
    assert_eq!(disk_with(1, SimConfig::calm()).trace(), "");
}

const PAGES: usize = 6;

/// What each sector may hold after a power loss, by the rules alone: its durable tag and those written since.
struct Oracle {
    legal: Vec<BTreeSet<u8>>,
    now: Vec<u8>,
}

impl Oracle {
    fn wrote(&mut self, page: u64, pages: usize, tag: u8) {
        for sector in page as usize * 8..(page as usize + pages) * 8 {
            self.legal[sector].insert(tag);
            self.now[sector] = tag;
        }
    }

    fn synced(&mut self) {
        for (legal, now) in self.legal.iter_mut().zip(&self.now) {
            *legal = BTreeSet::from([*now]);
        }
    }
}

/// Random writes and syncs with images all along: each sector of each image is legal, and over the images most legal
/// tags of un-synced sectors are met.
#[test]
fn every_image_is_legal() {
    let (mut met, mut possible, mut images) = (0, 0, 0u32);
    for seed in 0..60 {
        let disk = disk_with(seed, hostile());
        let mut draw = Draw(seed * 77 + 1);
        let file = durable_file(&disk, "/f", PAGES, 1);
        let mut lane = lane(&disk);
        let mut oracle = Oracle { legal: vec![BTreeSet::from([1]); PAGES * 8], now: vec![1; PAGES * 8] };
        for round in 0..40u8 {
            let tag = round + 2;
            let page = draw.below(PAGES as u64);
            let pages = 1 + draw.below(PAGES as u64 - page) as usize;
            match draw.below(10) {
                0 => {
                    ok(&mut *lane, sync(&file));
                    oracle.synced();
                }
                1 => {
                    chain(&mut *lane, vec![write(&file, page, pages, tag), sync(&file)]);
                    assert!(run_all(&mut *lane).iter().all(|c| c.result.is_ok()));
                    oracle.wrote(page, pages, tag);
                    oracle.synced();
                }
                2 => {
                    ok(&mut *lane, write_dsync(&file, page, pages, tag));
                    oracle.wrote(page, pages, tag);
                    for sector in page as usize * 8..(page as usize + pages) * 8 {
                        oracle.legal[sector] = BTreeSet::from([tag]);
                    }
                }
                3 => {
                    // In flight at the image: legal in any part from here on.
                    lane.push(1, write(&file, page, pages, tag)).unwrap();
                    lane.submit().unwrap();
                    oracle.wrote(page, pages, tag);
                }
                _ => {
                    ok(&mut *lane, write(&file, page, pages, tag));
                    oracle.wrote(page, pages, tag);
                }
            }
            let mut seen = vec![BTreeSet::new(); PAGES * 8];
            for loss in 0..12 {
                images += 1;
                let image = sectors(&bytes(&disk.image(loss * 1000 + seed), "/f"));
                assert_eq!(image.len(), PAGES * 8);
                for (sector, tag) in image.into_iter().enumerate() {
                    assert!(
                        oracle.legal[sector].contains(&tag),
                        "seed {seed} round {round}: sector {sector} holds {tag}, legal {:?}",
                        oracle.legal[sector]
                    );
                    seen[sector].insert(tag);
                }
            }
            met += seen.iter().map(BTreeSet::len).sum::<usize>();
            possible += oracle.legal.iter().map(|l| l.len().min(12)).sum::<usize>();
            run_all(&mut *lane);
            assert_eq!(sectors(&bytes(&disk, "/f")), oracle.now);
        }
    }
    assert!(images > 20_000);
    assert!(met * 10 > possible * 7, "{met} of {possible} legal tags met");
}

/// A cycle of many small files and crashes stays small: nothing of the dead is kept.
#[test]
fn nothing_piles_up() {
    let disk = disk(1);
    let before = disk.arena().allocated();
    for round in 0..200u64 {
        let mut lane = lane(&disk);
        let file = create(&disk, "/f");
        ok(&mut *lane, write(&file, 0, 8, 1));
        lane.push(1, read(&file, 0, 8)).unwrap();
        lane.submit().unwrap();
        disk.process_death();
        assert!(lane.push(2, Op::Sync { file, data_only: true }).is_ok());
        drop(lane);
        disk.remove("/f".as_ref()).unwrap();
        disk.sync_dir("/".as_ref()).unwrap();
        assert_eq!(disk.arena().allocated(), before, "round {round}");
        assert!(format!("{disk:?}").starts_with("SimDisk(0 files"), "{disk:?}");
    }
    let _: &SimDisk = &disk;
    assert_eq!(disk.space("/".as_ref()).unwrap().free % PAGE as u64, 0);
}
