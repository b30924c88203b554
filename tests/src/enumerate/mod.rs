//! Enumerations: not a sample of what may go wrong, but all of it, for one small workload or store.
//!
//! Each takes `every`: 1 for the whole, more to look at every so-manyth case. `cargo test` runs them in the short form
//! (`tests/tests/enumerations.rs`), the command `ringwood-enumerate` in the whole one, and prints the counts.

mod damage;
mod runs;

use std::fmt;

pub use damage::{exchanges, flips, truncations};
pub use runs::{cuts, failures, lies};

/// What an enumeration came to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Cases: failures, cuts, damages.
    pub cases: u64,
    /// States after a crash that were opened and compared; of damages, stores that held the truth all the same.
    pub whole: u64,
    /// Cases that ended in an error, as they may.
    pub errors: u64,
    /// Of the errors, those that name an offset in the file.
    pub with_offset: u64,
    /// Images that were opened and compared on the real disk too.
    pub on_kernel: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cases, whole, errors, with_offset, on_kernel } = self;
        write!(f, "{cases} cases, {whole} whole, {errors} errors ({with_offset} with an offset)")?;
        if *on_kernel > 0 {
            write!(f, ", {on_kernel} images on the real kernel")?;
        }
        Ok(())
    }
}
