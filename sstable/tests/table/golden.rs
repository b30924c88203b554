//! The bytes of a tiny table, spelled out: the format does not change by accident, and a stranger can check a reader against them.

use ringwood_sstable::{Compression, Kind, TableOptions};

use crate::support::{Bench, Owned, scan};

fn entries() -> Vec<Owned> {
    vec![
        (b"key:apple".to_vec(), 300, Kind::Put, b"red".to_vec()),
        (b"key:apple".to_vec(), 7, Kind::Put, b"green".to_vec()),
        (b"key:fig".to_vec(), 9, Kind::Delete, Vec::new()),
    ]
}

#[test]
fn a_tiny_table_byte_for_byte() {
    let bench = Bench::new();
    let options = TableOptions { salt: Some(0x55), creator: "golden".into(), ..TableOptions::default() };
    let summary = bench.write(0x11, &entries(), options);
    let bytes = std::fs::read(bench.path(0x11)).unwrap();
    assert_eq!(summary.file_bytes, 3 * 4096);
    for (at, len) in [(0, 4096), (4096, 4096), (8192, 4096)] {
        println!("{}", dump(&bytes[at..at + len], at));
    }
    assert_eq!(dump(&bytes, 0), include_str!("golden.txt"));
}

/// A reader of today reads the table of the first day.
#[test]
fn the_golden_bytes_can_be_read() {
    let mut bytes = vec![0u8; 3 * 4096];
    for line in include_str!("golden.txt").lines() {
        let (at, hex) = line.split_once(": ").unwrap();
        let at = usize::from_str_radix(at, 16).unwrap();
        for (i, byte) in hex.split(' ').enumerate() {
            bytes[at + i] = u8::from_str_radix(byte, 16).unwrap();
        }
    }
    let bench = Bench::new();
    std::fs::write(bench.path(0x11), &bytes).unwrap();
    let table = bench.open(0x11).unwrap();
    assert_eq!(scan(&table, &bench).unwrap(), entries());
    assert_eq!(table.properties().compression, Compression::None);
    let mut lane = bench.lane(ringwood_ring::Class::Control, 4);
    assert_eq!(table.verify(&bench.disk, &mut *lane).unwrap().entries, 3);
}

/// Offset and bytes in hex, sixteen a line; lines of zeros left out.
fn dump(bytes: &[u8], at: usize) -> String {
    let line = |(i, line): (usize, &[u8])| {
        let hex: Vec<String> = line.iter().map(|b| format!("{b:02x}")).collect();
        (line.iter().any(|&b| b != 0)).then(|| format!("{:04x}: {}\n", at + 16 * i, hex.join(" ")))
    };
    bytes.chunks(16).enumerate().filter_map(line).collect()
}
