//! Beginning a new run: staging, the first segment, and putting the directory in order.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ringwood_ring::{Class, Disk, IoErrorKind, Lane, LaneSpec, OpenOptions, Owner, PAGE};

use super::chain::settle;
use super::tail::Recovered;
use super::{Opened, RecoveryReport, alloc};
use crate::pump::group::{GroupWriter, PIECE_BYTES, PIECES_MAX};
use crate::pump::prepare::{FILL_BYTES, Preparer, Spare};
use crate::pump::segments::Segments;
use crate::pump::{self, Progress};
use crate::record::{RECORD_BYTES_MAX, Seed};
use crate::shared::Shared;
use crate::staging::{file, ring};
use crate::{Appender, Log, Lsn, Pump, Result, WalError, WalOptions, names};

/// See the module documentation. What was recovered is durable by now.
#[allow(clippy::too_many_arguments, reason = "one call; a struct would only be taken apart again")]
pub(crate) fn start(
    disk: &Arc<dyn Disk>,
    mut lane: Box<dyn Lane>,
    dir: &Path,
    options: WalOptions,
    store_id: u64,
    from: Lsn,
    recovered: Recovered,
    mut report: RecoveryReport,
) -> Result<Opened> {
    let link = recovered.link;
    let ring_bytes = options.staging_bytes as u64;
    let map = file::provide(disk, &mut *lane, dir, store_id, ring_bytes, recovered.staging)?;
    let survives = map.is_ok();
    let (producer, consumer) = match map {
        Ok(map) => ring::mapped(map, link.start),
        Err(reason) => {
            log::warn!("no staging file for the log, so Buffered writes cost a write each: {reason}");
            report.unmapped = Some(reason);
            ring::private(options.staging_bytes, link.start)
        }
    };
    let salt = disk.random();
    let shared = Arc::new(Shared::new(consumer.watch(), survives, options.stepper.clone()));
    let buffers = (0..PIECES_MAX).map(|_| alloc(disk, PIECE_BYTES)).collect::<Result<_>>()?;
    let writer = GroupWriter::new(options.sync_mode, buffers, link.start);
    let mut preparer = Preparer::new(Arc::clone(disk), dir.to_path_buf(), store_id, salt, alloc(disk, FILL_BYTES)?);
    preparer.spare = adopt_spare(disk, dir)?;
    let segments = Segments::new(recovered.segments, recovered.cut, link);
    let drain_bytes = options.drain_bytes;
    let mut pump = Pump::new(
        Arc::clone(&shared),
        Arc::clone(disk),
        options,
        lane,
        consumer,
        segments,
        writer,
        preparer,
    );
    // No link leads to these.
    remove(disk, recovered.unneeded.iter().map(|&n| names::segment(dir, n)));
    shared.requests.0.released.store(from, Ordering::SeqCst);
    bind_first(&mut pump, link.start)?;
    report.full = shared.full_reason();
    pump.lane = disk.lane(LaneSpec {
        class: Class::Log,
        depth: pump::LANE_DEPTH,
        owner: Owner::Thread,
    })?;
    Ok(Opened {
        appender: Appender::new(Arc::clone(&shared), producer, Seed::new(store_id, salt), drain_bytes),
        log: Arc::new(Log { shared }),
        pump,
        report,
    })
}

/// Steps the pump until the run has a segment, or none can be had: not even by recycling what is released.
fn bind_first(pump: &mut Pump, start: Lsn) -> Result<()> {
    if pump.preparer.spare.is_none() {
        pump.recycle_one()?;
    }
    while pump.shared.limit() == start {
        match pump.step(true) {
            Ok(Progress::Idle | Progress::Closed) => break,
            Ok(Progress::Worked | Progress::Waiting) => {}
            Err(WalError::Poisoned { reason }) => return Err((*reason).clone()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Takes the spare that an earlier process left, and removes what it left unfinished.
fn adopt_spare(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Option<Spare>> {
    let is_log = |name: &Path, other: &str| name == Path::new(other);
    let left = disk.list(dir)?;
    let unfinished = [names::SPARE_TMP, names::STAGING_TMP];
    let unfinished = unfinished.iter().filter(|n| left.iter().any(|l| is_log(l, n)));
    remove(disk, unfinished.map(|n| dir.join(n)));
    if !left.iter().any(|l| is_log(l, names::SPARE)) {
        return Ok(None);
    }
    let path = dir.join(names::SPARE);
    let file = match disk.open(&path, OpenOptions::WRITE) {
        Err(error) if error.kind() == IoErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    settle(disk, &file)?;
    let pages = disk.len(&file)? / PAGE as u64;
    let capacity = pages.saturating_sub(1) * PAGE as u64;
    if capacity < RECORD_BYTES_MAX as u64 {
        drop(file);
        remove(disk, std::iter::once(path));
        return Ok(None);
    }
    Ok(Some(Spare { file, capacity }))
}

/// Removes files that nobody needs. One that stays is removed by the next opening.
fn remove(disk: &Arc<dyn Disk>, paths: impl Iterator<Item = std::path::PathBuf>) {
    for path in paths {
        if let Err(error) = disk.remove(&path) {
            log::warn!("left behind for now: {error}");
        }
    }
}
