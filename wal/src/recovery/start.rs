//! Beginning a new run: staging, the first segment, and putting the directory in order.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ringwood_ring::{Class, Disk, Lane, LaneSpec, Owner};

use super::tail::Recovered;
use super::{Opened, RecoveryReport, alloc, spares};
use crate::pump::group::{GroupWriter, PIECE_BYTES, PIECES_MAX};
use crate::pump::prepare::{FILL_BYTES, Preparer};
use crate::pump::segments::Segments;
use crate::pump::{self, Progress};
use crate::record::Seed;
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
    let in_use: Vec<u64> = recovered.segments.iter().chain(&recovered.cut).map(|s| s.number).collect();
    preparer.spares = spares::adopt(disk, recovered.spares, &in_use);
    let segments = Segments::new(recovered.segments, recovered.cut, link);
    let drain_bytes = options.drain_bytes;
    let mut pump =
        Pump::new(Arc::clone(&shared), Arc::clone(disk), options, lane, consumer, segments, writer, preparer);
    // No link leads to these.
    spares::remove(disk, recovered.unneeded.iter().map(|&n| names::segment(dir, n)));
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
