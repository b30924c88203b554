//! Reading the log and settling where it ends.

use std::path::Path;
use std::sync::Arc;

use ringwood_ring::{Disk, Lane, page_ceil};

use super::chain::{Chain, Run};
use super::reader::RunReader;
use super::scan::{Assembler, Evidence, Nonsense, Scanned, Sink, later_promise, scan};
use super::spares::Leftovers;
use super::{RecoveryReport, finish};
use crate::pump::segments::{Link, Segment};
use crate::record::Seed;
use crate::staging::file::{Staged, StagingFile};
use crate::{Lsn, Result, WalError, names};

/// A log that was read and whose tail is durable.
pub(crate) struct Recovered {
    /// Segments that hold log, oldest first.
    pub(crate) segments: Vec<Segment>,
    /// Segments of the newest run behind the end of the log.
    pub(crate) cut: Vec<Segment>,
    /// Other segment files, to be removed.
    pub(crate) unneeded: Vec<u64>,
    /// How the next run continues.
    pub(crate) link: Link,
    pub(crate) staging: Option<StagingFile>,
    pub(crate) leftovers: Leftovers,
}

/// Reads the log from `from` on into `sink` and makes all of it durable. Idempotent.
pub(crate) fn recover(
    disk: &Arc<dyn Disk>,
    lane: &mut dyn Lane,
    dir: &Path,
    store_id: u64,
    from: Lsn,
    sink: Sink<'_>,
    report: &mut RecoveryReport,
) -> Result<Recovered> {
    let Chain { runs, unneeded, number_max } = Chain::find(disk, lane, dir, store_id, from)?;
    let staging = StagingFile::find(disk, lane, dir, store_id)?;
    let leftovers = Leftovers::find(disk, lane, dir, store_id)?;
    let number_max = number_max.max(leftovers.number_max);
    if number_max > names::NUMBER_MAX / 2 {
        // Else the next would soon be no name of ours.
        let what = format!("segment {number_max} has a number that no log comes to");
        return Err(WalError::corrupt(&names::segment(dir, number_max), 24, what));
    }
    let log = read(disk, lane, runs, store_id, from, staging.as_ref(), true, sink, report)?;
    let mut recovered = Recovered {
        segments: log.segments,
        cut: Vec::new(),
        unneeded,
        link: Link {
            prev_number: 0,
            prev_end: 0,
            start: page_ceil(from as usize) as Lsn,
            number: number_max + 1,
        },
        staging,
        leftovers,
    };
    if let Some((run, end, used)) = log.newest {
        // Positions that may have been called durable are not used again, even those of a cut batch or a mark.
        recovered.continue_at(run, end, used);
    }
    Ok(recovered)
}

/// Reads the log in `dir` from `from` on into `sink`, and changes nothing.
pub(crate) fn look(
    disk: &Arc<dyn Disk>,
    lane: &mut dyn Lane,
    dir: &Path,
    store_id: u64,
    from: Lsn,
    sink: Sink<'_>,
    report: &mut RecoveryReport,
) -> Result<()> {
    let chain = Chain::find(disk, lane, dir, store_id, from)?;
    let staging = StagingFile::find(disk, lane, dir, store_id)?;
    read(disk, lane, chain.runs, store_id, from, staging.as_ref(), false, sink, report).map(drop)
}

/// What [`read`] went through.
struct Log {
    /// Segments of all runs but the newest, oldest first.
    segments: Vec<Segment>,
    /// The newest run, where the log ends in it, and the end of all that was used.
    newest: Option<(Run, Lsn, Lsn)>,
}

/// Reads runs, oldest first; `rewrite` makes the tail durable.
#[allow(clippy::too_many_arguments, reason = "one call; a struct would only be taken apart again")]
fn read(
    disk: &Arc<dyn Disk>,
    lane: &mut dyn Lane,
    mut runs: Vec<Run>,
    store_id: u64,
    from: Lsn,
    staging: Option<&StagingFile>,
    rewrite: bool,
    sink: Sink<'_>,
    report: &mut RecoveryReport,
) -> Result<Log> {
    let mut assembler = Assembler::new(sink);
    let mut log = Log { segments: Vec::new(), newest: None };
    report.segments = runs.iter().map(|r| r.segments.len() as u64).sum();
    report.end = from;
    let newest = runs.pop();
    let limits: Vec<Lsn> = runs.iter().skip(1).chain(&newest).map(|r| r.prev_end).collect();
    for (run, limit) in runs.into_iter().zip(limits) {
        read_continued(disk, lane, &run, store_id, from, limit, &mut assembler)?;
        log.segments.extend(run.segments);
        if let Some(last) = log.segments.last_mut() {
            last.data_end = limit;
        }
    }
    if let Some(run) = newest {
        let (end, used) =
            read_newest(disk, lane, &run, store_id, from, staging, rewrite, &mut assembler, report)?;
        report.end = end;
        log.newest = Some((run, end, used));
    }
    report.batches = assembler.batches;
    report.payload_bytes = assembler.payload_bytes;
    Ok(log)
}

impl Recovered {
    /// Settles what the next run continues: the newest run up to `end`. It starts at `used` or later.
    fn continue_at(&mut self, run: Run, end: Lsn, used: Lsn) {
        (self.link.prev_number, self.link.prev_end) = (run.prev_number, run.prev_end);
        for mut segment in run.segments {
            if segment.start < end {
                segment.data_end = segment.data_end.min(end);
                (self.link.prev_number, self.link.prev_end) = (segment.number, end);
                self.segments.push(segment);
            } else {
                self.cut.push(segment);
            }
        }
        let start = used.max(self.link.start).max(self.link.prev_end);
        self.link.start = page_ceil(start as usize) as Lsn;
    }
}

/// A bad position, told with file and offset.
fn damaged(run: &Run, lsn: Lsn, what: String) -> WalError {
    match run.segments.iter().rfind(|s| s.start <= lsn) {
        Some(segment) => WalError::corrupt(&segment.path, segment.offset(lsn.min(segment.end())), what),
        None => WalError::corrupt(Path::new("(log)"), lsn, what),
    }
}

fn nonsense(run: &Run, (lsn, nonsense): (Lsn, Nonsense)) -> WalError {
    match nonsense {
        Nonsense::Order(what) => damaged(run, lsn, format!("at log position {lsn}: {what}")),
        Nonsense::Newer(tag) => match damaged(run, lsn, String::new()) {
            WalError::Corrupt { path, offset, .. } => WalError::Newer {
                path,
                what: format!("the record at offset {offset} has the unknown tag {tag:#04x}"),
            },
            other => other,
        },
    }
}

/// Reads a run that another one continues at `limit`: all of it must be there.
///
/// A batch without an end at `limit` was given up: had it been the last one, `limit` would be its beginning. The record that said so
/// began another one without an end, and was cut off with it.
fn read_continued(
    disk: &Arc<dyn Disk>,
    lane: &mut dyn Lane,
    run: &Run,
    store_id: u64,
    from: Lsn,
    limit: Lsn,
    assembler: &mut Assembler<'_>,
) -> Result<()> {
    let mut reader = RunReader::new(disk, lane, &run.segments)?;
    let begin = from.max(run.start());
    let seed = Seed::new(store_id, run.salt);
    let scanned = scan(&mut reader, seed, begin, limit, assembler)?.map_err(|bad| nonsense(run, bad))?;
    if scanned.end != limit {
        let why = scanned.why.unwrap_or("the log was closed here");
        let what = format!(
            "at log position {}: {why}, but the next run says that the log goes on to {limit}",
            scanned.end
        );
        return Err(damaged(run, scanned.end, what));
    }
    assembler.give_up();
    Ok(())
}

/// Reads the newest run, settles where it ends, and, if `rewrite`, makes it durable up to there. Returns the end, and the end of all that
/// was used.
#[allow(clippy::too_many_arguments, reason = "one call; a struct would only be taken apart again")]
fn read_newest(
    disk: &Arc<dyn Disk>,
    lane: &mut dyn Lane,
    run: &Run,
    store_id: u64,
    from: Lsn,
    staging: Option<&StagingFile>,
    rewrite: bool,
    assembler: &mut Assembler<'_>,
    report: &mut RecoveryReport,
) -> Result<(Lsn, Lsn)> {
    let seed = Seed::new(store_id, run.salt);
    let begin = from.max(run.start());
    let batches_before = assembler.batches;
    let mut reader = RunReader::new(disk, &mut *lane, &run.segments)?;
    let run_end = reader.end();
    if begin >= run_end {
        // All of it lies before what is asked for.
        return Ok((from, from));
    }
    let mut scanned =
        scan(&mut reader, seed, begin, run_end, assembler)?.map_err(|bad| nonsense(run, bad))?;
    drop(reader);
    let staged_from = scanned.end;
    let mut staged: Option<Staged> = None;
    if !scanned.closed {
        if let Some(staging) = staging {
            let mut ring = staging.read(disk, lane, staged_from, run_end)?;
            let more =
                scan(&mut ring, seed, staged_from, run_end, assembler)?.map_err(|bad| nonsense(run, bad))?;
            scanned =
                Scanned { promise: scanned.promise.max(more.promise), why: more.why.or(scanned.why), ..more };
            staged = Some(ring);
        }
        if !scanned.closed {
            let mut reader = RunReader::new(disk, &mut *lane, &run.segments)?;
            let in_segments = later_promise(&mut reader, seed, scanned.end)?;
            let in_staging = match &mut staged {
                Some(ring) => later_promise(ring, seed, scanned.end)?,
                None => None,
            };
            let in_header =
                (run.promise > scanned.end).then_some(Evidence { at: run_end, promise: run.promise });
            if let Some(evidence) = in_segments.or(in_staging).or(in_header) {
                return Err(broken_promise(run, &scanned, evidence));
            }
        }
    }
    report.closed = scanned.closed;
    report.end_reason = scanned.why;
    report.staged_bytes = scanned.end - staged_from;
    let holding = run.segments.iter().rfind(|s| s.start <= scanned.end);
    report.end_at = holding.map(|s| (s.path.clone(), s.offset(scanned.end)));
    if rewrite {
        // What no promise covers, and what the segments did not hold: it may be promised and damaged there.
        let promised = scanned.promise.max(run.promise).max(begin).min(staged_from);
        report.rewritten_bytes =
            finish::rewrite(disk, lane, &run.segments, promised, staged_from, staged.as_ref(), scanned.end)?;
    }
    let end = assembler.open().unwrap_or(scanned.end);
    report.cut_bytes = scanned.end - end;
    // A run that holds nothing but the mark of its close is as good as none: else each opening would leave a segment.
    let is_mark_only = scanned.closed && assembler.batches == batches_before && begin == run.start();
    Ok((if is_mark_only { begin } else { end }, scanned.end))
}

fn broken_promise(run: &Run, scanned: &Scanned, evidence: Evidence) -> WalError {
    let what = format!(
        "at log position {}: {}, but position {} promises that everything before {} was durable",
        scanned.end,
        scanned.why.unwrap_or("the log ends here"),
        evidence.at,
        evidence.promise
    );
    damaged(run, scanned.end, what)
}
