//! Tables against sorted lists: everything that was added is there, and nothing else.

use proptest::prelude::*;
use ringwood_sstable::{Aim, Compression, Kind, SEQ_MAX, TableCursor, TableOptions, entry_cmp};

use crate::support::{Bench, Owned, get, scan, sort, uniform};

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::collection::vec(0u8..2, 1..8),
        4 => prop::collection::vec(any::<u8>(), 1..20),
        4 => (0u32..200).prop_map(|i| format!("user/profile/{i:08}").into_bytes()),
        2 => Just(b"one key of many versions".to_vec()),
        1 => (any::<u8>(), 60_000usize..65_536).prop_map(|(b, n)| vec![b; n]),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => Just(Vec::new()),
        6 => prop::collection::vec(any::<u8>(), 0..40),
        4 => (any::<u8>(), 0usize..400).prop_map(|(b, n)| vec![b; n]),
        2 => (any::<u8>(), 1000usize..9000).prop_map(|(b, n)| vec![b; n]),
        1 => prop::collection::vec(any::<u8>(), 30_000..90_000),
    ]
}

fn entries() -> impl Strategy<Value = Vec<Owned>> {
    let kind = prop_oneof![8 => Just(Kind::Put), 1 => Just(Kind::Delete)];
    prop::collection::vec((key(), 0u64..3000, kind, value()), 1..150).prop_map(|mut all| {
        for e in &mut all {
            if e.2 == Kind::Delete {
                e.3.clear();
            }
        }
        sort(&mut all);
        all
    })
}

fn options() -> impl Strategy<Value = TableOptions> {
    let codec = prop_oneof![Just(Compression::None), Just(Compression::Lz4), Just(Compression::Zstd)];
    let codec = codec.prop_filter("not built in", |codec| codec.is_available());
    let block = prop_oneof![3 => Just(4096usize), 1 => Just(16_384), 1 => Just(32_768)];
    (codec, block, any::<bool>(), 0u64..500_000).prop_map(
        |(compression, block_bytes, filter, expected_bytes)| TableOptions {
            compression,
            block_bytes,
            filter,
            expected_bytes,
            ..TableOptions::default()
        },
    )
}

/// The list's answer to a get.
fn expect(entries: &[Owned], key: &[u8], seq: u64) -> Option<(u64, Kind, Vec<u8>)> {
    let at = entries.partition_point(|e| entry_cmp(&e.0, e.1, key, seq).is_lt());
    entries.get(at).filter(|e| e.0 == key).map(|e| (e.1, e.2, e.3.clone()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    #[test]
    fn a_table_answers_as_the_list_does(
        entries in entries(),
        options in options(),
        targets in prop::collection::vec((key(), 0u64..3000), 40),
        cache in prop_oneof![Just(0usize), Just(64 << 10), Just(8 << 20)],
    ) {
        let bench = Bench::with(32 << 20, cache);
        let table = bench.table(1, &entries, options);
        prop_assert_eq!(&scan(&table, &bench).unwrap(), &entries);

        let mut lane = bench.lane(ringwood_ring::Class::Control, 4);
        let verified = table.verify(&bench.disk, &mut *lane).unwrap();
        prop_assert_eq!(verified.entries, entries.len() as u64);

        let own = entries.iter().map(|e| (e.0.clone(), e.1));
        let newest = entries.iter().map(|e| (e.0.clone(), SEQ_MAX));
        let mut cursor = TableCursor::new(table.clone());
        for (key, seq) in own.chain(newest).chain(targets) {
            prop_assert_eq!(get(&table, &key, seq, &bench).unwrap(), expect(&entries, &key, seq));
            check_seeks(&mut cursor, &bench, &entries, &key, seq);
        }
    }

    /// Any mix of moves: the cursor is always where an index into the list would be.
    #[test]
    fn a_cursor_moves_as_an_index_does(
        entries in entries(),
        options in options(),
        moves in prop::collection::vec((0u8..8, any::<prop::sample::Index>(), 1usize..40), 1..60),
        ahead in prop_oneof![Just(1u32), Just(3), Just(64)],
    ) {
        let bench = Bench::with(32 << 20, 256 << 10);
        let table = bench.table(1, &entries, options);
        let mut cursor = TableCursor::new(table);
        cursor.set_read_ahead(ahead);
        let mut at: Option<usize> = None;
        for (kind, pick, steps) in moves {
            let target = &entries[pick.index(entries.len())];
            let (aim, to) = match kind {
                0 => (Aim::First, Some(0)),
                1 => (Aim::Last, Some(entries.len() - 1)),
                2 => (Aim::AtOrAfter(&target.0, target.1), Some(pick.index(entries.len()))),
                3 => (Aim::AtOrBefore(&target.0, target.1), Some(pick.index(entries.len()))),
                _ => (Aim::Next, None),
            };
            if to.is_some() {
                cursor.go(aim, &bench).unwrap();
                at = to;
            } else {
                for _ in 0..steps {
                    let aim = if kind < 6 { Aim::Next } else { Aim::Prev };
                    cursor.go(aim, &bench).unwrap();
                    at = match aim {
                        Aim::Next => at.map(|i| i + 1).filter(|&i| i < entries.len()),
                        _ => at.and_then(|i| i.checked_sub(1)),
                    };
                    check_at(&cursor, &entries, at);
                }
            }
            check_at(&cursor, &entries, at);
        }
    }
}

fn check_at(cursor: &TableCursor, entries: &[Owned], at: Option<usize>) {
    assert_eq!(cursor.is_valid(), at.is_some());
    match at {
        None => assert!(cursor.key().is_empty() && cursor.value().is_empty() && cursor.value_ref().is_none()),
        Some(i) => {
            let e = &entries[i];
            assert_eq!((cursor.key(), cursor.seq(), cursor.kind()), (&e.0[..], e.1, e.2));
            assert_eq!(cursor.value(), &e.3[..]);
            let (block, range) = cursor.value_ref().unwrap();
            assert_eq!(&block[range], &e.3[..]);
        }
    }
}

fn check_seeks(cursor: &mut TableCursor, bench: &Bench, entries: &[Owned], key: &[u8], seq: u64) {
    let after = entries.partition_point(|e| entry_cmp(&e.0, e.1, key, seq).is_lt());
    cursor.seek(key, seq, bench).unwrap();
    check_at(cursor, entries, (after < entries.len()).then_some(after));
    let not_after = entries.partition_point(|e| entry_cmp(&e.0, e.1, key, seq).is_le());
    cursor.go(Aim::AtOrBefore(key, seq), bench).unwrap();
    check_at(cursor, entries, not_after.checked_sub(1));
}

#[test]
fn values_of_ten_megabytes_and_more() {
    let bench = Bench::with(16 << 20, 1 << 20);
    for compression in [Compression::None, Compression::Lz4] {
        let mut entries = uniform(50, 100);
        let big: Vec<u8> = (0..10_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        entries[10].3 = big;
        entries[20].3 = vec![5; 40 << 20];
        entries[49].3 = vec![6; 1 << 20];
        let id = 1 + compression as u64;
        let table = bench.table(id, &entries, TableOptions { compression, ..TableOptions::default() });
        assert!(scan(&table, &bench).unwrap() == entries);
        let got = get(&table, &entries[20].0, SEQ_MAX, &bench).unwrap().unwrap();
        assert!(got.2 == entries[20].3);
        let mut lane = bench.lane(ringwood_ring::Class::Control, 4);
        table.verify(&bench.disk, &mut *lane).unwrap();
    }
}

#[test]
fn the_longest_key_and_value_at_once() {
    let bench = Bench::with(8 << 20, 1 << 20);
    let key = vec![0xff; ringwood_sstable::KEY_BYTES_MAX];
    let value = vec![1; ringwood_sstable::VALUE_BYTES_MAX];
    let entries = vec![(vec![0], 0, Kind::Put, Vec::new()), (key, SEQ_MAX - 1, Kind::Put, value)];
    let table = bench.table(1, &entries, TableOptions::default());
    assert!(scan(&table, &bench).unwrap() == entries);
}

/// A get at any snapshot finds its version with the one block that the index names.
#[test]
fn many_versions_of_a_key_over_many_blocks() {
    let bench = Bench::new();
    let mut entries: Vec<Owned> =
        (0..3000u64).map(|i| (b"hot".to_vec(), 2 * i + 1, Kind::Put, i.to_be_bytes().to_vec())).collect();
    entries.push((b"host".to_vec(), 5, Kind::Put, Vec::new()));
    entries.push((b"hot\0".to_vec(), 5, Kind::Put, Vec::new()));
    sort(&mut entries);
    let table = bench.table(1, &entries, TableOptions::default());
    assert!(table.block_count() > 5);
    for seq in 0..6010 {
        assert_eq!(get(&table, b"hot", seq, &bench).unwrap(), expect(&entries, b"hot", seq), "at {seq}");
    }
}
