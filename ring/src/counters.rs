//! Counts of everything that goes to the disk, by class of user.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Whose I/O it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum Class {
    /// The write-ahead log.
    Log = 0,
    /// Point reads, one key or many.
    Get = 1,
    /// Iterators.
    Scan = 2,
    /// Memtables written to tables.
    Flush = 3,
    /// Merging of tables.
    Compaction = 4,
    /// Opening, manifest, directories.
    Control = 5,
}

impl Class {
    /// All classes, in order.
    pub const ALL: [Class; 6] =
        [Class::Log, Class::Get, Class::Scan, Class::Flush, Class::Compaction, Class::Control];

    /// The name as statistics print it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Class::Log => "log",
            Class::Get => "get",
            Class::Scan => "scan",
            Class::Flush => "flush",
            Class::Compaction => "compaction",
            Class::Control => "control",
        }
    }
}

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Live counts of one class.
        #[derive(Debug, Default)]
        pub(crate) struct Cell { $(pub(crate) $name: AtomicU64,)* }

        /// Counts of one class, or of several added up.
        #[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct ClassCounts { $($(#[$doc])* pub $name: u64,)* }

        impl ClassCounts {
            /// Names and values, in a fixed order, for printing.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }

            /// What was added since `earlier`.
            #[must_use]
            pub fn since(&self, earlier: &Self) -> Self {
                Self { $($name: self.$name.saturating_sub(earlier.$name),)* }
            }

            /// Both together.
            #[must_use]
            pub fn plus(&self, other: &Self) -> Self {
                Self { $($name: self.$name + other.$name,)* }
            }
        }

        impl Cell {
            fn read(&self) -> ClassCounts { ClassCounts { $($name: self.$name.load(Relaxed),)* } }
        }
    };
}

counts! {
    /// Calls into the kernel that submit or wait: `io_uring_enter`, or each system call of the plain backend.
    enters,
    /// Operations handed to the kernel (submission queue entries).
    sqes,
    /// Read operations completed.
    reads,
    /// Write operations completed.
    writes,
    /// Sync operations completed, and writes that were durable on completion.
    syncs,
    /// Bytes read.
    read_bytes,
    /// Bytes written.
    write_bytes,
    /// Chains published.
    chains,
    /// Reads and writes through a registered buffer.
    fixed,
    /// Reads and writes through a plain pointer.
    plain,
    /// Transfers that came back short and were continued.
    short,
    /// EINTR, EAGAIN and EBUSY that were retried.
    retries,
    /// Operations that failed.
    failed,
}

/// Counts of one disk, shared by its lanes.
#[derive(Debug, Default)]
pub struct Counters {
    cells: [Cell; Class::ALL.len()],
}

impl Counters {
    pub(crate) fn cell(&self, class: Class) -> &Cell {
        &self.cells[class as usize]
    }

    /// The counts now.
    #[must_use]
    pub fn snapshot(&self) -> CountsSnapshot {
        CountsSnapshot { classes: std::array::from_fn(|i| self.cells[i].read()) }
    }
}

/// Counts by class at one moment.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct CountsSnapshot {
    classes: [ClassCounts; Class::ALL.len()],
}

impl CountsSnapshot {
    /// The counts of one class.
    #[must_use]
    pub fn class(&self, class: Class) -> &ClassCounts {
        &self.classes[class as usize]
    }

    /// All classes added up.
    #[must_use]
    pub fn total(&self) -> ClassCounts {
        self.classes.iter().fold(ClassCounts::default(), |sum, c| sum.plus(c))
    }

    /// What was added since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self { classes: std::array::from_fn(|i| self.classes[i].since(&earlier.classes[i])) }
    }
}
