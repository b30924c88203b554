//! Compaction: hundreds of reads an enter.

use ringwood::{Class, Durability, Options};
use ringwood_tests::dirs;

use crate::{counted, open, settle};

#[test]
fn the_compaction_of_a_large_level_reads_over_100_extents_an_enter() {
    let dir = dirs::fresh();
    let options = Options::new().memory(64 << 20).compaction_threads(1).table_bytes(16 << 20);
    let Some(db) = open("a compaction", &dir.path().join("db"), options) else { return };
    // A level of about 100 MB, then a tenth of it again, spread over all of it.
    for i in 0..200_000u32 {
        let key = i.wrapping_mul(2_654_435_761).to_be_bytes();
        db.put_with(key, [6; 500], Durability::Buffered).unwrap();
    }
    db.compact().unwrap();
    for i in 0..20_000u32 {
        let key = (i * 10).wrapping_mul(2_654_435_761).to_be_bytes();
        db.put_with(key, [7; 500], Durability::Buffered).unwrap();
    }
    db.flush().unwrap();
    settle(&db);
    let before = db.stats();
    let counts = counted(&db, Class::Compaction, || db.compact().unwrap());
    let read = db.stats().compaction_read_bytes - before.compaction_read_bytes;
    println!(
        "{read} bytes: {} reads and {} writes in {} enters: {:.1} reads an enter, {:.1} entries an enter",
        counts.reads,
        counts.writes,
        counts.enters,
        counts.reads as f64 / counts.enters as f64,
        counts.sqes as f64 / counts.enters as f64
    );
    assert!(read > 90 << 20, "all of it was merged: {read} bytes");
    assert!(counts.reads > 100 * counts.enters, "{counts:?}");
    assert_eq!(db.iter().unwrap().count(), 200_000);
    db.close().unwrap();
}
