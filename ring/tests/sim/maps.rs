//! Shared mappings: coherent with the file, kept through a process death, torn by a power loss.

use std::collections::BTreeSet;

use ringwood_ring::{Create, Disk, File, OpenOptions, PAGE, SharedMap, SimDisk};

use crate::support::*;

const BUFFERED: OpenOptions = OpenOptions { write: true, direct: false, create: Create::Never };

fn mapped(disk: &SimDisk, pages: usize) -> (File, SharedMap) {
    disk.write_raw("/m", &vec![1; pages * PAGE]).unwrap();
    let file = disk.open("/m".as_ref(), BUFFERED).unwrap();
    let map = disk.map_shared(&file, pages * PAGE).unwrap();
    (file, map)
}

fn store(map: &SharedMap, at: usize, bytes: &[u8]) {
    assert!(at + bytes.len() <= map.len());
    // SAFETY: inside the mapping, and only this thread touches it.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), map.as_ptr().as_ptr().add(at), bytes.len()) };
}

fn load(map: &SharedMap, at: usize) -> u8 {
    assert!(at < map.len());
    // SAFETY: as above.
    unsafe { map.as_ptr().as_ptr().add(at).read() }
}

#[test]
fn stores_and_lanes_see_each_other() {
    let disk = disk(1);
    let (file, map) = mapped(&disk, 4);
    let mut lane = lane(&disk);
    assert_eq!(load(&map, 3 * PAGE), 1);
    store(&map, 5000, &[9; 100]);
    let done = run(&mut *lane, read(&file, 1, 1));
    assert_eq!(done.buf.unwrap().as_slice()[5000 - PAGE..][..100], [9; 100]);
    ok(&mut *lane, write(&file, 2, 1, 4));
    assert_eq!((load(&map, 2 * PAGE), load(&map, 5000)), (4, 9));
    let again = disk.map_shared(&file, PAGE * 2).unwrap();
    store(&again, 0, &[7]);
    assert_eq!(load(&map, 0), 7, "two mappings of a file are one memory");
}

#[test]
fn stores_survive_process_death() {
    for seed in 0..50 {
        let disk = disk(seed);
        let (_file, map) = mapped(&disk, 4);
        store(&map, 3000, &[9; 3000]);
        disk.process_death();
        store(&map, 0, &[66; 100]);
        let bytes = bytes(&disk, "/m");
        assert_eq!(bytes[3000..6000], [9; 3000]);
        assert_eq!(bytes[..100], [1; 100], "a dead process stored into the file");
        let file = disk.open("/m".as_ref(), BUFFERED).unwrap();
        let map = disk.map_shared(&file, 4 * PAGE).unwrap();
        assert_eq!((load(&map, 3000), load(&map, 0)), (9, 1));
    }
}

#[test]
fn a_dropped_map_leaves_its_stores() {
    let disk = disk(1);
    let (file, map) = mapped(&disk, 2);
    store(&map, 0, &[5; 10]);
    drop(map);
    disk.truncate(&file, PAGE as u64).unwrap();
    assert_eq!(bytes(&disk, "/m")[..11], [5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 1]);
}

#[test]
fn a_power_loss_takes_unsynced_stores_by_sector() {
    let (mut old, mut new, mut torn, mut between) = (0, 0, 0, 0);
    for seed in 0..400 {
        let disk = disk(seed);
        let (_file, map) = mapped(&disk, 4);
        let other = create(&disk, "/other");
        let mut lane = lane(&disk);
        for round in 2..=3 {
            store(&map, 0, &[round; 4 * PAGE]);
            // Time passes: the kernel may write pages back on its own.
            for _ in 0..8 {
                ok(&mut *lane, write(&other, 0, 1, 1));
            }
        }
        disk.power_loss(seed);
        let sectors = sectors(&bytes(&disk, "/m"));
        assert!(sectors.iter().all(|t| (1..=3).contains(t)));
        let tags: BTreeSet<u8> = sectors.iter().copied().collect();
        old += u32::from(tags == BTreeSet::from([1]));
        new += u32::from(tags == BTreeSet::from([3]));
        between += u32::from(tags.contains(&2));
        torn += u32::from(sectors.chunks(8).any(|page| page.iter().any(|t| *t != page[0])));
    }
    assert!(old > 10 && new > 10 && torn > 10 && between > 10, "{old} {new} {torn} {between}");
}

#[test]
fn a_sync_makes_stores_durable() {
    for seed in 0..200 {
        let disk = disk(seed);
        let (file, map) = mapped(&disk, 4);
        let mut lane = lane(&disk);
        store(&map, 100, &[9; 8000]);
        ok(&mut *lane, sync(&file));
        store(&map, 3 * PAGE, &[8; 10]);
        disk.power_loss(seed);
        assert_eq!(bytes(&disk, "/m")[100..8100], [9; 8000]);
    }
}

#[test]
fn images_take_the_stores_along() {
    let disk = disk(2);
    let (_file, map) = mapped(&disk, 1);
    store(&map, 0, &[2; PAGE]);
    let seen: BTreeSet<u8> = (0..50).map(|seed| bytes(&disk.image(seed), "/m")[0]).collect();
    assert_eq!(seen, BTreeSet::from([1, 2]));
    store(&map, 0, &[3; PAGE]);
    assert_eq!(bytes(&disk, "/m"), vec![3; PAGE]);
}

#[test]
fn what_cannot_be_mapped_is_refused() {
    let disk = disk(1);
    let direct = durable_file(&disk, "/f", 2, 1);
    assert!(disk.map_shared(&direct, PAGE).is_err());
    let file = disk.open("/f".as_ref(), BUFFERED).unwrap();
    assert!(disk.map_shared(&file, 3 * PAGE).is_err(), "beyond the end");
    assert!(disk.map_shared(&file, 0).is_err());
    let reader = OpenOptions { write: false, ..BUFFERED };
    let reader = disk.open("/f".as_ref(), reader).unwrap();
    assert!(disk.map_shared(&reader, PAGE).is_err());
    let map = disk.map_shared(&file, 5000).unwrap();
    assert_eq!((map.len(), load(&map, 4999)), (5000, 1));
}
