//! Gathering: whether a group waits a moment for writers that are about to be back, and for how many.
//!
//! Of `n` writers that each wait for their own write, left alone, half ride in the group in flight while the other half append for the
//! next: groups of `n / 2`, for ever. The group in flight could not have taken the others along, but the next one can take all, if
//! it waits until those who were just served have appended again. That takes a few microseconds each, against a sync. So after a group the
//! log counts on everyone whom it served and everyone who asked meanwhile, and begins the next when so many have
//! asked, or when it has waited for as long as the group took: from there on, waiting gains nothing.
//!
//! Writers that do not come back at once make it wait in vain. It tries again after a while that doubles with each failure.
//! (PostgreSQL's `commit_delay` and MySQL's `binlog_group_commit_sync_delay` are the same, with figures that someone has to set.)

/// It never waits longer.
const WAIT_NS_MAX: u64 = 1_000_000;
/// Groups between two tries, at most.
const SKIP_MAX: u32 = 63;

/// See the module documentation.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    /// How many were waited for, if any.
    expected: u64,
    /// Groups that go without, before the next try.
    skip: u32,
    /// What `skip` was after the last failure.
    skipped: u32,
}

impl Gather {
    /// A group begins for `askers`: learns from whether all came that were waited for.
    pub(crate) fn begins(&mut self, askers: u64) {
        match std::mem::take(&mut self.expected) {
            0 => {}
            expected if expected <= askers => self.skipped = 0,
            _ => {
                self.skipped = (2 * self.skipped + 1).min(SKIP_MAX);
                self.skip = self.skipped;
            }
        }
    }

    /// A group for `served` is over that took `took` nanoseconds, in which `others` asked. Returns for how many the next is to wait, and
    /// how long, if it is to wait.
    pub(crate) fn ends(&mut self, served: u64, others: u64, took: u64) -> Option<(u64, u64)> {
        if served + others < 2 {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        self.expected = served + others;
        Some((self.expected, took.min(WAIT_NS_MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Eight writers of whom four ride in each group, unless it waited and they came back. Returns how many of so many groups waited.
    fn waits(come_back: bool, groups: u32) -> u32 {
        let (mut gather, mut waited, mut askers) = (Gather::default(), 0, 4);
        for _ in 0..groups {
            gather.begins(askers);
            let wait = gather.ends(askers, 8 - askers, 100_000);
            assert!(wait.is_none_or(|wait| wait == (8, 100_000)));
            waited += u32::from(wait.is_some());
            askers = if wait.is_some() && come_back { 8 } else { 4 };
        }
        waited
    }

    #[test]
    fn it_waits_for_those_who_come_back() {
        assert_eq!(waits(true, 1000), 1000);
    }

    #[test]
    fn waiting_in_vain_becomes_rare() {
        let waited = waits(false, 10_000);
        assert!((100..200).contains(&waited), "{waited} of 10000");
    }

    #[test]
    fn nobody_waits_for_a_lone_writer() {
        let mut gather = Gather::default();
        assert_eq!(gather.ends(1, 0, 100), None);
        assert_eq!(gather.ends(0, 1, 100), None);
        assert_eq!(gather.ends(1, 1, u64::MAX), Some((2, WAIT_NS_MAX)));
    }
}
