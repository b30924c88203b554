//! The list of benchmarks: names, what they do, and what they change of the options.

use crate::failure::{Failure, Result};

/// A benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bench {
    FillSeq,
    FillBatch,
    FillRandom,
    FillUniqueRandom,
    FillSync,
    Fill100K,
    Overwrite,
    DeleteSeq,
    DeleteRandom,
    ReadSeq,
    ReadToCache,
    ReadReverse,
    ReadRandom,
    ReadRandomSmall,
    ReadMissing,
    MultiReadRandom,
    SeekRandom,
    FillSeekSeq,
    NewIterator,
    ReadWhileWriting,
    MultiReadWhileWriting,
    SeekRandomWhileWriting,
    NewIteratorWhileWriting,
    ReadWhileScanning,
    ReadRandomWriteRandom,
    UpdateRandom,
    AppendRandom,
    Compact,
    Flush,
    WaitForCompaction,
    Stats,
    LevelStats,
    MemStats,
    ResetStats,
}

/// Name, benchmark, what it does.
pub(crate) const BENCHMARKS: &[(&str, Bench, &str)] = &[
    ("fillseq", Bench::FillSeq, "write --num keys in order, into a fresh store"),
    ("fillbatch", Bench::FillBatch, "the same in batches of 1000"),
    (
        "fillrandom",
        Bench::FillRandom,
        "write --num keys drawn at random (some twice, some never), into a fresh store",
    ),
    (
        "filluniquerandom",
        Bench::FillUniqueRandom,
        "write every key once in random order, into a fresh store; one thread",
    ),
    ("fillsync", Bench::FillSync, "write --num times, each synced, over --num/1000 keys, into a fresh store"),
    (
        "fill100K",
        Bench::Fill100K,
        "write --num times values of 100,000 bytes over --num/1000 keys, into a fresh store",
    ),
    ("overwrite", Bench::Overwrite, "write --num keys drawn at random, into the store that is there"),
    ("deleteseq", Bench::DeleteSeq, "delete keys in order"),
    ("deleterandom", Bench::DeleteRandom, "delete keys drawn at random"),
    ("readseq", Bench::ReadSeq, "read from the first key on"),
    ("readtocache", Bench::ReadToCache, "the same with one thread over --num keys"),
    ("readreverse", Bench::ReadReverse, "read from the last key backwards"),
    ("readrandom", Bench::ReadRandom, "get keys drawn at random"),
    ("readrandomsmall", Bench::ReadRandomSmall, "the same with a thousandth of the reads"),
    ("readmissing", Bench::ReadMissing, "get keys that are not there (a byte longer than those that are)"),
    ("multireadrandom", Bench::MultiReadRandom, "get --batch_size keys at a time; keys are counted"),
    ("seekrandom", Bench::SeekRandom, "a new cursor, a seek to a random key, then --seek_nexts steps"),
    (
        "fillseekseq",
        Bench::FillSeekSeq,
        "write --num keys in order, then seek to each; the seeks are counted",
    ),
    ("newiterator", Bench::NewIterator, "make a cursor and drop it"),
    (
        "readwhilewriting",
        Bench::ReadWhileWriting,
        "readrandom, while one more thread writes; the writer is not counted",
    ),
    ("multireadwhilewriting", Bench::MultiReadWhileWriting, "multireadrandom beside a writer"),
    ("seekrandomwhilewriting", Bench::SeekRandomWhileWriting, "seekrandom beside a writer"),
    ("newiteratorwhilewriting", Bench::NewIteratorWhileWriting, "newiterator beside a writer"),
    (
        "readwhilescanning",
        Bench::ReadWhileScanning,
        "readrandom, while one more thread scans; its steps are counted too",
    ),
    (
        "readrandomwriterandom",
        Bench::ReadRandomWriteRandom,
        "--readwritepercent reads, then the rest of a hundred writes",
    ),
    ("updaterandom", Bench::UpdateRandom, "get a random key, then put it anew"),
    (
        "appendrandom",
        Bench::AppendRandom,
        "get a random key, then put it with a value appended to the old one",
    ),
    ("compact", Bench::Compact, "merge everything into the last level"),
    ("compactall", Bench::Compact, "the same"),
    ("flush", Bench::Flush, "write the memtables to tables"),
    ("waitforcompaction", Bench::WaitForCompaction, "wait until background work has come to rest"),
    ("stats", Bench::Stats, "print the store's statistics"),
    ("levelstats", Bench::LevelStats, "print tables and bytes of each level"),
    ("memstats", Bench::MemStats, "print the memory in use, by purpose"),
    ("resetstats", Bench::ResetStats, "skipped: the store counts from its opening"),
];

/// What runs if options are given, but no list: db_bench's list, as far as it is offered.
pub(crate) const DEFAULT_LIST: &str = "fillseq,fillsync,fillrandom,overwrite,readrandom,newiterator,newiteratorwhilewriting,\
    seekrandom,seekrandomwhilewriting,readseq,readreverse,compact,flush,waitforcompaction,multireadrandom,readseq,\
    readtocache,readreverse,readwhilewriting,readwhilescanning,readrandomwriterandom,updaterandom,fill100K,fillseekseq";

impl Bench {
    /// Whether it needs a fresh store (and is skipped on one that is to be kept).
    pub(crate) fn is_fresh(self) -> bool {
        matches!(
            self,
            Self::FillSeq
                | Self::FillBatch
                | Self::FillRandom
                | Self::FillUniqueRandom
                | Self::FillSync
                | Self::Fill100K
        )
    }

    /// Whether one more thread runs beside those that are asked for.
    pub(crate) fn has_companion(self) -> bool {
        matches!(
            self,
            Self::ReadWhileWriting
                | Self::MultiReadWhileWriting
                | Self::SeekRandomWhileWriting
                | Self::NewIteratorWhileWriting
                | Self::ReadWhileScanning
        )
    }

    /// Whether it runs with one thread, whatever is asked for. (db_bench lets every thread compact at once: here one does.)
    pub(crate) fn is_single(self) -> bool {
        matches!(
            self,
            Self::FillUniqueRandom
                | Self::ReadToCache
                | Self::Compact
                | Self::Flush
                | Self::WaitForCompaction
        )
    }

    /// Whether it prints something about the store instead of being timed.
    pub(crate) fn is_report(self) -> bool {
        matches!(self, Self::Stats | Self::LevelStats | Self::MemStats | Self::ResetStats)
    }
}

/// One entry of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) bench: Bench,
    /// Runs that count.
    pub(crate) runs: u32,
    /// Runs before them that do not.
    pub(crate) warmups: u32,
}

/// Reads a list like `fillseq,readrandom[W1-X3],stats`.
///
/// # Errors
/// [`Failure::Usage`] for a name that is not known.
pub(crate) fn parse(list: &str) -> Result<Vec<Step>> {
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(step).collect()
}

fn step(entry: &str) -> Result<Step> {
    let (name, rest) = entry.split_once('[').unwrap_or((entry, "]"));
    let wrong =
        || Failure::usage(format!("{entry:?}: after a benchmark's name may stand [X3], [W1] or [W1-X3]"));
    let arguments = rest.strip_suffix(']').ok_or_else(wrong)?;
    let known = BENCHMARKS.iter().find(|(n, ..)| *n == name);
    let (name, bench, _) = known.ok_or_else(|| Failure::usage(unknown(name)))?;
    let mut step = Step { name, bench: *bench, runs: 1, warmups: 0 };
    for argument in arguments.split('-').filter(|a| !a.is_empty()) {
        let number = |digits: &str| digits.parse::<u32>().map_err(|_| wrong());
        match argument.split_at_checked(1) {
            Some(("X", digits)) => step.runs = number(digits)?.max(1),
            Some(("W", digits)) => step.warmups = number(digits)?,
            _ => return Err(wrong()),
        }
    }
    Ok(step)
}

fn unknown(name: &str) -> String {
    let close = BENCHMARKS.iter().map(|(n, ..)| *n).filter(|n| similar(n, name));
    let close: Vec<_> = close.collect();
    let hint = match close.is_empty() {
        true => "--benchmarks=help lists those that are".to_string(),
        false => format!("did you mean {}?", close.join(" or ")),
    };
    format!("there is no benchmark {name:?}; {hint}")
}

/// Whether two names differ by one edit, or one begins with the other.
fn similar(known: &str, typed: &str) -> bool {
    if typed.len() >= 3 && known.starts_with(typed) {
        return true;
    }
    let (a, b) = (known.as_bytes(), typed.as_bytes());
    let head = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let tail = a[head..].iter().rev().zip(b[head..].iter().rev()).take_while(|(x, y)| x == y).count();
    a.len() - head - tail <= 1 && b.len() - head - tail <= 1
}

/// The table of benchmarks, for people.
pub(crate) fn help() -> String {
    let lines = BENCHMARKS.iter().map(|(name, _, what)| format!("  {name:24} {what}"));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read() {
        let steps = parse("fillseq, readrandom[W2-X3],,stats").unwrap();
        let names: Vec<_> = steps.iter().map(|s| (s.name, s.runs, s.warmups)).collect();
        assert_eq!(names, [("fillseq", 1, 0), ("readrandom", 3, 2), ("stats", 1, 0)]);
        assert!(parse(DEFAULT_LIST).is_ok());
    }

    #[test]
    fn wrong_entries_are_told() {
        for (list, hint) in [
            ("filseq", "fillseq"),
            ("readran", "readrandom"),
            ("nonsense", "=help"),
            ("fillseq[Y2]", "[X3]"),
            ("fillseq[X", "[X3]"),
        ] {
            let error = parse(list).unwrap_err();
            assert!(matches!(&error, Failure::Usage(text) if text.contains(hint)), "{list}: {error:?}");
        }
    }
}
