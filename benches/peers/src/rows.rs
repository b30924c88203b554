//! The rows of the table: what is measured, under which name, on what.

/// Rows that share a process and a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    Disk,
    Fill,
    Sustained,
    Sync,
    Load,
    Hot,
    Cold,
    Ycsb,
}

impl Group {
    pub(crate) const ALL: [Self; 8] =
        [Self::Disk, Self::Fill, Self::Sustained, Self::Sync, Self::Load, Self::Hot, Self::Cold, Self::Ycsb];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Fill => "fill",
            Self::Sustained => "sustained",
            Self::Sync => "sync",
            Self::Load => "load",
            Self::Hot => "hot",
            Self::Cold => "cold",
            Self::Ycsb => "ycsb",
        }
    }

    /// What its rows have in common, for people.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Disk => "the bare disk, without a store",
            Self::Fill => "one put or delete a call, Buffered; background work may go on when the time ends",
            Self::Sustained => "random puts, Buffered, until compaction has nothing left to do",
            Self::Sync => "one put a call, on the device when it returns",
            Self::Load => {
                "bulk loads that end with everything on the device; compaction of the random one; opening"
            }
            Self::Hot => "everything in the cache",
            Self::Cold => "data larger than the memory allowed, caches dropped before each row",
            Self::Ycsb => "YCSB's mixes, Zipfian, everything in the cache, writes Buffered",
        }
    }
}

/// What a row's store holds when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Nothing.
    Empty,
    /// What a fill of random keys left.
    Filled,
    /// All keys, loaded in random order.
    Loaded,
    /// The same, loaded once for all rounds.
    Base,
}

/// YCSB's mixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mix {
    A,
    B,
    C,
    D,
    E,
    F,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    FillSeq,
    FillRandom,
    DeleteRandom,
    Sustained,
    FillSync,
    LoadSorted,
    LoadRandom,
    Compact,
    Open,
    Get,
    GetMissing,
    MultiGet,
    ScanAll,
    ScanBackward,
    Seek { nexts: u64 },
    GetWhileWriting,
    Ycsb(Mix),
    Disk(Disk),
}

/// What is asked of the bare disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    /// Random reads of 4 KiB, so many in flight.
    Read { depth: u32 },
    /// Random reads of 4 KiB by so many threads, one each.
    Threads,
    /// Reads of 1 MiB, one behind the other, some in flight.
    Sequential,
    /// A write of 4 KiB and fdatasync, by system calls.
    Commit,
    /// The same as a linked chain in one enter.
    Chain,
}

/// What a row's figure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Calls, keys or entries a second: more is better.
    PerSecond,
    /// MB a second.
    MegabytesPerSecond,
    /// Milliseconds: less is better.
    Millis,
}

/// What of the bare disk a row can be held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    None,
    /// One operation of that disk row an operation.
    Operations(&'static str),
    /// The bytes of an entry an operation.
    Bytes(&'static str),
}

/// A row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) group: Group,
    pub(crate) work: Work,
    pub(crate) threads: usize,
    pub(crate) start: Start,
    pub(crate) bound: Bound,
}

impl Row {
    pub(crate) fn unit(&self) -> Unit {
        match self.work {
            Work::Open => Unit::Millis,
            Work::Disk(Disk::Sequential) => Unit::MegabytesPerSecond,
            _ => Unit::PerSecond,
        }
    }

    /// The row of a name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        ROWS.iter().find(|row| row.name == name)
    }
}

const fn row(name: &'static str, group: Group, work: Work, threads: usize, start: Start) -> Row {
    Row { name, group, work, threads, start, bound: Bound::None }
}

const fn fill(name: &'static str, work: Work, threads: usize, start: Start) -> Row {
    row(name, Group::Fill, work, threads, start)
}

const fn hot(name: &'static str, work: Work, threads: usize) -> Row {
    row(name, Group::Hot, work, threads, Start::Base)
}

const fn cold(name: &'static str, work: Work, threads: usize, bound: Bound) -> Row {
    Row { bound, ..row(name, Group::Cold, work, threads, Start::Base) }
}

const fn disk(name: &'static str, disk: Disk, threads: usize) -> Row {
    row(name, Group::Disk, Work::Disk(disk), threads, Start::Empty)
}

const fn ycsb(name: &'static str, mix: Mix) -> Row {
    row(name, Group::Ycsb, Work::Ycsb(mix), YCSB_THREADS, Start::Loaded)
}

/// Keys of one multi-get.
pub(crate) const MULTI_GET_KEYS: usize = 64;
const YCSB_THREADS: usize = 8;

/// All rows, in the order in which they are done and shown.
pub(crate) const ROWS: &[Row] = &[
    disk("disk-read-1", Disk::Read { depth: 1 }, 1),
    disk("disk-read-8", Disk::Read { depth: 8 }, 1),
    disk("disk-read-64", Disk::Read { depth: 64 }, 1),
    disk("disk-read-8-threads", Disk::Threads, 8),
    disk("disk-read-seq", Disk::Sequential, 1),
    disk("disk-commit", Disk::Commit, 1),
    disk("disk-commit-chain", Disk::Chain, 1),
    fill("fillseq", Work::FillSeq, 1, Start::Empty),
    fill("fillseq-8", Work::FillSeq, 8, Start::Empty),
    fill("fillrandom", Work::FillRandom, 1, Start::Empty),
    fill("overwrite", Work::FillRandom, 1, Start::Filled),
    fill("deleterandom", Work::DeleteRandom, 1, Start::Filled),
    fill("fillrandom-8", Work::FillRandom, 8, Start::Empty),
    fill("overwrite-8", Work::FillRandom, 8, Start::Filled),
    fill("deleterandom-8", Work::DeleteRandom, 8, Start::Filled),
    row("fillrandom-sustained", Group::Sustained, Work::Sustained, 1, Start::Empty),
    Row {
        bound: Bound::Operations("disk-commit"),
        ..row("fillsync", Group::Sync, Work::FillSync, 1, Start::Empty)
    },
    row("fillsync-8", Group::Sync, Work::FillSync, 8, Start::Empty),
    row("bulkload-sorted", Group::Load, Work::LoadSorted, 1, Start::Empty),
    row("bulkload-random", Group::Load, Work::LoadRandom, 1, Start::Empty),
    row("compact", Group::Load, Work::Compact, 1, Start::Loaded),
    row("open", Group::Load, Work::Open, 1, Start::Loaded),
    hot("readrandom-hot", Work::Get, 1),
    hot("readrandom-hot-8", Work::Get, 8),
    hot("multireadrandom-hot", Work::MultiGet, 1),
    hot("readmissing-hot", Work::GetMissing, 1),
    hot("readseq-hot", Work::ScanAll, 1),
    hot("readreverse-hot", Work::ScanBackward, 1),
    hot("seekrandom-hot-10", Work::Seek { nexts: 10 }, 1),
    hot("readwhilewriting-hot", Work::GetWhileWriting, 2),
    cold("readrandom-cold", Work::Get, 1, Bound::Operations("disk-read-1")),
    cold("readrandom-cold-8", Work::Get, 8, Bound::Operations("disk-read-8")),
    cold("multireadrandom-cold", Work::MultiGet, 1, Bound::Operations("disk-read-64")),
    cold("seekrandom-cold-10", Work::Seek { nexts: 10 }, 1, Bound::None),
    cold("seekrandom-cold-100", Work::Seek { nexts: 100 }, 1, Bound::None),
    cold("readseq-cold", Work::ScanAll, 1, Bound::Bytes("disk-read-seq")),
    cold("readwhilewriting-cold", Work::GetWhileWriting, 8, Bound::None),
    ycsb("ycsb-a", Mix::A),
    ycsb("ycsb-b", Mix::B),
    ycsb("ycsb-c", Mix::C),
    ycsb("ycsb-f", Mix::F),
    ycsb("ycsb-d", Mix::D),
    ycsb("ycsb-e", Mix::E),
];

/// The rows that a list of names of rows and groups asks for, in the order of the table.
///
/// # Errors
/// The name that is neither.
pub(crate) fn select(names: &[String]) -> Result<Vec<&'static Row>, String> {
    let known = |name: &str| ROWS.iter().any(|r| r.name == name || r.group.name() == name);
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        return Err(format!("there is no row or group {unknown:?}; --list shows them"));
    }
    let wanted =
        |row: &&Row| names.is_empty() || names.iter().any(|n| n == row.name || n == row.group.name());
    Ok(ROWS.iter().filter(wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_groups_are_together_and_bounds_exist() {
        let names: std::collections::BTreeSet<_> = ROWS.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), ROWS.len());
        assert!(ROWS.is_sorted_by_key(|row| row.group));
        assert!(Group::ALL.iter().all(|group| !names.contains(group.name())));
        for row in ROWS {
            if let Bound::Operations(disk) | Bound::Bytes(disk) = row.bound {
                assert_eq!(Row::named(disk).unwrap().group, Group::Disk, "{}", row.name);
            }
        }
    }

    #[test]
    fn rows_are_chosen_by_name_or_group() {
        let chosen = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            select(&names).map(|rows| rows.iter().map(|row| row.name).collect::<Vec<_>>())
        };
        assert_eq!(chosen(&["fillsync-8", "compact"]).unwrap(), ["fillsync-8", "compact"]);
        assert_eq!(chosen(&["sync"]).unwrap(), ["fillsync", "fillsync-8"]);
        assert_eq!(chosen(&[]).unwrap().len(), ROWS.len());
        assert!(chosen(&["fillsink"]).unwrap_err().contains("fillsink"));
    }
}
