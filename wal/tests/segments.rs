//! Segments: prepared ahead, recycled, never believed for what they held before.

#![allow(clippy::disallowed_methods, reason = "the test looks at the files from outside")]
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use common::world::{World, for_each_seed};
use common::{Session, pattern, place, segment_files, small};
use ringwood_ring::{Class, Disk, SimConfig};
use ringwood_wal::WalOptions;

fn one_size() -> WalOptions {
    WalOptions { segment_bytes_max: 64 << 10, ..small() }
}

#[test]
fn segments_grow_while_they_fill_fast_and_not_otherwise() {
    let mut world = World::new(1, SimConfig::calm());
    world.options = small();
    let mut session = world.open().unwrap();
    let largest = |world: &World| {
        let names = world.disk.file_names();
        let logs = names.iter().filter(|n| n.extension().is_some_and(|e| e == "log"));
        logs.map(|n| world.disk.read_raw(n).unwrap().len()).max().unwrap()
    };
    // Slowly: a minute for each segment.
    for _ in 0..200 {
        world.append(&mut session, 1000).unwrap();
        session.settle();
        world.disk.advance(1_000_000_000);
    }
    assert_eq!(largest(&world), 4096 + (64 << 10));
    for _ in 0..1000 {
        world.append(&mut session, 1000).unwrap();
        session.settle();
    }
    assert_eq!(largest(&world), 4096 + (256 << 10));
}

#[test]
fn in_steady_state_segments_are_recycled_and_none_is_created() {
    let place = place();
    let mut session = Session::open(&place.disk, &place.dir, one_size(), 0).unwrap();
    let round = |session: &mut Session| {
        for i in 0..40 {
            // All by the log thread, which looks after segments in between: a leader does not, and with it chance would have a say.
            let end = session.append(&pattern(i, 1600));
            session.log.want_durable(end);
            session.settle();
        }
        session.log.release(session.log.durable());
        session.settle();
    };
    for _ in 0..5 {
        round(&mut session);
    }
    let before = session.log.stats();
    for _ in 0..30 {
        round(&mut session);
    }
    let after = session.log.stats();
    assert!(after.segments_created <= 5, "{after:?}");
    assert!(after.segments_recycled >= before.segments_recycled + 28, "{after:?}");
    assert!(after.disk_bytes <= 6 * (68 << 10) + (132 << 10), "{after:?}");
    assert!(segment_files(&place.dir).len() <= 3);
}

/// A recycled segment is full of records that were valid once. After a crash none of them may come back, at whatever position
/// the new log ends.
#[test]
fn a_recycled_segment_never_replays_what_it_held() {
    for_each_seed(300, |seed| {
        let mut world = World::new(seed, SimConfig::default());
        world.options.segment_bytes_max = 64 << 10;
        let mut session = world.open().unwrap();
        // All batches alike, so that old ones lie exactly where new ones will.
        let len = [40, 104, 1000][world.rng.below(3) as usize];
        for _ in 0..3 {
            while session.log.stats().segments_recycled < 2 {
                world.append(&mut session, len).unwrap();
                if session.appender.position().is_multiple_of(4) && world.rng.one_in(20) {
                    session.log.wait_durable(session.log.appended()).unwrap();
                    let keep = world.rng.below(10) as usize;
                    let upto = world.appended.len().saturating_sub(1 + keep);
                    world.from = world.appended[upto].end;
                    world.appended.drain(..=upto);
                    session.log.release(world.from);
                }
            }
            for _ in 0..world.rng.below(200) {
                world.append(&mut session, len).unwrap();
                if world.rng.one_in(20) {
                    session.step().unwrap();
                }
            }
            world.note_durable(&session);
            drop(session);
            world.crash();
            session = world.open().unwrap();
        }
    });
}

/// Spares in the directory.
fn spares(world: &World) -> u64 {
    let names = world.disk.file_names();
    names.iter().filter(|n| n.to_string_lossy().contains("spare")).count() as u64
}

/// What it was may be needed again: see `recovery/spares.rs`.
#[test]
fn the_spares_of_the_last_process_are_not_used_again() {
    let mut world = World::new(2, SimConfig::calm());
    world.options = one_size();
    let mut session = world.open().unwrap();
    for _ in 0..200 {
        world.append(&mut session, 1000).unwrap();
    }
    session.log.wait_durable(session.log.appended()).unwrap();
    session.log.release(session.log.appended());
    session.settle();
    assert!(spares(&world) > 0);
    world.from = session.log.appended();
    world.appended.clear();
    drop(session);
    world.disk.process_death();
    let mut session = world.open().unwrap();
    assert_eq!(session.log.stats().segments_created, 1);
    assert!(spares(&world) > 0, "removed while someone waits for the opening");
    session.settle();
    // Those of the last process are gone: what is there is what this one recycled.
    assert_eq!(spares(&world), session.log.stats().segments_recycled);
    // The names are free for the spares of this run, which stay.
    for _ in 0..200 {
        world.append(&mut session, 1000).unwrap();
    }
    session.log.wait_durable(session.log.appended()).unwrap();
    session.log.release(session.log.appended());
    session.settle();
    assert!(session.log.stats().segments_recycled > 0);
    assert!(spares(&world) > 0);
}

/// A segment may be released before the pump has removed what was left: a spare that takes the name of one that was must not go with it.
#[test]
fn what_was_left_goes_before_a_spare_takes_its_name() {
    let mut world = World::new(3, SimConfig::calm());
    world.options = one_size();
    let mut session = world.open().unwrap();
    for _ in 0..20 {
        world.append(&mut session, 1000).unwrap();
    }
    session.log.wait_durable(session.log.appended()).unwrap();
    drop(session);
    world.disk.process_death();
    for name in ["spare-0.log", "spare-1.log"] {
        world.disk.write_raw(format!("/log/{name}"), b"too short to be one").unwrap();
    }
    let session = world.open().unwrap();
    // All that was replayed is released before the pump's first step: its segment becomes a spare.
    session.log.release(session.log.appended());
    session.settle();
    assert_eq!(spares(&world), session.log.stats().segments_recycled);
    assert!(spares(&world) > 0);
}

#[test]
fn other_files_are_left_alone_and_leftovers_are_removed() {
    let place = place();
    let names = ["CURRENT", "000012.sst", "1.log", "notes.log"];
    for name in names {
        std::fs::write(place.dir.join(name), name).unwrap();
    }
    for name in ["spare.tmp", "staging.tmp"] {
        std::fs::write(place.dir.join(name), "left by a crash").unwrap();
    }
    std::fs::write(place.dir.join("spare-0.log"), "too short to be one").unwrap();
    let mut session = Session::open(&place.disk, &place.dir, small(), 0).unwrap();
    session.append_durable(b"x");
    session.settle();
    for name in names {
        assert_eq!(std::fs::read_to_string(place.dir.join(name)).unwrap(), name);
    }
    for name in ["spare.tmp", "staging.tmp", "spare-0.log"] {
        assert!(!place.dir.join(name).exists(), "{name}");
    }
}

#[test]
fn released_segments_are_gone_and_the_log_says_where_it_begins() {
    let place = place();
    let mut session = Session::open(&place.disk, &place.dir, one_size(), 0).unwrap();
    assert_eq!(session.log.oldest(), 0);
    let mut ends = Vec::new();
    for i in 0..300 {
        ends.push(session.append_durable(&pattern(i, 1000)));
    }
    assert_eq!(session.log.oldest(), 0);
    session.log.release(ends[150]);
    session.settle();
    let oldest = session.log.oldest();
    assert!(oldest <= ends[150] && ends[150] - oldest < 64 << 10, "{oldest} {}", ends[150]);
    drop(session);
    let session = Session::open(&place.disk, &place.dir, one_size(), ends[150]).unwrap();
    assert_eq!(session.replayed.len(), 149);
    let error = Session::open(&place.disk, &place.dir, one_size(), ends[10]).err().unwrap();
    assert!(error.to_string().contains("is missing"), "{error}");
}

/// Opening is a handful of operations, however large the segments are, if the log was closed.
#[test]
fn opening_a_closed_log_reads_little() {
    let mut world = World::new(3, SimConfig::calm());
    world.options = WalOptions { segment_bytes_min: 16 << 20, ..WalOptions::default() };
    let mut session = world.open().unwrap();
    for _ in 0..100 {
        world.append(&mut session, 1000).unwrap();
    }
    session.appender.close().unwrap();
    drop(session);
    let before = world.disk.counters().snapshot();
    let session = world.open().unwrap();
    assert!(session.report.closed);
    let spent = world.disk.counters().snapshot().since(&before);
    let log = spent.class(Class::Log);
    assert!(log.read_bytes < 2 << 20, "{} bytes read", log.read_bytes);
    assert!(log.syncs <= 4, "{} syncs", log.syncs);
}

/// A log that nobody syncs would write everything twice, zeros and records; one that is synced all the time has its segments written before.
#[test]
fn segments_are_filled_for_a_log_that_is_synced() {
    let mut world = World::new(3, SimConfig::calm());
    world.options = WalOptions { unsynced_bytes_max: 8 << 20, ..one_size() };
    let mut session = world.open().unwrap();
    let write = |session: &mut Session, sync: bool| {
        let before = session.log.stats();
        // Twelve segments.
        for _ in 0..12 * 64 {
            let end = session.append(&pattern(1, 1000));
            if sync {
                session.log.want_durable(end);
            }
            session.settle();
        }
        let after = session.log.stats();
        let made = after.segments_created - before.segments_created;
        assert!(made >= 11, "{made} segments");
        (made, after.segments_filled - before.segments_filled)
    };
    // The first segment, of which nothing is known.
    assert_eq!(session.log.stats().segments_filled, 1);
    let (made, filled) = write(&mut session, false);
    assert_eq!(filled, 0, "of {made}");
    let (made, filled) = write(&mut session, true);
    assert!(filled + 1 >= made, "all but the one that was begun before: {filled} of {made}");
    let (made, filled) = write(&mut session, false);
    assert!(filled <= 1, "{filled} of {made}");
}

/// A spare that was never filled nor written to its end, here of an earlier run, is filled when the log is synced.
#[test]
fn a_spare_that_was_not_written_is_filled_for_syncs() {
    let place = place();
    let mut released = 0;
    for run in 0..2 {
        let mut session = Session::open(&place.disk, &place.dir, one_size(), released).unwrap();
        for _ in 0..100 {
            let end = session.append(&pattern(1, 1000));
            session.log.want_durable(end);
            released = session.log.durable();
            session.log.release(released);
            session.settle();
        }
        let stats = session.log.stats();
        assert!(stats.segments_recycled >= run, "{stats:?}");
        assert!(stats.segments_filled >= stats.segments_created, "{stats:?}");
        assert_eq!(stats.segments_filled, stats.segments_created + run, "{stats:?}");
    }
}

/// Where the file system cannot reserve space, filling does: a full disk has to show before a record is accepted.
#[test]
fn segments_are_filled_where_space_cannot_be_reserved() {
    let mut world = World::new(4, SimConfig { reserves_space: false, ..SimConfig::calm() });
    world.options = WalOptions { unsynced_bytes_max: 8 << 20, ..one_size() };
    let mut session = world.open().unwrap();
    for _ in 0..5 * 64 {
        session.append(&pattern(1, 1000));
        session.settle();
    }
    let stats = session.log.stats();
    assert!(stats.segments_created >= 5, "{stats:?}");
    assert_eq!(stats.segments_filled, stats.segments_created, "{stats:?}");
}
