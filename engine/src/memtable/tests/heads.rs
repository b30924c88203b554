//! The two ways to compare a node's heads.

use super::super::tree::SLOTS as SLOTS_MAX;
use super::super::tree::heads::{Compared, Heads};

const FLIP: u32 = 1 << 31;

#[test]
fn both_ways_to_compare_agree_with_counting() {
    let special = [0, 1, FLIP - 1, FLIP, FLIP + 1, u32::MAX - 1, u32::MAX];
    let mut state = 1_u64;
    for round in 0..2000 {
        let all: Vec<u32> = (0..SLOTS_MAX)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let random = (state >> 32) as u32;
                if round % 2 == 0 { random } else { special[random as usize % special.len()] }
            })
            .collect();
        let heads = Heads::new(&[]);
        for (slot, head) in all.iter().enumerate() {
            heads.set(slot, *head);
        }
        assert!((0..SLOTS_MAX).all(|slot| heads.get(slot) == all[slot]));
        assert!((0..SLOTS_MAX).all(|slot| Heads::new(&all).get(slot) == all[slot]));
        for len in 0..=SLOTS_MAX {
            for head in all.iter().chain(&special) {
                let used = &all[..len];
                let expected = Compared {
                    below: used.iter().filter(|other| *other < head).count(),
                    equal: (0..len).fold(0, |set, slot| set | (u32::from(used[slot] == *head) << slot)),
                };
                assert_eq!(heads.compare(SLOTS_MAX, len, *head), expected);
                assert_eq!(heads.compare_each(SLOTS_MAX, len, *head), expected);
                assert_eq!(heads.equal(SLOTS_MAX, len, *head), expected.equal);
                assert_eq!(heads.equal(len, len, *head), expected.equal);
                assert_eq!(heads.compare_each(len, len, *head), expected);
            }
        }
    }
}
