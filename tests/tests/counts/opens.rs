//! Opening: one read a table, many of them in one enter.

use ringwood::{Class, Options};
use ringwood_tests::dirs;

use crate::open;

#[test]
fn an_opening_reads_each_table_once_and_many_in_one_enter() {
    let dir = dirs::fresh();
    let path = dir.path().join("db");
    let options = || Options::new().memory(64 << 20).table_bytes(256 << 10);
    let Some(db) = open("an opening", &path, options()) else { return };
    let mut loader = db.loader().unwrap();
    (0..120_000u32).for_each(|i| loader.put(i.to_be_bytes(), [5; 100]).unwrap());
    loader.finish().unwrap();
    // What closing flushes is not replayed.
    (0..60_000u32)
        .for_each(|i| db.put_with(i.to_be_bytes(), [6; 100], ringwood::Durability::Buffered).unwrap());
    db.close().unwrap();
    let db = open("an opening", &path, options()).unwrap();
    let stats = db.stats();
    let tables: usize = stats.keyspaces.iter().flat_map(|k| &k.levels).map(|l| l.tables).sum();
    let counts = stats.io.class(Class::Control);
    assert!(tables > 50, "{tables}");
    // Beside them CURRENT and the manifest, each synced before it is believed, and the manifest's last record, written again.
    assert_eq!(counts.reads, tables as u64 + 2, "{counts:?}");
    assert!(counts.enters <= 14 + counts.retries, "{tables} tables: {counts:?}");
    assert!(counts.sqes <= tables as u64 + 8 + counts.retries, "{counts:?}");
    let left = stats.keyspaces[0].memtable_bytes;
    assert!(left < 64 << 10, "{left} bytes of memtables were left to replay");
    db.close().unwrap();
}
