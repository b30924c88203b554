//! Chains: in order, all or nothing, broken by anything but full success.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ringwood_ring::{Op, OpenOptions, PAGE};

use crate::harness::{Backend, all, chain, one, sync};

const CANCELED: Result<usize, i32> = Err(libc::ECANCELED);

pub fn completions_come_in_order(b: &Backend) {
    let file = b.create("f");
    let mut lane = b.pooled(8);
    let ops = vec![b.write(&file, 0, 1, 1), b.write(&file, 0, 2, 2), sync(&file), b.read(&file, 1, 1)];
    assert_eq!(chain(&mut *lane, ops), [Ok(PAGE), Ok(2 * PAGE), Ok(0), Ok(PAGE)]);
    assert_eq!(b.fills(&file, 0, 2), [2, 2], "the second write came second");
}

pub fn the_end_of_a_file_breaks_a_chain(b: &Backend) {
    let file = b.filled("f", 1, 1);
    let mut lane = b.pooled(8);
    let ops = vec![b.read(&file, 0, 2), b.write(&file, 0, 1, 9), sync(&file)];
    assert_eq!(chain(&mut *lane, ops), [Ok(PAGE), CANCELED, CANCELED]);
    assert_eq!(b.fills(&file, 0, 1), [1], "a cancelled write is not done");
}

pub fn a_failure_breaks_a_chain(b: &Backend) {
    let file = b.filled("f", 2, 1);
    let readonly = b.disk.open(file.path(), OpenOptions::READ).unwrap();
    let mut lane = b.pooled(8);
    let ops =
        vec![b.write(&file, 0, 1, 5), b.write(&readonly, 0, 1, 6), b.write(&file, 1, 1, 7), sync(&file)];
    let results = chain(&mut *lane, ops);
    assert_eq!(results, [Ok(PAGE), Err(libc::EBADF), CANCELED, CANCELED]);
    assert_eq!(b.fills(&file, 0, 2), [5, 2]);
}

pub fn what_comes_after_a_broken_chain_is_not_touched(b: &Backend) {
    let file = b.filled("f", 1, 1);
    let mut lane = b.pooled(8);
    let mut broken = vec![(0, b.read(&file, 5, 1)), (1, sync(&file))];
    assert!(lane.push_chain(&mut broken));
    lane.push(2, b.read(&file, 0, 1)).unwrap();
    let mut whole = vec![(3, b.write(&file, 3, 1, 4)), (4, sync(&file))];
    assert!(lane.push_chain(&mut whole));
    let mut done = all(&mut *lane);
    done.sort_by_key(|c| c.token);
    let results: Vec<_> = done.into_iter().map(|c| c.result.map_err(|e| e.errno())).collect();
    assert_eq!(results, [Ok(0), CANCELED, Ok(PAGE), Ok(PAGE), Ok(0)]);
}

pub fn a_chain_that_does_not_fit_is_refused_whole(b: &Backend) {
    let file = b.filled("f", 1, 1);
    let mut lane = b.pooled(4);
    lane.push(0, b.read(&file, 0, 1)).unwrap();
    lane.push(1, b.read(&file, 0, 1)).unwrap();
    let mut ops: Vec<(u64, Op)> = (2..5).map(|i| (i, b.read(&file, 0, 1))).collect();
    assert!(!lane.push_chain(&mut ops));
    assert_eq!((ops.len(), lane.in_flight(), lane.room()), (3, 2, 2));
    all(&mut *lane);
    assert!(lane.push_chain(&mut ops));
    assert_eq!(all(&mut *lane).len(), 3);
}

pub fn an_empty_chain_is_nothing(b: &Backend) {
    let mut lane = b.pooled(2);
    assert!(lane.push_chain(&mut Vec::new()));
    assert_eq!(lane.in_flight(), 0);
    assert!(all(&mut *lane).is_empty());
}

pub fn a_chain_longer_than_the_lane_is_a_bug(b: &Backend) {
    let file = b.filled("f", 1, 1);
    let mut lane = b.pooled(2);
    let mut ops: Vec<(u64, Op)> = (0..3).map(|i| (i, b.read(&file, 0, 1))).collect();
    let result = catch_unwind(AssertUnwindSafe(|| lane.push_chain(&mut ops)));
    assert!(result.is_err());
    assert_eq!((ops.len(), lane.in_flight()), (3, 0));
    one(&mut *lane, b.read(&file, 0, 1)).result.unwrap();
}

pub fn many_chains_keep_their_order(b: &Backend) {
    const CHAINS: u64 = 12;
    let file = b.filled("f", CHAINS as usize, 0);
    let mut lane = b.pooled(64);
    for round in 1..=3u8 {
        for i in 0..CHAINS {
            // Each chain writes its page twice and reads it: only order makes the second value stand.
            let (page, token) = (i as usize, i * 10);
            let mut ops = vec![
                (token, b.write(&file, page, 1, 200)),
                (token + 1, b.write(&file, page, 1, round)),
                (token + 2, b.read(&file, page, 1)),
                (token + 3, sync(&file)),
            ];
            assert!(lane.push_chain(&mut ops));
        }
        let done = all(&mut *lane);
        let mut last = vec![None; CHAINS as usize];
        for c in done {
            let (chain, at) = ((c.token / 10) as usize, c.token % 10);
            assert!(last[chain] < Some(at), "chain {chain}: {at} after {:?}", last[chain]);
            last[chain] = Some(at);
            c.result.unwrap();
            if at == 2 {
                assert_eq!(c.buf.unwrap().as_slice()[0], round);
            }
        }
    }
}
