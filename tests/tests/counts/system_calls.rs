//! What strace sees of a process that uses a store: no file of it is touched but through the ring, and a buffered put costs next to nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use ringwood::{Durability, IoChoice, Options};
use ringwood_tests::{child, dirs, skip};
use tempfile::TempDir;

fn has_strace(test: &str) -> bool {
    let works =
        Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).status().is_ok_and(|s| s.success());
    if !works {
        skip(test, "no strace that may trace");
    }
    works
}

fn variable(name: &str) -> String {
    std::env::var(name).expect("the parent sets it")
}

#[test]
fn no_store_file_is_read_or_written_or_synced_outside_the_ring() {
    const TEST: &str = "system_calls::no_store_file_is_read_or_written_or_synced_outside_the_ring";
    if child::is_child(TEST) {
        use_everything(Path::new(&variable("COUNTED_DIR")));
        std::process::exit(0);
    }
    if !has_strace(TEST) {
        return;
    }
    let dir = dirs::fresh();
    let (store, trace) = (dir.path().join("db"), dir.path().join("trace"));
    let calls = "trace=read,readv,pread64,preadv,preadv2,write,writev,pwrite64,pwritev,pwritev2,fsync,fdatasync,\
                 sync_file_range,syncfs,sync,msync,sendfile,copy_file_range,splice";
    let mut command =
        child::command(TEST, &["strace", "-f", "-y", "-s", "0", "-e", calls, "-o", trace.to_str().unwrap()]);
    let text = child::output(command.env("COUNTED_DIR", &store));
    if text.contains("SKIPPED") {
        return;
    }
    let trace = std::fs::read_to_string(trace).unwrap();
    let inside = format!("<{}", store.display());
    let mut exceptions: BTreeMap<String, u32> = BTreeMap::new();
    let mut outside = Vec::new();
    for line in trace.lines().filter(|line| line.contains(&inside)) {
        let call = line.split_whitespace().nth(1).unwrap_or("");
        let path = line.split('<').nth(1).and_then(|rest| rest.split('>').next()).unwrap_or("");
        // The names in a directory are made durable by the one call there is; the lock file's text is for people.
        let is_directory = call.starts_with("fsync(") && Path::new(path).is_dir();
        let is_lock_text = path.ends_with("/LOCK");
        if is_directory || is_lock_text {
            *exceptions
                .entry(if is_directory { "fsync of a directory" } else { "text of LOCK" }.into())
                .or_default() += 1;
        } else {
            outside.push(line);
        }
    }
    println!("{} traced lines; exceptions: {exceptions:?}", trace.lines().count());
    assert!(outside.is_empty(), "outside the ring:\n{}", outside.join("\n"));
    assert!(
        exceptions.contains_key("fsync of a directory"),
        "strace saw nothing of the store: {exceptions:?}"
    );
}

/// Opens, writes in every way, flushes, compacts, reads in every way, closes, and opens again.
fn use_everything(path: &Path) {
    let options = || Options::new().memory(16 << 20).write_buffer_bytes(256 << 10).io(IoChoice::Uring);
    let db = match options().open(path) {
        Ok(db) => db,
        Err(error) => return skip("no_store_file_…", error),
    };
    let other = db.keyspace("other").unwrap();
    for i in 0..20_000u32 {
        db.put_with(i.to_be_bytes(), [1; 100], Durability::Buffered).unwrap();
    }
    for i in 0..50u32 {
        db.put(i.to_be_bytes(), "synced").unwrap();
        other.put_with(i.to_be_bytes(), "none", Durability::None).unwrap();
    }
    db.flush().unwrap();
    db.compact().unwrap();
    db.drop_keyspace("other").unwrap();
    db.put("in the log", "v").unwrap();
    db.close().unwrap();
    let db = options().open(path).unwrap();
    assert_eq!(db.iter().unwrap().count(), 20_001);
    assert_eq!(db.iter().unwrap().rev().count(), 20_001);
    let keys: Vec<[u8; 4]> = (0..100u32).map(|i| (i * 190).to_be_bytes()).collect();
    assert!(db.multi_get(&keys).unwrap().iter().all(Option::is_some));
    assert!(db.get("in the log").unwrap().is_some());
    db.close().unwrap();
}

#[test]
fn a_buffered_put_makes_under_a_hundredth_of_a_system_call() {
    const TEST: &str = "system_calls::a_buffered_put_makes_under_a_hundredth_of_a_system_call";
    if child::is_child(TEST) {
        buffered_puts(Path::new(&variable("COUNTED_DIR")), variable("COUNTED_TIMES").parse().unwrap());
        std::process::exit(0);
    }
    if !has_strace(TEST) {
        return;
    }
    let each = each_costs(TEST, (20_000, 220_000), dirs::fresh);
    assert!(each < 0.01, "{each} system calls a put");
}

#[test]
fn a_cold_get_is_one_system_call() {
    const TEST: &str = "system_calls::a_cold_get_is_one_system_call";
    const ENTRIES: u32 = 80_000;
    let options = || Options::new().memory(32 << 20);
    if child::is_child(TEST) {
        let db = options().open(variable("COUNTED_DIR")).unwrap();
        // A block holds 34 to 37 of them.
        for i in 0..variable("COUNTED_TIMES").parse().unwrap() {
            assert!(db.get((i * 40_u32).to_be_bytes()).unwrap().is_some());
        }
        db.close().unwrap();
        std::process::exit(0);
    }
    if !has_strace(TEST) {
        return;
    }
    let store = || {
        let dir = dirs::fresh();
        let db = options().open(dir.path().join("db")).unwrap();
        for i in 0..ENTRIES {
            db.put_with(i.to_be_bytes(), [1; 100], Durability::Buffered).unwrap();
        }
        db.compact().unwrap();
        db.close().unwrap();
        dir
    };
    let each = each_costs(TEST, (500, 1900), store);
    assert!((0.95..1.05).contains(&each), "{each} system calls a get");
}

/// System calls of each of the things that the child does so and so often, by two runs that differ in nothing but their number: opening, closing
/// and the runner cancel out.
fn each_costs(test: &str, (few, many): (u32, u32), store: impl Fn() -> TempDir) -> f64 {
    let [less, more] = [few, many].map(|times| {
        let dir = store();
        let summary = dir.path().join("summary");
        let mut command = child::command(
            test,
            &["strace", "-f", "-c", "-U", "calls,name", "-o", summary.to_str().unwrap()],
        );
        command.env("COUNTED_DIR", dir.path().join("db")).env("COUNTED_TIMES", times.to_string());
        child::output(&mut command);
        calls(&std::fs::read_to_string(summary).unwrap())
    });
    let total = |calls: &BTreeMap<String, i64>| calls.values().sum::<i64>();
    let mut most: Vec<(i64, &String)> =
        more.iter().map(|(name, n)| (n - less.get(name).unwrap_or(&0), name)).collect();
    most.sort_unstable_by(|a, b| b.cmp(a));
    let each = (total(&more) - total(&less)) as f64 / f64::from(many - few);
    println!("{each:.5} system calls each; most: {:?}", &most[..most.len().min(6)]);
    each
}

/// Calls by name, of a summary of strace.
fn calls(summary: &str) -> BTreeMap<String, i64> {
    let rows = summary.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (count, name) = (words.next()?.parse().ok()?, words.next()?);
        (name != "total").then(|| (name.to_owned(), count))
    });
    rows.collect()
}

fn buffered_puts(path: &Path, puts: u64) {
    let db = Options::new().memory(256 << 20).open(path).unwrap();
    for i in 0..puts {
        db.put_with(i.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes(), [1; 100], Durability::Buffered)
            .unwrap();
    }
    db.close().unwrap();
}
