//! Every fault at once, by many seeds, on a ring that misbehaves.

use std::collections::HashMap;

use super::fake::Key;
use super::tests::{Bench, bench, file, raw};
use crate::{File, PAGE};

/// Chains and lone operations under every fault at once, many seeds: each operation completes once; what succeeded did what it
/// says; within a chain nothing started before all before it had succeeded in full.
#[test]
fn chaos_breaks_no_promise() {
    for seed in 0..400 {
        chaos(seed, seed % 4 == 3);
    }
}

fn chaos(seed: u64, polled: bool) {
    let mut b = bench(16, seed);
    b.core.port.polled = polled;
    b.core.port.chaos = 12;
    let files: Vec<File> = (0..160).map(|_| file()).collect();
    // Per token: where it is, its pages, the token before it in its chain.
    let mut plans: Vec<(Key, u64, usize, Option<u64>)> = Vec::new();
    let mut results: HashMap<u64, Result<usize, i32>> = HashMap::new();
    let mut out = Vec::new();
    while plans.len() < 120 {
        let (kind, size) = (b.core.port.random() % 3, 1 + b.core.port.random() as usize % 5);
        let count = if kind == 0 { size } else { 1 };
        let mut ops = Vec::new();
        for i in 0..count {
            let token = plans.len() as u64;
            let (page, pages) = (token * 8, 1 + b.core.port.random() as usize % 6);
            let before = (i > 0).then(|| token - 1);
            let (key, op) = if kind == 0 && i + 1 == count && count > 1 {
                let f = &files[token as usize];
                (Key::Sync(raw(f)), Bench::sync(f))
            } else {
                let key = Key::At(page * PAGE as u64);
                (key, b.write(&files[0], page, pages, token as u8 + 1))
            };
            plans.push((key, page, pages, before));
            ops.push((token, op));
        }
        while b.core.room() < ops.len() {
            b.core.reap(1, &mut out).unwrap();
        }
        if kind == 0 {
            assert!(b.core.push_chain(&mut ops));
        } else {
            let (token, op) = ops.remove(0);
            b.core.push(token, op).unwrap();
        }
        match b.core.port.random() % 4 {
            0 => b.core.submit().unwrap(),
            1 => drop(b.core.reap(0, &mut out).unwrap()),
            2 => drop(b.core.reap(3, &mut out).unwrap()),
            _ => {}
        }
    }
    while b.core.in_flight() > 0 {
        b.core.reap(1, &mut out).unwrap();
    }
    for c in out {
        let token = c.token;
        let fresh = results.insert(token, c.result.map_err(|e| e.errno())).is_none();
        assert!(fresh, "seed {seed}: {token} completed twice");
    }
    assert_eq!(results.len(), plans.len(), "seed {seed}");
    let file = &b.core.port.file;
    for (token, &(key, page, pages, before)) in plans.iter().enumerate() {
        let token = token as u64;
        let start = page as usize * PAGE;
        match (results[&token], key) {
            (Ok(bytes), Key::At(_)) => {
                assert_eq!(bytes, pages * PAGE, "seed {seed}, {token}");
                assert!(
                    file[start..start + bytes].iter().all(|&x| x == token as u8 + 1),
                    "seed {seed}, {token}"
                );
            }
            (Err(libc::ECANCELED), Key::At(_))
                if before.is_some_and(|t| results[&t] == Err(libc::ECANCELED)) =>
            {
                let end = file.len().min(start + pages * PAGE);
                assert!(
                    start >= end || file[start..end].iter().all(|&x| x == 0),
                    "seed {seed}: {token} was written"
                );
            }
            _ => {}
        }
        let Some(before) = before else { continue };
        if results[&before].is_err() {
            assert_eq!(results[&token], Err(libc::ECANCELED), "seed {seed}, {token}");
        }
        // The last full success of the one before comes before the first start of this one.
        let Key::At(at) = plans[before as usize].0 else {
            continue;
        };
        let within = at..at + plans[before as usize].2 as u64 * PAGE as u64;
        let executed = &b.core.port.executed;
        let last = executed.iter().rposition(|e| matches!(e.key, Key::At(x) if within.contains(&x)));
        let own = page * PAGE as u64..(page as usize + pages) as u64 * PAGE as u64;
        let first = executed.iter().position(|e| match (key, e.key) {
            (Key::At(_), Key::At(x)) => own.contains(&x),
            (key, executed) => key == executed,
        });
        if let (Some(last), Some(first)) = (last, first) {
            assert!(executed[last].whole && last < first, "seed {seed}: {token} overtook {before}");
        }
    }
    let counts = b.counts();
    let failed = results.values().filter(|r| r.is_err()).count() as u64;
    assert_eq!(counts.failed, failed);
    assert_eq!(counts.writes + counts.syncs, plans.len() as u64 - failed);
    assert_eq!(counts.plain, counts.writes);
}
