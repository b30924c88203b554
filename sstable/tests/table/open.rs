//! Opening: what it costs, and what it says of files that are no tables.

use ringwood_ring::Class;
use ringwood_sstable::{Compression, Table, TableError, TableOptions};

use crate::support::{Bench, uniform};

#[test]
fn a_small_table_opens_with_one_read_and_a_large_one_with_few_in_two_rounds() {
    let bench = Bench::new();
    bench.write(1, &uniform(1000, 100), TableOptions::default());
    let (table, counts) = bench.counting(|| bench.open(1).unwrap());
    assert_eq!(counts.reads, 1);
    assert!(table.memory_bytes() > 1000 && table.memory_bytes() < 10_000, "{}", table.memory_bytes());

    bench.write(2, &uniform(200_000, 10), TableOptions::default());
    let (table, counts) = bench.counting(|| bench.open(2).unwrap());
    assert_eq!(counts.reads, 2);
    // Filter, index and cache slots: some 10 bits a key and 24 bytes a block.
    let per_key = table.memory_bytes() as f64 / 200_000.0;
    assert!(per_key < 1.5, "{per_key} bytes of memory a key");
}

#[test]
fn properties_are_what_was_written() {
    let bench = Bench::new();
    let options = TableOptions { compression: Compression::Lz4, ..TableOptions::default() };
    let summary = bench.write(1, &uniform(1000, 100), options);
    let table = bench.open(1).unwrap();
    assert_eq!(table.properties(), &summary.properties);
    assert_eq!((table.file_bytes(), table.id()), (summary.file_bytes, 1));
    let p = table.properties();
    assert_eq!((p.entries, p.keys, p.deletes, p.key_bytes, p.value_bytes), (1000, 1000, 0, 16_000, 100_000));
    assert_eq!(p.blocks, u64::from(table.block_count()));
    assert!(p.creator.starts_with("ringwood "));
    assert!(table.has_filter());
}

fn refusal(bench: &Bench, bytes: &[u8]) -> String {
    std::fs::write(bench.path(9), bytes).unwrap();
    let error = bench.open(9).unwrap_err();
    assert!(matches!(error, TableError::Corrupt { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("000009.sst") && text.contains("restore the file"), "{text}");
    text
}

#[test]
fn files_that_are_no_tables() {
    let bench = Bench::new();
    assert!(refusal(&bench, &[]).contains("the file is empty"));
    assert!(refusal(&bench, &[7; 100]).contains("100 bytes, no whole number of pages"));
    assert!(refusal(&bench, &[0; 8192]).contains("no Ringwood table"));
    assert!(refusal(&bench, &[b'x'; 4096 * 40]).contains("no Ringwood table"));
    bench.write(1, &uniform(10, 10), TableOptions::default());
    let other = std::fs::read(bench.path(1)).unwrap();
    assert!(refusal(&bench, &other).contains("it is table 1, and table 9 was looked for"));
    let missing = bench.open(77).unwrap_err();
    assert!(missing.to_string().contains("No such file"), "{missing}");
}

#[test]
fn a_table_cut_at_any_length_is_refused() {
    let bench = Bench::new();
    bench.write(9, &uniform(40, 100), TableOptions::default());
    let tiny = std::fs::read(bench.path(9)).unwrap();
    assert_eq!(tiny.len(), 4 * 4096);
    for len in 0..tiny.len() {
        refusal(&bench, &tiny[..len]);
    }
    std::fs::remove_file(bench.path(9)).unwrap();
    bench.write(9, &uniform(2000, 100), TableOptions::default());
    let whole = std::fs::read(bench.path(9)).unwrap();
    for len in (0..whole.len()).step_by(4096) {
        refusal(&bench, &whole[..len]);
    }
    let mut longer = whole.clone();
    longer.resize(whole.len() + 4096, 0);
    refusal(&bench, &longer);
}

#[test]
fn a_full_arena_does_not_keep_a_table_from_opening() {
    let bench = Bench::with(64 << 10, 0);
    let full: Vec<_> = std::iter::from_fn(|| bench.disk.arena().alloc(4096).ok()).collect();
    assert!(!full.is_empty());
    let other = Bench::new();
    other.write(1, &uniform(100_000, 10), TableOptions::default());
    let mut lane = bench.lane(Class::Control, 2);
    let table = Table::open(&bench.disk, &mut *lane, &bench.cache, &other.path(1), 1).unwrap();
    assert_eq!(table.properties().entries, 100_000);
}

/// What an engine needs of the types: shared tables, cursors and fetches that move between threads.
#[test]
fn threads_may_share_tables_and_move_the_rest() {
    fn send<T: Send + 'static>() {}
    fn sync<T: Send + Sync + 'static>() {}
    sync::<Table>();
    sync::<TableError>();
    send::<ringwood_sstable::TableCursor>();
    send::<ringwood_sstable::BlockFetch>();
    send::<ringwood_sstable::RawRun>();
    send::<ringwood_sstable::TableWriter>();
}
