//! What was appended comes back, byte for byte, whatever its size and place.

#![allow(clippy::disallowed_methods, reason = "the test looks at the files from outside")]
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use common::{Session, pattern, place, small};
use ringwood_wal::{BATCH_BYTES_MAX, WalError, WalErrorKind, WalOptions};

/// Payload of one record: 64 KiB less its header.
const FRAGMENT: usize = (64 << 10) - 16;

#[test]
fn batches_of_every_awkward_size_come_back_in_order() {
    let place = place();
    let mut sizes = vec![0, 1, 7, 8, 9, 15, 16, 17, 100, 4064, 4080, 4081, 4096, 4097];
    sizes.extend([FRAGMENT - 1, FRAGMENT, FRAGMENT + 1, 2 * FRAGMENT, 2 * FRAGMENT + 1, 200_000, 1 << 20]);
    let batches: Vec<Vec<u8>> = sizes.iter().enumerate().map(|(i, &n)| pattern(i as u64, n)).collect();
    let mut session = Session::open(&place.disk, &place.dir, small(), 0).unwrap();
    let mut starts = Vec::new();
    for batch in &batches {
        starts.push(session.appender.position());
        session.append_durable(batch);
    }
    session.appender.close().unwrap();
    drop(session);
    let session = Session::open(&place.disk, &place.dir, small(), 0).unwrap();
    assert!(session.report.closed);
    assert_eq!(session.batches(), batches.iter().map(Vec::as_slice).collect::<Vec<_>>());
    assert_eq!(session.replayed.iter().map(|r| r.0).collect::<Vec<_>>(), starts);
}

#[test]
fn a_batch_much_larger_than_staging_passes_through() {
    let place = place();
    let large = pattern(1, 10 << 20);
    let mut session =
        Session::open(&place.disk, &place.dir, WalOptions { log_bytes_max: 64 << 20, ..small() }, 0).unwrap();
    session.append(b"before");
    session.append_durable(&large);
    session.append(b"after");
    drop(session);
    let session = Session::open(&place.disk, &place.dir, small(), 0).unwrap();
    assert_eq!(session.batches(), [&b"before"[..], &large, b"after"]);
}

#[test]
fn parts_are_joined() {
    let place = place();
    let long = pattern(3, 150_000);
    let parts: [&[u8]; 7] = [b"", b"ab", &long[..70_000], b"", &long[70_000..70_001], &long[70_001..], b""];
    let mut session = Session::open(&place.disk, &place.dir, small(), 0).unwrap();
    session.appender.append(&parts).unwrap();
    session.appender.append(&[]).unwrap();
    session.appender.append(&[b"x", b"", b"yz"]).unwrap();
    drop(session);
    let session = Session::open(&place.disk, &place.dir, small(), 0).unwrap();
    assert_eq!(session.batches(), [&parts.concat()[..], b"", b"xyz"]);
}

#[test]
fn too_large_a_batch_is_refused_and_leaves_no_trace() {
    let place = place();
    let mut session = Session::open(&place.disk, &place.dir, small(), 0).unwrap();
    let part = vec![0u8; 1 << 20];
    let parts: Vec<&[u8]> = (0..BATCH_BYTES_MAX / part.len() + 1).map(|_| part.as_slice()).collect();
    let before = session.appender.position();
    let error = session.appender.append(&parts).unwrap_err();
    assert!(matches!(error, WalError::TooLarge { .. }), "{error}");
    assert_eq!(error.kind(), WalErrorKind::Invalid);
    assert_eq!(session.appender.position(), before);
    session.append_durable(b"fine");
}

#[test]
fn replay_starts_where_it_is_asked_to() {
    let place = place();
    let mut session = Session::open(&place.disk, &place.dir, small(), 0).unwrap();
    let mut ends = vec![0];
    for i in 0..100u64 {
        let batch = pattern(i, 3000);
        ends.push(session.append(&batch));
    }
    session.appender.close().unwrap();
    drop(session);
    for from in [0, 1, 50, 99, 100] {
        let session = Session::open(&place.disk, &place.dir, small(), ends[from]).unwrap();
        assert_eq!(session.replayed.len(), 100 - from, "from batch {from}");
        if let Some((lsn, batch)) = session.replayed.first() {
            assert_eq!((*lsn, batch), (ends[from], &pattern(from as u64, 3000)));
        }
    }
}

#[test]
fn a_log_goes_on_over_many_openings() {
    let place = place();
    let mut expected: Vec<Vec<u8>> = Vec::new();
    for round in 0..12u64 {
        let mut session = Session::open(&place.disk, &place.dir, small(), 0).unwrap();
        assert_eq!(
            session.batches(),
            expected.iter().map(Vec::as_slice).collect::<Vec<_>>(),
            "round {round}"
        );
        for i in 0..round {
            let batch = pattern(round * 100 + i, 1 + (round * i * 977) as usize % 20_000);
            session.append(&batch);
            expected.push(batch);
        }
        match round % 3 {
            0 => session.appender.close().unwrap(),
            1 => session.log.wait_durable(session.log.appended()).unwrap(),
            _ => {}
        }
    }
}

#[test]
fn reopening_without_writing_does_not_grow_the_log() {
    let place = place();
    let mut session = Session::open(&place.disk, &place.dir, small(), 0).unwrap();
    session.append_durable(b"one");
    drop(session);
    let mut disk_bytes = Vec::new();
    for _ in 0..6 {
        let mut session = Session::open(&place.disk, &place.dir, small(), 0).unwrap();
        session.settle();
        assert_eq!(session.batches(), [b"one"]);
        disk_bytes.push(session.log.stats().disk_bytes);
        session.appender.close().unwrap();
    }
    assert!(disk_bytes[1..].iter().all(|&b| b == disk_bytes[1]), "{disk_bytes:?}");
}

#[test]
fn a_new_store_is_small() {
    let place = place();
    let session = Session::open(&place.disk, &place.dir, WalOptions::default(), 0).unwrap();
    let on_disk: u64 =
        std::fs::read_dir(&place.dir).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
    assert_eq!(on_disk, session.log.stats().disk_bytes);
    assert!(on_disk < 6 << 20, "{on_disk} bytes");
}

#[test]
fn staging_may_change_its_size_between_openings() {
    let place = place();
    let mut expected: Vec<Vec<u8>> = Vec::new();
    for (round, staging_bytes) in [128 << 10, 1 << 20, 256 << 10, 128 << 10].into_iter().enumerate() {
        let options = WalOptions { staging_bytes, ..small() };
        let mut session = Session::open(&place.disk, &place.dir, options, 0).unwrap();
        assert_eq!(session.batches(), expected.iter().map(Vec::as_slice).collect::<Vec<_>>());
        // Left in staging: the pump is not stepped.
        let batch = pattern(round as u64, 5000);
        session.append(&batch);
        assert_eq!(session.log.kept(), session.log.appended());
        assert!(session.log.durable() < session.log.appended());
        expected.push(batch);
    }
}
