//! Damage: every answer is right, or a clear error.

use std::sync::Arc;

use ringwood_sstable::{BlockCache, Compression, Kind, SEQ_MAX, Table, TableError, TableOptions};

use crate::support::{Bench, Owned, get, scan, sort, uniform};

/// A small table with everything in it: several blocks, versions over blocks, a larger block, deletes.
fn small() -> Vec<Owned> {
    let mut entries = uniform(40, 90);
    for seq in 0..150 {
        entries.push((b"versions".to_vec(), seq * 3, Kind::Put, vec![seq as u8; 30]));
    }
    entries.push((b"large".to_vec(), 77, Kind::Put, vec![9; 5000]));
    entries.push((b"gone".to_vec(), 78, Kind::Delete, Vec::new()));
    sort(&mut entries);
    entries
}

/// Opens the file with a fresh cache and asks everything. Returns whether any damage was noticed.
fn ask_everything(bench: &Bench, entries: &[Owned]) -> bool {
    let check = |error: TableError| {
        assert!(
            matches!(&error, TableError::Corrupt { .. } | TableError::NewerVersion { .. }),
            "not a clear error: {error:?}"
        );
        assert!(error.to_string().contains("000001.sst"), "{error}");
    };
    let cache = BlockCache::new(bench.disk.arena(), 1 << 20, None);
    let mut lane = bench.lane(ringwood_ring::Class::Control, 8);
    let table = match Table::open(&bench.disk, &mut *lane, &cache, &bench.path(1), 1) {
        Ok(table) => table,
        Err(error) => {
            check(error);
            return true;
        }
    };
    let mut noticed = false;
    match scan(&table, bench) {
        Ok(all) => assert_eq!(all, entries, "a scan lied"),
        Err(error) => {
            check(error);
            noticed = true;
        }
    }
    for e in entries.iter().step_by(7) {
        match get(&table, &e.0, e.1, bench) {
            Ok(found) => assert_eq!(found, Some((e.1, e.2, e.3.clone())), "a get lied"),
            Err(error) => {
                check(error);
                noticed = true;
            }
        }
    }
    match table.verify(&bench.disk, &mut *lane) {
        Ok(_) => assert!(!noticed),
        Err(error) => {
            check(error);
            noticed = true;
        }
    }
    noticed
}

#[test]
fn every_flipped_byte_is_noticed_or_harmless() {
    let bench = Bench::new();
    for compression in [Compression::None, Compression::Lz4] {
        let entries = small();
        let options = TableOptions { compression, salt: Some(5), ..TableOptions::default() };
        let summary = bench.write(1, &entries, options);
        let whole = std::fs::read(bench.path(1)).unwrap();
        assert!(!ask_everything(&bench, &entries));
        let mut harmless = 0;
        for at in 0..whole.len() {
            let mut bad = whole.clone();
            bad[at] ^= 1 << (at % 8);
            std::fs::write(bench.path(1), &bad).unwrap();
            harmless += usize::from(!ask_everything(&bench, &entries));
        }
        // Only the padding between sections and footer is covered by no checksum: less than a page.
        println!("{compression:?}: {harmless} of {} bytes are padding", summary.file_bytes);
        assert!(harmless < 4096, "{harmless} flips unseen");
        std::fs::remove_file(bench.path(1)).unwrap();
    }
}

/// A block's bytes in another block's place, or an older file's: whole and sound, but not here.
#[test]
fn misdirected_blocks_are_noticed() {
    let bench = Bench::new();
    let entries = small();
    bench.write(1, &entries, TableOptions { salt: Some(1), ..TableOptions::default() });
    let whole = std::fs::read(bench.path(1)).unwrap();
    std::fs::remove_file(bench.path(1)).unwrap();
    let swap = |with: &[u8]| {
        let mut bad = whole.clone();
        bad[4096..8192].copy_from_slice(with);
        std::fs::write(bench.path(1), &bad).unwrap();
        assert!(ask_everything(&bench, &entries));
        std::fs::remove_file(bench.path(1)).unwrap();
    };
    swap(&whole[..4096]);
    swap(&[0; 4096]);
    // The same table, written again under the same id after a crash: only the salt tells.
    bench.write(1, &entries, TableOptions { salt: Some(2), ..TableOptions::default() });
    let again = std::fs::read(bench.path(1)).unwrap();
    std::fs::remove_file(bench.path(1)).unwrap();
    assert_ne!(whole[4096..8192], again[4096..8192]);
    swap(&again[4096..8192]);
}

/// A damaged block is an error for those who need it, each time, and nobody else.
#[test]
fn damage_stays_where_it_is() {
    let bench = Bench::new();
    let entries = uniform(1000, 100);
    let table = bench.table(1, &entries, TableOptions::default());
    let mut bytes = std::fs::read(bench.path(1)).unwrap();
    bytes[5 * 4096 + 100] ^= 1;
    std::fs::write(bench.path(1), &bytes).unwrap();
    for _ in 0..2 {
        let mut failed = 0;
        for e in &entries {
            match get(&table, &e.0, SEQ_MAX, &bench) {
                Ok(found) => assert_eq!(found.map(|f| f.2), Some(e.3.clone())),
                Err(error) => {
                    assert!(error.to_string().contains("offset 20480: the block's checksum is"), "{error}");
                    failed += 1;
                }
            }
        }
        assert!((30..40).contains(&failed), "{failed} keys of one block");
    }
    assert_eq!(bench.cache.stats().pinned, 0);
    assert!(scan(&table, &bench).is_err());
}

/// The file is cut after it was opened.
#[test]
fn a_file_cut_under_an_open_table_is_an_error() {
    let bench = Bench::new();
    let entries = uniform(1000, 100);
    let table = bench.table(1, &entries, TableOptions::default());
    let file = std::fs::OpenOptions::new().write(true).open(bench.path(1)).unwrap();
    file.set_len(3 * 4096 + 100).unwrap();
    assert!(get(&table, &entries[0].0, SEQ_MAX, &bench).unwrap().is_some());
    let error = get(&table, &entries[999].0, SEQ_MAX, &bench).unwrap_err();
    assert!(error.to_string().contains("cut after it was opened"), "{error}");
    let mut lane = bench.lane(ringwood_ring::Class::Control, 8);
    let table = Arc::clone(&table);
    assert!(table.verify(&bench.disk, &mut *lane).is_err());
}

/// Index, filter or properties changed *with* a right checksum, as only a bug or malice does: never a panic.
#[test]
fn forged_sections_never_panic() {
    let bench = Bench::new();
    let entries = small();
    bench.write(1, &entries, TableOptions { salt: Some(5), ..TableOptions::default() });
    let whole = std::fs::read(bench.path(1)).unwrap();
    let footer = whole.len() - 4096;
    let number = |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
    let mut random = 1u64;
    let mut next = |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) as usize % below
    };
    let (mut opened, mut refused) = (0, 0);
    for _ in 0..1500 {
        let mut bad = whole.clone();
        let section = footer + 56 + 24 * next(3);
        let (offset, len) = (number(&bad, section + 8), number(&bad, section + 16));
        for _ in 0..1 + next(3) {
            bad[offset + next(len)] = next(256) as u8;
        }
        let mut crc = crc32fast::Hasher::new();
        for part in [1u64, 5, offset as u64] {
            crc.update(&part.to_le_bytes());
        }
        crc.update(&bad[offset..offset + len]);
        bad[section..][4..8].copy_from_slice(&crc.finalize().to_le_bytes());
        let sum = crc32fast::hash(&bad[footer..footer + 4092]);
        bad[footer + 4092..].copy_from_slice(&sum.to_le_bytes());
        std::fs::write(bench.path(1), &bad).unwrap();
        let Ok(table) = bench.open(1) else {
            refused += 1;
            continue;
        };
        opened += 1;
        let _ = scan(&table, &bench);
        for e in &entries {
            let _ = get(&table, &e.0, e.1, &bench);
        }
        let mut lane = bench.lane(ringwood_ring::Class::Control, 8);
        let _ = table.verify(&bench.disk, &mut *lane);
    }
    assert!(opened > 50 && refused > 50, "{opened} opened, {refused} refused: both paths are tried");
}
