//! Making a failing run smaller: as few operations as still fail at the same place.

use crate::failure::{self, Failure};
use crate::model::{self, Operations, Plan};

/// Fewer and fewer operations of `plan`, which fails as `failure`; at most `tries` runs.
#[must_use]
pub fn shrink(plan: &Plan, failure: &Failure, tries: usize) -> Plan {
    let fails = |plan: &Plan| {
        let result = failure::catch(true, || model::run(plan));
        result.is_err_and(|f| f.place == failure.place)
    };
    let all = plan.only.clone().unwrap_or_else(|| Operations((0..=failure.operation).collect()));
    let operations = minimal(all.0, tries, |kept| fails(&plan.only(Operations(kept.to_vec()))));
    plan.only(Operations(operations))
}

/// Drops runs of numbers, long ones first, as long as `fails` stays true of the rest.
fn minimal(mut kept: Vec<u64>, mut tries: usize, mut fails: impl FnMut(&[u64]) -> bool) -> Vec<u64> {
    let mut chunk = kept.len().div_ceil(2);
    while chunk > 0 {
        let mut end = kept.len();
        let mut dropped = false;
        while end > 0 && tries > 0 {
            let start = end.saturating_sub(chunk);
            let rest = [&kept[..start], &kept[end..]].concat();
            tries -= 1;
            if fails(&rest) {
                kept = rest;
                dropped = true;
            }
            end = start.min(kept.len());
        }
        if tries == 0 || (chunk == 1 && !dropped) {
            break;
        }
        chunk = if chunk == 1 { 1 } else { chunk / 2 };
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::minimal;

    #[test]
    fn what_does_not_matter_is_dropped() {
        let fails = |kept: &[u64]| kept.contains(&3) && kept.contains(&77);
        assert_eq!(minimal((0..100).collect(), 1000, fails), [3, 77]);
        assert_eq!(minimal((0..100).collect(), 1000, |_| true), [] as [u64; 0]);
        assert_eq!(minimal((0..5).collect(), 1000, |kept| kept.len() == 5), [0, 1, 2, 3, 4]);
        assert!(minimal((0..100).collect(), 7, fails).contains(&77));
    }
}
