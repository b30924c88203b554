//! `kill -9` on a real process, on the real kernel: everything it said it had appended is there at once in the next process, though
//! its last writes may still be on their way to the disk.

#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{STORE, pattern};
use ringwood_ring::{Gate, IoChoice, UringConfig, open_disk};
use ringwood_wal::{Opened, WalOptions, open};

const DIR: &str = "RINGWOOD_KILL_DIR";
const IO: &str = "RINGWOOD_KILL_IO";

fn batch(number: u64) -> Vec<u8> {
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.extend(pattern(number, (number as usize * 91) % 700));
    bytes
}

/// Opens the log and checks that it holds batches 0, 1, 2 … without a gap; returns how many.
fn open_numbered(dir: &Path, io: IoChoice) -> (Opened, u64) {
    let disk = open_disk(io, 16 << 20, UringConfig::default()).unwrap();
    let options =
        WalOptions { segment_bytes_max: 1 << 20, unsynced_bytes_max: 1 << 20, ..WalOptions::default() };
    let mut count = 0;
    let opened = open(&disk, dir, options, STORE, 0, &mut |_, bytes| {
        assert!(bytes == batch(count), "batch {count} is wrong or out of order");
        count += 1;
        Ok(())
    });
    (opened.unwrap(), count)
}

/// The victim: does nothing unless the other test started it.
#[test]
fn child() {
    let (Ok(dir), Ok(io)) = (std::env::var(DIR), std::env::var(IO)) else { return };
    let (opened, mut next) = open_numbered(&PathBuf::from(dir), io.parse().unwrap());
    let (log, mut pump, mut appender) = (opened.log, opened.pump, opened.appender);
    std::thread::spawn(move || pump.run());
    let mut out = std::io::stdout().lock();
    loop {
        let end = appender.append(&[&batch(next)]).unwrap();
        if next % 50 == 7 {
            log.wait_durable(end).unwrap();
        } else {
            log.wait_kept(end).unwrap();
        }
        next += 1;
        writeln!(out, "acknowledged {next}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn a_killed_process_loses_nothing_that_it_acknowledged() {
    for io in [IoChoice::Auto, IoChoice::Syscalls] {
        let temp = tempfile::tempdir().unwrap();
        let mut total = 0;
        for round in 0..15u64 {
            let mut victim = Command::new(std::env::current_exe().unwrap())
                .args(["child", "--exact", "--nocapture"])
                .env(DIR, temp.path())
                .env(IO, io.to_string())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let out = BufReader::new(victim.stdout.take().unwrap());
            let reader = std::thread::spawn(move || {
                let lines = out.lines().map_while(Result::ok);
                let numbers = lines.filter_map(|l| l.strip_prefix("acknowledged ")?.parse::<u64>().ok());
                numbers.last()
            });
            let pause = Gate::new();
            pause.wait_timeout(Duration::from_millis(40 + round * 13), || false);
            victim.kill().unwrap();
            victim.wait().unwrap();
            let acknowledged = reader.join().unwrap().unwrap_or(total);
            let (opened, found) = open_numbered(temp.path(), io);
            assert!(
                found >= acknowledged,
                "round {round}: {acknowledged} acknowledged, {found} there; {:?}",
                opened.report
            );
            assert!(found <= acknowledged + 1, "round {round}: more than was appended");
            total = found;
        }
        assert!(total > 100, "only {total} batches in all: the test shows nothing");
    }
}
