//! Which operation fails next: plans that a test made, and the configuration's probabilities.

use std::collections::BTreeSet;
use std::path::Path;

use super::config::{FaultOp, FaultPlan, SimConfig, Times};
use super::namespace::{Errno, Inode};
use super::rng::Rng;

#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    plans: Vec<FaultPlan>,
    /// Where a random error has come to stay.
    broken: BTreeSet<(FaultOp, Inode)>,
    /// How often a plan has struck.
    pub(super) strikes: u64,
}

impl Faults {
    pub(super) fn add(&mut self, plan: FaultPlan) {
        self.plans.push(plan);
    }

    pub(super) fn clear(&mut self) {
        self.plans.clear();
        self.broken.clear();
    }

    /// Whether a plan strikes this operation; every plan that fits counts it.
    pub(super) fn planned(&mut self, op: FaultOp, path: &Path) -> Option<Errno> {
        let mut struck = None;
        self.plans.retain_mut(|plan| {
            if plan.op != op {
                return true;
            }
            let fits = match &plan.path_contains {
                Some(part) => path.to_string_lossy().contains(part.as_str()),
                None => true,
            };
            if !fits || struck.is_some() {
                return true;
            }
            if plan.after > 0 {
                plan.after -= 1;
                return true;
            }
            struck = Some(plan.errno);
            self.strikes += 1;
            plan.times == Times::Persistent
        });
        struck
    }

    /// Whether chance strikes it.
    pub(super) fn random(
        &mut self,
        op: FaultOp,
        inode: Inode,
        config: &SimConfig,
        rng: &mut Rng,
    ) -> Option<Errno> {
        let probability = match op {
            FaultOp::Read => config.read_error,
            FaultOp::Write => config.write_error,
            FaultOp::Sync => config.sync_error,
            FaultOp::SyncDir => config.dir_sync_error,
            _ => 0.0,
        };
        if self.broken.contains(&(op, inode)) {
            return Some(libc::EIO);
        }
        if !rng.chance(probability) {
            return None;
        }
        if rng.chance(config.error_persists) {
            self.broken.insert((op, inode));
        }
        Some(libc::EIO)
    }
}
