//! Manifests and log records that no store writes, with right checksums: an error, not a panic, and nothing is changed.

use std::path::Path;
use std::sync::Arc;

use ringwood_ring::{Arena, Disk, IoChoice, SimConfig, SimDisk, UringConfig, open_disk};
use ringwood_wal::WalOptions;

use crate::manifest::{Edit, Manifest, TableMeta, control_lane};
use crate::{Db, Durability, ErrorKind, Options, batch};

const DIR: &str = "/data";

fn open(disk: &Arc<SimDisk>) -> crate::Result<Db> {
    Options::new().memory(8 << 20).open_on(Arc::<SimDisk>::clone(disk), DIR, true)
}

/// A store with a table and two keyspaces, closed.
fn store() -> Arc<SimDisk> {
    let disk = SimDisk::new(1, SimConfig::calm(), Arena::new(64 << 20).unwrap());
    let db = open(&disk).unwrap();
    db.keyspace("other").unwrap();
    db.put("key", "value").unwrap();
    db.flush().unwrap();
    db.close().unwrap();
    disk
}

fn copy(disk: &Arc<SimDisk>) -> Arc<SimDisk> {
    let copy = disk.fork();
    copy.process_death();
    copy
}

fn manifest(disk: &Arc<SimDisk>) -> Manifest {
    let disk: Arc<dyn Disk> = Arc::<SimDisk>::clone(disk);
    let lane = disk.lane(control_lane()).unwrap();
    Manifest::open(disk, lane, Path::new(DIR)).unwrap()
}

/// Adds `edits` to the store's manifest, as a stranger would.
fn with_edits(disk: &Arc<SimDisk>, edits: &[Edit]) -> Arc<SimDisk> {
    let copy = copy(disk);
    manifest(&copy).append(edits, || 99).unwrap();
    copy
}

#[test]
fn impossible_manifests_are_refused() {
    let disk = store();
    let state = manifest(&copy(&disk)).state().clone();
    let meta = state.keyspaces[&0].levels.iter().flatten().next().expect("a table").clone();
    let add = |level, meta| Edit::TableAdd { keyspace: 0, level, meta };
    let other = |change: &dyn Fn(&mut TableMeta)| {
        let mut other = TableMeta { id: 77, ..meta.clone() };
        change(&mut other);
        vec![add(6, other)]
    };
    let cases = [
        vec![Edit::NextFile { number: u64::MAX }],
        vec![Edit::LastSeq { seq: u64::MAX }],
        vec![Edit::LastSeq { seq: (1 << 56) - 1 }],
        vec![Edit::LogFloor { lsn: u64::MAX - 1 }],
        vec![Edit::Flushed { keyspace: 1, seq: u64::MAX }],
        vec![Edit::KeyspaceAdd { keyspace: u32::MAX, name: "last".into() }],
        vec![Edit::KeyspaceDrop { keyspace: 0 }],
        vec![add(6, meta.clone())],
        vec![add(0, meta.clone())],
        other(&|m| m.id = u64::MAX),
        other(&|m| m.bytes = u64::MAX),
        other(&|m| m.tail_bytes = m.bytes + 1),
        other(&|m| m.entries = u64::MAX),
        other(&|m| m.tombstones = m.entries + 1),
        other(&|m| m.seq_min = m.seq_max + 1),
        other(&|m| m.seq_max = u64::MAX),
        other(&|m| m.smallest = [].into()),
        other(&|m| (m.smallest, m.largest) = (b"b"[..].into(), b"a"[..].into())),
        [other(&|_| {}), other(&|m| m.id = 78)].concat(),
    ];
    for edits in cases {
        let harmed = with_edits(&disk, &edits);
        let error = open(&harmed).err().unwrap_or_else(|| panic!("it opened with {edits:?}"));
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{edits:?}: {error}");
        assert!(error.to_string().contains("MANIFEST-"), "{edits:?}: {error}");
    }
    // What is merely not true is found where it is used.
    let harmed = with_edits(&disk, &other(&|_| {}));
    assert_eq!(open(&harmed).expect_err("there is no such table").kind(), ErrorKind::Corrupt);
    assert_eq!(open(&disk).unwrap().get("key").unwrap().unwrap(), b"value");
}

/// Appends `payload` to the log of a store on the real disk, as a stranger would; then opens the store.
fn open_with_record(payload: &[u8]) -> crate::Result<Db> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let options = Options::new().memory(8 << 20).io(IoChoice::Syscalls);
    let db = options.clone().open(&path).unwrap();
    db.put("key", "value").unwrap();
    db.close().unwrap();
    let disk = open_disk(IoChoice::Syscalls, 16 << 20, UringConfig::default()).unwrap();
    let manifest = Manifest::open(Arc::clone(&disk), disk.lane(control_lane()).unwrap(), &path).unwrap();
    let (id, floor) = (manifest.store_id(), manifest.state().log_floor);
    let options_of_log = WalOptions::default();
    let mut log =
        ringwood_wal::open(&disk, &path.join("wal"), options_of_log, id, floor, &mut |_, _| Ok(())).unwrap();
    let mut pump = log.pump;
    let thread = std::thread::spawn(move || pump.run());
    let end = log.appender.append(&[payload]).unwrap();
    log.log.wait_durable(end).unwrap();
    log.appender.close().unwrap();
    thread.join().unwrap().unwrap();
    drop((log.log, manifest, disk));
    options.open(&path)
}

#[test]
fn impossible_log_records_are_refused() {
    let op = |keyspace, key: &[u8]| {
        let head = batch::op_header(ringwood_sstable::Kind::Put, keyspace, key, b"v");
        [&head[..], key, b"v"].concat()
    };
    let record = |seq, count, ops: &[u8]| [&batch::header(seq, count)[..], ops].concat();
    let fine = record(1000, 1, &op(0, b"more"));
    assert_eq!(open_with_record(&fine).unwrap().get("more").unwrap().unwrap(), b"v");
    for (what, payload) in [
        ("the largest sequence number", record(u64::MAX, 1, &op(0, b"k"))),
        ("one beyond 56 bits", record(1 << 56, 1, &op(0, b"k"))),
        ("too few operations", record(1000, 2, &op(0, b"k"))),
        ("too many", record(1000, 0, &op(0, b"k"))),
        ("a keyspace that never was", record(1000, 1, &op(u32::MAX, b"k"))),
        ("no key", record(1000, 1, &op(0, b""))),
        ("no header", vec![1, 2, 3]),
        ("garbage", vec![0xff; 1000]),
    ] {
        let error = open_with_record(&payload).err().unwrap_or_else(|| panic!("it opened with {what}"));
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}: {error}");
    }
}

/// Half of all numbers is left to a store that is believed.
#[test]
fn the_largest_numbers_that_are_believed_leave_room() {
    let disk = store();
    let largest = [
        Edit::LastSeq { seq: crate::manifest::SEQ_LIMIT },
        Edit::NextFile { number: crate::files::NUMBER_SEEN_MAX },
        Edit::KeyspaceAdd { keyspace: (1 << 31) - 1, name: "last".into() },
    ];
    let disk = with_edits(&disk, &largest);
    let db = open(&disk).unwrap();
    db.put_with("a", "1", Durability::Buffered).unwrap();
    db.compact().unwrap();
    db.keyspace("next").unwrap();
    assert_eq!(db.get("a").unwrap().unwrap(), b"1");
    db.close().unwrap();
}
