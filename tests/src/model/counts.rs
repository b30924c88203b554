//! What runs came to, in numbers.

use std::fmt;
use std::ops::AddAssign;

/// Counts over some runs.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Runs that ended.
    pub runs: u64,
    /// Operations of the store's user: writes, reads, scans, flushes, …
    pub operations: u64,
    /// Operations of the simulated disk.
    pub disk_operations: u64,
    /// Deaths of the process without a loss of power.
    pub deaths: u64,
    /// Losses of power.
    pub power_losses: u64,
    /// Of both, those in the middle of a recovery.
    pub in_recovery: u64,
    /// Images of a running store that were opened and compared.
    pub images: u64,
    /// Images that were opened and compared on the real disk too, through io_uring.
    pub on_kernel: u64,
    /// Openings that succeeded and were compared with the reference.
    pub openings: u64,
    /// Faults that were injected (plans, full disks, spells of rot or lies).
    pub faults: u64,
    /// Calls that failed as they may.
    pub errors: u64,
}

impl Counts {
    /// Deaths, losses of power and images: every state after a crash that was checked.
    #[must_use]
    pub fn crashes(&self) -> u64 {
        self.deaths + self.power_losses + self.images
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.operations += other.operations;
        self.disk_operations += other.disk_operations;
        self.deaths += other.deaths;
        self.power_losses += other.power_losses;
        self.in_recovery += other.in_recovery;
        self.images += other.images;
        self.on_kernel += other.on_kernel;
        self.openings += other.openings;
        self.faults += other.faults;
        self.errors += other.errors;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} runs, {} operations, {} disk operations, {} crashes ({} deaths, {} power losses, {} images; {} in a recovery), {} openings, {} faults, {} errors",
            self.runs,
            self.operations,
            self.disk_operations,
            self.crashes(),
            self.deaths,
            self.power_losses,
            self.images,
            self.in_recovery,
            self.openings,
            self.faults,
            self.errors
        )?;
        if self.on_kernel > 0 {
            write!(f, ", {} images on the real kernel", self.on_kernel)?;
        }
        Ok(())
    }
}
