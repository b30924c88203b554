//! Death of the process, cuts at a counted operation, images; and what the dead may still do: nothing.

use std::collections::BTreeSet;

use ringwood_ring::{Disk, IoError, OpenOptions, PAGE, SimConfig, SimDisk};

use crate::support::*;

#[test]
fn process_death_keeps_all_that_completed() {
    for seed in 0..200 {
        let disk = disk(seed);
        let mut lane = lane(&disk);
        let file = create(&disk, "/f");
        ok(&mut *lane, write(&file, 0, 3, 2));
        disk.rename("/f".as_ref(), "/g".as_ref()).unwrap();
        disk.process_death();
        assert_eq!(disk.file_names(), [std::path::PathBuf::from("/g")]);
        assert_eq!(bytes(&disk, "/g"), vec![2; 3 * PAGE]);
        assert_eq!(disk.generation(), 1);
    }
}

#[test]
fn an_operation_in_flight_is_torn_at_process_death() {
    let (mut none, mut whole, mut part) = (0, 0, 0);
    for seed in 0..500 {
        let disk = disk(seed);
        let mut lane = lane(&disk);
        let file = durable_file(&disk, "/f", 4, 1);
        lane.push(0, write(&file, 0, 4, 2)).unwrap();
        lane.submit().unwrap();
        disk.process_death();
        let sectors = sectors(&bytes(&disk, "/f"));
        match sectors.iter().filter(|t| **t == 2).count() {
            0 => none += 1,
            32 => whole += 1,
            _ => part += 1,
        }
        assert!(sectors.iter().all(|t| [1, 2].contains(t)));
    }
    assert!(none > 50 && whole > 50 && part > 50, "{none} {whole} {part}");
}

#[test]
fn queued_operations_never_reach_the_disk() {
    for seed in 0..100 {
        let disk = disk(seed);
        let mut lane = lane(&disk);
        let file = durable_file(&disk, "/f", 1, 1);
        lane.push(0, write(&file, 0, 1, 2)).unwrap();
        disk.process_death();
        assert_eq!(bytes(&disk, "/f"), vec![1; PAGE]);
    }
}

/// A chain of write, sync, write cut in flight: the sync implies the first write, the second write implies the sync.
#[test]
fn a_chain_in_flight_is_cut_in_order() {
    let mut seen = BTreeSet::new();
    for seed in 0..2000 {
        let disk = disk_with(seed, SimConfig::calm());
        let mut lane = lane(&disk);
        let file = durable_file(&disk, "/f", 2, 1);
        chain(&mut *lane, vec![write(&file, 0, 1, 2), sync(&file), write(&file, 1, 1, 3)]);
        lane.submit().unwrap();
        disk.power_loss(seed);
        let sectors = sectors(&bytes(&disk, "/f"));
        let first = sectors[..8].iter().filter(|t| **t == 2).count();
        let second = sectors[8..].iter().filter(|t| **t == 3).count();
        assert!(second == 0 || first == 8, "the second write came without the synced first, seed {seed}");
        seen.insert((first.min(1) + first / 8, second.min(1) + second / 8));
    }
    // None, part or all of the first; all of the first with none, part or all of the second.
    assert_eq!(seen, BTreeSet::from([(0, 0), (1, 0), (2, 0), (2, 1), (2, 2)]));
}

fn assert_dead<T: std::fmt::Debug>(result: Result<T, IoError>) {
    let error = result.unwrap_err();
    assert!(SimDisk::is_dead_error(&error), "{error}");
    assert!(error.to_string().contains("the process died"), "{error}");
}

#[test]
fn the_dead_process_can_do_nothing_and_gets_its_buffers_back() {
    for way in 0..2 {
        let disk = disk(4);
        let mut lane = lane(&disk);
        let file = durable_file(&disk, "/f", 4, 1);
        let lock = disk.lock_dir("/".as_ref()).unwrap();
        for token in 0..3 {
            lane.push(token, read(&file, token, 1)).unwrap();
        }
        lane.submit().unwrap();
        lane.push(3, write(&file, 0, 1, 9)).unwrap();
        if way == 0 {
            disk.process_death();
        } else {
            disk.power_loss(1);
        }
        // The new process has the directory and the file.
        let new_lock = disk.lock_dir("/".as_ref()).unwrap();
        drop(lock);
        assert!(disk.lock_dir("/".as_ref()).is_err(), "a dead lock released a living one");
        drop(new_lock);
        let mut done = Vec::new();
        while lane.in_flight() > 0 {
            lane.reap(1, &mut done).unwrap();
        }
        assert_eq!(done.len(), 4);
        for completion in done {
            assert!(completion.buf.is_some());
            if completion.token == 3 {
                assert_dead(completion.result);
            }
        }
        assert_dead(lane.reap(1, &mut Vec::new()));
        assert_dead(lane.submit());
        assert_dead(disk.len(&file));
        assert_dead(disk.allocate(&file, 1).map(drop));
        assert_dead(disk.truncate(&file, 0));
        assert_dead(disk.map_shared(&file, 1));
        // A dead file on a living lane.
        let mut new_lane = lane_of(&disk, 4);
        assert_dead(run(&mut *new_lane, write(&file, 0, 1, 9)).result);
        assert_eq!(bytes(&disk, "/f"), vec![1; 4 * PAGE]);
        let file = open(&disk, "/f");
        assert_eq!(ok(&mut *new_lane, write(&file, 0, 1, 9)), PAGE);
    }
}

#[test]
fn a_chain_of_the_dead_comes_back_in_order() {
    for seed in 0..50 {
        let disk = disk(seed);
        let mut lane = lane(&disk);
        let file = durable_file(&disk, "/f", 4, 1);
        chain(&mut *lane, vec![write(&file, 0, 1, 2), sync(&file), write(&file, 1, 1, 2)]);
        lane.submit().unwrap();
        disk.process_death();
        let tokens: Vec<u64> = run_all(&mut *lane).iter().map(|c| c.token).collect();
        assert_eq!(tokens, [0, 1, 2]);
    }
}

#[test]
fn a_dropped_dead_lane_gives_its_buffers_back() {
    let disk = disk(4);
    let mut lane = lane(&disk);
    let file = durable_file(&disk, "/f", 4, 1);
    let before = disk.arena().allocated();
    for token in 0..3 {
        lane.push(token, read(&file, token, 1)).unwrap();
    }
    lane.submit().unwrap();
    disk.process_death();
    drop(lane);
    assert_eq!(disk.arena().allocated(), before);
}

/// One fixed workload, as a store would do it: write a file, sync it, name it, sync the directory.
fn install(disk: &SimDisk) -> Result<(), IoError> {
    let mut lane = disk.lane(ringwood_ring::LaneSpec {
        class: ringwood_ring::Class::Flush,
        depth: 8,
        owner: ringwood_ring::Owner::Pool,
    })?;
    let tmp = disk.open("/tmp".as_ref(), OpenOptions::CREATE)?;
    let mut done = Vec::new();
    for page in 0..4 {
        lane.push(page, write(&tmp, page, 1, 5)).unwrap();
    }
    while lane.in_flight() > 0 {
        lane.reap(4, &mut done)?;
    }
    for completion in done {
        completion.result?;
    }
    run(&mut *lane, sync(&tmp)).result?;
    disk.rename("/tmp".as_ref(), "/current".as_ref())?;
    disk.sync_dir("/".as_ref())
}

#[test]
fn every_cut_leaves_the_old_file_or_the_new() {
    let total = {
        let disk = disk_with(1, SimConfig::calm());
        durable_file(&disk, "/current", 2, 1);
        let before = disk.operations();
        install(&disk).unwrap();
        disk.operations() - before
    };
    assert!(total >= 8);
    let (mut old, mut new) = (0, 0);
    for cut in 0..=total + 2 {
        for seed in 0..20 {
            let disk = disk_with(1, SimConfig::calm());
            durable_file(&disk, "/current", 2, 1);
            disk.crash_after(cut);
            let result = install(&disk);
            assert_eq!(result.is_ok(), cut >= total, "cut {cut} of {total}");
            assert_eq!(disk.is_dead(), cut < total);
            if let Err(error) = &result {
                assert!(SimDisk::is_dead_error(error));
                assert!(disk.lock_dir("/".as_ref()).is_err() && disk.list("/".as_ref()).is_err());
            }
            disk.power_loss(seed);
            assert!(!disk.is_dead());
            let bytes = bytes(&disk, "/current");
            if bytes == vec![1; 2 * PAGE] {
                assert!(result.is_err(), "an installed file was lost");
                old += 1;
            } else {
                assert_eq!(bytes, vec![5; 4 * PAGE], "cut {cut} seed {seed}");
                new += 1;
            }
        }
    }
    assert!(old > 20 && new > 20);
}

/// The cut works inside recovery too, and a process death at the cut keeps what completed.
#[test]
fn a_cut_after_a_cut() {
    let disk = disk(2);
    disk.crash_after(0);
    assert!(disk.open("/a".as_ref(), OpenOptions::CREATE).is_err());
    disk.process_death();
    disk.crash_after(1);
    create(&disk, "/a");
    assert!(disk.remove("/a".as_ref()).is_err());
    disk.process_death();
    assert_eq!(disk.file_names(), [std::path::PathBuf::from("/a")]);
    disk.remove("/a".as_ref()).unwrap();
}

#[test]
fn images_are_power_losses_that_disturb_nothing() {
    let run_with = |images: bool| {
        let config = SimConfig { trace_events: 10_000, ..SimConfig::default() };
        let disk = disk_with(5, config);
        let mut lane = lane(&disk);
        let file = durable_file(&disk, "/f", 4, 1);
        let mut seen = BTreeSet::new();
        for round in 0..20u8 {
            lane.push(1, write(&file, u64::from(round % 4), 1, round + 2)).unwrap();
            lane.submit().unwrap();
            if images {
                for seed in 0..20 {
                    let image = disk.image(seed);
                    assert_eq!(bytes(&image, "/f"), bytes(&disk.image(seed), "/f"));
                    let copy = disk.fork();
                    assert!(copy.is_dead());
                    copy.power_loss(seed);
                    assert_eq!(bytes(&image, "/f"), bytes(&copy, "/f"));
                    seen.insert(bytes(&image, "/f"));
                    // An image is a disk of its own.
                    let file = open(&image, "/f");
                    let mut lane = lane_of(&image, 4);
                    ok(&mut *lane, write(&file, 0, 4, 99));
                }
            }
            run_all(&mut *lane);
            if round % 7 == 6 {
                ok(&mut *lane, sync(&file));
            }
        }
        if images {
            assert!(seen.len() > 20);
        }
        disk.power_loss(3);
        (disk.trace(), bytes(&disk, "/f"))
    };
    assert_eq!(run_with(false), run_with(true));
}

/// A fork is the disk at that moment in every respect: the same death leaves the same bytes.
#[test]
fn a_fork_dies_as_the_disk_does() {
    let mut seen = BTreeSet::new();
    for seed in 0..50 {
        let disk = disk(seed);
        let mut lane = lane(&disk);
        let file = durable_file(&disk, "/f", 4, 1);
        for page in 0..4 {
            lane.push(page, write(&file, page, 1, 2)).unwrap();
        }
        lane.submit().unwrap();
        let fork = disk.fork();
        fork.process_death();
        disk.process_death();
        assert_eq!(bytes(&fork, "/f"), bytes(&disk, "/f"));
        assert_eq!((fork.random(), fork.now()), (disk.random(), disk.now()));
        seen.insert(bytes(&disk, "/f"));
    }
    assert!(seen.len() > 10);
}

#[test]
fn a_file_of_one_disk_is_dead_on_another() {
    let disk = disk(1);
    let file = durable_file(&disk, "/f", 1, 1);
    let image = disk.image(1);
    assert_dead(image.len(&file));
    assert_eq!(disk.len(&file).unwrap(), PAGE as u64);
}
