//! Stores written in earlier formats, committed, and opened by today's program.
//!
//! A fixture is a text file: each file of the store by name and length, then those of its pages that are not zeros, in hex. It is never
//! changed: a program that writes another format gets a fixture of its own beside it (`RINGWOOD_WRITE_FIXTURES=1 cargo test -p ringwood-tests
//! --test fixtures` writes those that are missing), and goes on opening the old ones. The rule is in `docs/durability.md`.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]
#![allow(clippy::disallowed_methods, reason = "the fixtures are the test's own files")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringwood::{Compression, Db, Durability, Options, WriteBatch};
use ringwood_ring::{Arena, SimConfig, SimDisk};
use ringwood_tests::model::contents;
use ringwood_tests::reference::Entries;

const DIR: &str = "/data";
const PAGE: usize = 4096;

/// Which store: how its tables are compressed, and whether it was closed.
const FIXTURES: [(&str, Compression, bool); 2] =
    [("v1-closed", Compression::None, true), ("v1-crashed", Compression::Lz4, false)];

fn disk() -> Arc<SimDisk> {
    SimDisk::new(1, SimConfig::calm(), Arena::new(64 << 20).unwrap())
}

fn open(disk: &Arc<SimDisk>, compression: Compression) -> Db {
    let small = Options::new().memory(8 << 20).write_buffer_bytes(16 << 10).table_bytes(64 << 10);
    let options = small.compaction_threads(1).log_bytes(64 << 10, 128 << 10).compression(compression);
    options.open_on(disk.clone(), DIR, true).unwrap_or_else(|e| panic!("it does not open: {e}"))
}

/// Makes every kind of thing that a file can hold: puts, deletes, batches over keyspaces, a value of many blocks, an empty one, tables in level
/// 0 and below, a log that is needed. Returns what the store holds.
fn fill(db: &Db) -> BTreeMap<String, Entries> {
    let mut truth =
        BTreeMap::from([("default".to_owned(), Entries::new()), ("users".to_owned(), Entries::new())]);
    let users = db.keyspace("users").unwrap();
    for round in 0..3u32 {
        for i in 0..40u32 {
            let (key, value) =
                (format!("key {:03}", i * (round + 1)), format!("{round} {i} ").repeat(i as usize % 9));
            db.put_with(&key, &value, Durability::Buffered).unwrap();
            truth.get_mut("default").unwrap().insert(key.into_bytes(), value.into_bytes());
        }
        let mut batch = WriteBatch::new();
        for i in [round, 7, 100 + round] {
            batch.put_in(&users, i.to_be_bytes(), [round as u8; 5]).unwrap();
            truth.get_mut("users").unwrap().insert(i.to_be_bytes().to_vec(), vec![round as u8; 5]);
        }
        batch.delete(format!("key {:03}", round * 3)).unwrap();
        truth.get_mut("default").unwrap().remove(format!("key {:03}", round * 3).as_bytes());
        db.write(&batch, Durability::Synced).unwrap();
        match round {
            0 => {
                db.put_with("large", [b'x'; 20_000], Durability::None).unwrap();
                truth.get_mut("default").unwrap().insert(b"large".to_vec(), vec![b'x'; 20_000]);
                db.flush().unwrap();
                db.compact().unwrap();
            }
            1 => db.flush().unwrap(),
            _ => {}
        }
    }
    truth
}

fn encode(disk: &SimDisk) -> String {
    let mut text = String::new();
    for path in disk.file_names() {
        let bytes = disk.read_raw(&path).unwrap();
        writeln!(text, "file {} {}", path.display(), bytes.len()).unwrap();
        for (i, page) in bytes.chunks(PAGE).enumerate() {
            let Some(last) = page.iter().rposition(|b| *b != 0) else { continue };
            let hex = page[..=last].iter().fold(String::new(), |hex, b| hex + &format!("{b:02x}"));
            writeln!(text, "page {i} {hex}").unwrap();
        }
    }
    text
}

fn decode(text: &str) -> Arc<SimDisk> {
    let mut files: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["file", path, len] => files.push((path.into(), vec![0; len.parse().unwrap()])),
            ["page", number, hex] => {
                let at = number.parse::<usize>().unwrap() * PAGE;
                let bytes =
                    (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap());
                let file = &mut files.last_mut().unwrap().1;
                bytes.enumerate().for_each(|(i, b)| file[at + i] = b);
            }
            _ => panic!("what is {line:?}?"),
        }
    }
    let disk = disk();
    files.iter().for_each(|(path, bytes)| disk.write_raw(path, bytes).unwrap());
    disk
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(format!("{name}.txt"))
}

#[test]
fn stores_of_every_format_open() {
    for (name, compression, is_closed) in FIXTURES {
        let path = path(name);
        if !path.exists() && std::env::var_os("RINGWOOD_WRITE_FIXTURES").is_some() {
            let disk = disk();
            let db = open(&disk, compression);
            fill(&db);
            if is_closed {
                db.close().unwrap();
            } else {
                disk.process_death();
                drop(db);
            }
            std::fs::write(&path, encode(&disk)).unwrap();
        }
        let truth = fill(&open(&disk(), Compression::None));
        let disk =
            decode(&std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())));
        let db = open(&disk, compression);
        assert!(contents(&db).unwrap() == truth, "{name} holds something else");
        let tables: usize = db.stats().keyspaces.iter().flat_map(|k| &k.levels).map(|l| l.tables).sum();
        assert!(tables >= 3, "{name}: {tables} tables");
        // And it is a store to go on with.
        db.put("new", "value").unwrap();
        db.compact().unwrap();
        db.close().unwrap();
        let db = open(&disk, Compression::None);
        assert_eq!(db.get("new").unwrap().unwrap(), b"value");
        assert_eq!(db.iter().unwrap().count(), truth["default"].len() + 1);
    }
}
