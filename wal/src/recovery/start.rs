//! Beginning a new run: staging, the first segment, and putting the directory in order.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ringwood_ring::{Class, Disk, Lane, LaneSpec, OpenOptions, Owner, PAGE};

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
    let mut preparer =
        Preparer::new(Arc::clone(disk), dir.to_path_buf(), store_id, salt, alloc(disk, FILL_BYTES)?);
    preparer.spares = adopt_spares(disk, dir)?;
    let segments = Segments::new(recovered.segments, recovered.cut, link);
    let drain_bytes = options.drain_bytes;
    let mut pump =
        Pump::new(Arc::clone(&shared), Arc::clone(disk), options, lane, consumer, segments, writer, preparer);
    // No link leads to these.
    remove(disk, recovered.unneeded.iter().map(|&n| names::segment(dir, n)));
    shared.requests.0.released.store(from, Ordering::SeqCst);
    bind_first(&mut pump, link.start)?;
    report.full = shared.full_reason();
    pump.lane = disk.lane(LaneSpec { class: Class::Log, depth: pump::LANE_DEPTH, owner: Owner::Thread })?;
    Ok(Opened {
        appender: Appender::new(Arc::clone(&shared), producer, Seed::new(store_id, salt), drain_bytes),
        log: Arc::new(Log { shared }),
        pump,
        report,
    })
}

/// Steps the pump until the run has a segment, or none can be had: not even by recycling what is released.
fn bind_first(pump: &mut Pump, start: Lsn) -> Result<()> {
    if pump.preparer.spares.is_empty() {
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

/// Takes the spares that an earlier process left, and removes what it left unfinished.
fn adopt_spares(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Vec<Spare>> {
    let left = disk.list(dir)?;
    let is_left = |name: &&str| left.iter().any(|l| l == Path::new(name));
    let unfinished = [names::SPARE_TMP, names::STAGING_TMP];
    remove(disk, unfinished.iter().filter(|n| is_left(n)).map(|n| dir.join(n)));
    let mut spares = Vec::new();
    for name in names::SPARES.iter().filter(|n| is_left(n)) {
        let path = dir.join(name);
        let file = disk.open(&path, OpenOptions::WRITE)?;
        settle(disk, &file)?;
        let pages = disk.len(&file)? / PAGE as u64;
        let capacity = pages.saturating_sub(1) * PAGE as u64;
        if capacity >= RECORD_BYTES_MAX as u64 {
            spares.push(Spare { path, file, capacity });
        } else {
            drop(file);
            remove(disk, std::iter::once(path));
        }
    }
    Ok(spares)
}

/// Removes files that nobody needs. One that stays is removed by the next opening.
fn remove(disk: &Arc<dyn Disk>, paths: impl Iterator<Item = std::path::PathBuf>) {
    for path in paths {
        if let Err(error) = disk.remove(&path) {
            log::warn!("left behind for now: {error}");
        }
    }
}
