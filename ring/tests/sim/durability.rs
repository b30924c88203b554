//! Bytes through a power loss: what is synced stays for ever, what is not may go either way, sector by sector.

use std::collections::BTreeSet;

use ringwood_ring::{Disk, PAGE, SimConfig};

use crate::support::*;

#[test]
fn synced_bytes_are_never_lost() {
    for seed in 0..1000 {
        let disk = disk(seed);
        let mut lane = lane(&disk);
        let file = durable_file(&disk, "/f", 4, 1);
        ok(&mut *lane, write(&file, 1, 6, 2));
        ok(&mut *lane, sync(&file));
        for (loss, page) in [(seed, 7u64), (seed ^ 99, 8)] {
            // Un-synced writes elsewhere in the file take nothing along.
            let file = open(&disk, "/f");
            let mut lane = lane_of(&disk, 4);
            ok(&mut *lane, write(&file, page, 1, 3));
            disk.power_loss(loss);
            let bytes = bytes(&disk, "/f");
            assert!(bytes[..PAGE].iter().all(|b| *b == 1));
            assert!(bytes[PAGE..7 * PAGE].iter().all(|b| *b == 2), "seed {seed}");
        }
    }
}

#[test]
fn a_dsync_write_is_durable_and_no_other() {
    let mut others = BTreeSet::new();
    for seed in 0..500 {
        let disk = disk(seed);
        let mut lane = lane(&disk);
        let file = durable_file(&disk, "/f", 4, 1);
        ok(&mut *lane, write(&file, 0, 1, 2));
        ok(&mut *lane, write_dsync(&file, 2, 4, 3));
        disk.power_loss(seed);
        let bytes = bytes(&disk, "/f");
        assert!(bytes[2 * PAGE..6 * PAGE].iter().all(|b| *b == 3), "seed {seed}");
        assert_eq!(bytes.len(), 6 * PAGE);
        others.insert(bytes[0]);
    }
    assert_eq!(others, BTreeSet::from([1, 2]));
}

/// Four pages, each written once over durable bytes and not synced: every kind of outcome is met, and nothing else.
#[test]
fn unsynced_writes_survive_in_every_way() {
    let (mut kept, mut lost, mut torn, mut later_alone, mut earlier_alone) = (0, 0, 0, 0, 0);
    let mut all_torn = 0;
    for seed in 0..1000 {
        let disk = disk(seed);
        let mut lane = lane(&disk);
        let file = durable_file(&disk, "/f", 4, 1);
        for page in 0..4 {
            ok(&mut *lane, write(&file, page, 1, 2));
        }
        disk.power_loss(seed);
        let sectors = sectors(&bytes(&disk, "/f"));
        assert_eq!(sectors.len(), 32);
        assert!(sectors.iter().all(|tag| [1, 2].contains(tag)));
        let page = |n: usize| &sectors[n * 8..][..8];
        let is = |n: usize, tag: u8| page(n).iter().all(|t| *t == tag);
        kept += u32::from((0..4).all(|n| is(n, 2)));
        lost += u32::from((0..4).all(|n| is(n, 1)));
        let torn_pages = (0..4).filter(|n| !is(*n, 1) && !is(*n, 2)).count();
        torn += u32::from(torn_pages > 0);
        all_torn += u32::from(torn_pages == 4);
        later_alone += u32::from(is(0, 1) && is(3, 2));
        earlier_alone += u32::from(is(0, 2) && is(3, 1));
    }
    for count in [kept, lost, torn, all_torn, later_alone, earlier_alone] {
        assert!(count > 20, "{kept} {lost} {torn} {all_torn} {later_alone} {earlier_alone}");
    }
}

#[test]
fn an_overwritten_sector_is_old_intermediate_or_new() {
    let mut seen = BTreeSet::new();
    for seed in 0..500 {
        let disk = disk(seed);
        let mut lane = lane(&disk);
        let file = durable_file(&disk, "/f", 1, 1);
        for tag in 2..=4 {
            ok(&mut *lane, write(&file, 0, 1, tag));
        }
        disk.power_loss(seed);
        seen.extend(sectors(&bytes(&disk, "/f")));
    }
    assert_eq!(seen, BTreeSet::from([1, 2, 3, 4]));
}

#[test]
fn a_grown_file_has_any_of_its_lengths() {
    let mut lengths = BTreeSet::new();
    let mut fills = BTreeSet::new();
    for seed in 0..1000 {
        let disk = disk(seed);
        let mut lane = lane(&disk);
        let file = durable_file(&disk, "/f", 1, 1);
        ok(&mut *lane, write(&file, 1, 1, 2));
        ok(&mut *lane, write(&file, 2, 1, 3));
        disk.power_loss(seed);
        let bytes = bytes(&disk, "/f");
        lengths.insert(bytes.len() / PAGE);
        fills.extend(sectors(&bytes[PAGE..]));
    }
    assert_eq!(lengths, BTreeSet::from([1, 2, 3]));
    assert_eq!(fills, BTreeSet::from([0, 2, 3]), "grown space holds the new bytes or zeros");
}

#[test]
fn grown_space_holds_garbage_if_told() {
    let config = SimConfig { garbage_in_grown_space: true, ..SimConfig::default() };
    let (mut random, mut stale, mut zeros) = (0, 0, 0);
    for seed in 0..400 {
        let disk = disk_with(seed, config.clone());
        let mut lane = lane(&disk);
        let old = durable_file(&disk, "/old", 1, 77);
        drop(old);
        disk.remove("/old".as_ref()).unwrap();
        disk.sync_dir("/".as_ref()).unwrap();
        let file = durable_file(&disk, "/f", 1, 1);
        disk.allocate(&file, 8 * PAGE as u64).unwrap();
        ok(&mut *lane, write(&file, 1, 1, 2));
        disk.power_loss(seed);
        let bytes = bytes(&disk, "/f");
        assert!(bytes[..PAGE].iter().all(|b| *b == 1), "garbage in space that was durable");
        for sector in bytes[PAGE..].chunks(512) {
            let uniform = sector.iter().all(|b| *b == sector[0]);
            random += u32::from(!uniform);
            stale += u32::from(uniform && sector[0] == 77);
            zeros += u32::from(uniform && sector[0] == 0);
        }
    }
    assert!(random > 50 && stale > 50 && zeros > 50, "{random} {stale} {zeros}");
}

#[test]
fn space_allocated_and_synced_is_zeros() {
    let config = SimConfig { garbage_in_grown_space: true, ..SimConfig::default() };
    for seed in 0..200 {
        let disk = disk_with(seed, config.clone());
        let mut lane = lane(&disk);
        let file = durable_file(&disk, "/f", 1, 1);
        disk.allocate(&file, 4 * PAGE as u64).unwrap();
        ok(&mut *lane, sync(&file));
        disk.power_loss(seed);
        let bytes = bytes(&disk, "/f");
        assert_eq!(bytes.len(), 4 * PAGE);
        assert!(bytes[PAGE..].iter().all(|b| *b == 0));
    }
}

/// A cut is one change of the file: it survives with the length and the bytes beyond it gone, or not at all.
#[test]
fn a_cut_that_is_not_synced_may_come_back() {
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let disk = disk(seed);
        let mut lane = lane(&disk);
        let file = durable_file(&disk, "/f", 4, 1);
        disk.truncate(&file, 5000).unwrap();
        assert_eq!(bytes(&disk, "/f"), vec![1; 5000]);
        if seed % 2 == 0 {
            ok(&mut *lane, sync(&file));
            disk.power_loss(seed);
            assert_eq!(bytes(&disk, "/f"), vec![1; 5000]);
            continue;
        }
        disk.power_loss(seed);
        seen.insert(bytes(&disk, "/f"));
    }
    assert_eq!(seen, BTreeSet::from([vec![1; 5000], vec![1; 4 * PAGE]]));
}

/// Bytes that a cut took away do not show through when the file grows again.
#[test]
fn a_file_cut_and_grown_again_shows_no_old_bytes() {
    let mut seen = BTreeSet::new();
    for seed in 0..400 {
        let disk = disk(seed);
        let mut lane = lane(&disk);
        let file = durable_file(&disk, "/f", 3, 1);
        ok(&mut *lane, write(&file, 1, 1, 2));
        disk.truncate(&file, PAGE as u64).unwrap();
        disk.allocate(&file, 4 * PAGE as u64).unwrap();
        assert_eq!(bytes(&disk, "/f")[PAGE..], vec![0; 3 * PAGE]);
        disk.power_loss(seed);
        let bytes = bytes(&disk, "/f");
        assert!(bytes[..PAGE].iter().all(|b| *b == 1));
        let tags: BTreeSet<u8> = sectors(&bytes[PAGE..]).into_iter().collect();
        match bytes.len() / PAGE {
            1 => assert_eq!(tags.len(), 0),
            3 => assert!(!tags.contains(&0)),
            _ => assert_eq!(tags, BTreeSet::from([0])),
        }
        seen.insert(bytes.len() / PAGE);
    }
    assert_eq!(seen, BTreeSet::from([1, 3, 4]));
}

/// An unlinked sync covers the writes that had completed when it began: those submitted with it may miss it.
#[test]
fn a_sync_does_not_cover_writes_in_flight() {
    let mut seen = BTreeSet::new();
    for seed in 0..300 {
        let disk = disk(seed);
        let mut lane = lane(&disk);
        let file = durable_file(&disk, "/f", 1, 1);
        lane.push(0, write(&file, 0, 1, 2)).unwrap();
        lane.push(1, sync(&file)).unwrap();
        let order: Vec<u64> = run_all(&mut *lane).iter().map(|c| c.token).collect();
        disk.power_loss(seed);
        seen.insert((order[0] == 0, bytes(&disk, "/f")[0]));
    }
    // Whichever completes first: kept or lost.
    assert_eq!(seen, BTreeSet::from([(false, 1), (false, 2), (true, 1), (true, 2)]));
}

#[test]
fn a_linked_sync_covers_its_write() {
    for seed in 0..300 {
        let disk = disk(seed);
        let mut lane = lane(&disk);
        let file = durable_file(&disk, "/f", 1, 1);
        chain(&mut *lane, vec![write(&file, 0, 3, 2), sync(&file)]);
        lane.push(9, write(&file, 5, 1, 3)).unwrap();
        assert!(run_all(&mut *lane).iter().all(|c| c.result.is_ok()));
        disk.power_loss(seed);
        assert!(bytes(&disk, "/f")[..3 * PAGE].iter().all(|b| *b == 2), "seed {seed}");
    }
}

#[test]
fn a_second_power_loss_changes_nothing_that_survived_the_first() {
    for seed in 0..200 {
        let disk = disk(seed);
        let mut lane = lane(&disk);
        let file = durable_file(&disk, "/f", 4, 1);
        ok(&mut *lane, write(&file, 0, 6, 2));
        disk.power_loss(seed);
        let first = bytes(&disk, "/f");
        assert_eq!(disk.read_durable("/f").unwrap(), first);
        disk.power_loss(seed + 1);
        assert_eq!(bytes(&disk, "/f"), first);
    }
}

/// The whole disk may also be as it was at an earlier moment: names and bytes of all files together.
#[test]
fn the_disk_may_be_as_it_was_before() {
    let mut prefixes = [0; 7];
    for seed in 0..1000 {
        let disk = disk(seed);
        let mut lane = lane(&disk);
        let first = durable_file(&disk, "/0", 1, 1);
        ok(&mut *lane, write(&first, 0, 1, 2));
        for n in 1..3 {
            let file = create(&disk, &format!("/{n}"));
            ok(&mut *lane, write(&file, 0, 1, 2));
        }
        ok(&mut *lane, write(&first, 0, 1, 3));
        disk.power_loss(seed);
        let state = |n: u32| match disk.read_raw(format!("/{n}")) {
            Err(_) => vec![],
            Ok(bytes) => [vec![9], sectors(&bytes)].concat(),
        };
        let (old, new) = ([vec![9], vec![1; 8]].concat(), [vec![9], vec![2; 8]].concat());
        let (none, empty, last) = (vec![], vec![9], [vec![9], vec![3; 8]].concat());
        let moments = [
            [&old, &none, &none],
            [&new, &none, &none],
            [&new, &empty, &none],
            [&new, &new, &none],
            [&new, &new, &empty],
            [&new, &new, &new],
            [&last, &new, &new],
        ];
        let now = [state(0), state(1), state(2)];
        if let Some(moment) = moments.iter().position(|m| m.iter().zip(&now).all(|(a, b)| *a == b)) {
            prefixes[moment] += 1;
        }
    }
    assert!(prefixes.iter().all(|n| *n > 8), "{prefixes:?}");
}
