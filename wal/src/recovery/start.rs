//! Beginning a new run: staging, the first segment, and putting the directory in order.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ringwood_ring::{Class, Disk, Lane, LaneSpec, Owner};

use super::spares::Leftovers;
use super::tail::Recovered;
use super::{Opened, RecoveryReport, alloc, spares};
use crate::pump::group::{GroupWriter, PIECE_BYTES, PIECES_MAX};
use crate::pump::prepare::{FILL_BYTES, FIRST_FILL_BYTES, Preparer};
use crate::pump::segments::Segments;
use crate::pump::{self, Progress};
use crate::record::Seed;
use crate::shared::Shared;
use crate::staging::{file, ring};
use crate::writing::Core;
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
    let writer = GroupWriter::new(buffers, link.start);
    // Nobody's group is in the way of the first segment: it is filled by one write.
    let scratch = alloc(disk, FIRST_FILL_BYTES).or_else(|_| alloc(disk, FILL_BYTES))?;
    let preparer = Preparer::new(Arc::clone(disk), dir.to_path_buf(), store_id, salt, scratch);
    let segments = Segments::new(recovered.segments, recovered.cut, link);
    let drain_bytes = options.drain_bytes;
    let core = Core::new(Arc::clone(&shared), Arc::clone(disk), &options, segments, writer, consumer);
    let mut pump = Pump::new(Arc::clone(&core), options, lane, preparer);
    // No link leads to these.
    spares::remove(disk, recovered.unneeded.iter().map(|&n| names::segment(dir, n)));
    shared.requests.0.released.store(from, Ordering::SeqCst);
    bind_first(&mut pump, link.start, recovered.leftovers)?;
    report.full = shared.full_reason();
    let own = disk.lane(LaneSpec { class: Class::Log, depth: pump::LANE_DEPTH, owner: Owner::Thread })?;
    // What opened the log serves those who lead.
    core.writing().lane = Some(std::mem::replace(&mut pump.lane, own));
    Ok(Opened {
        appender: Appender::new(Arc::clone(&core), producer, Seed::new(store_id, salt), drain_bytes),
        log: Arc::new(Log { core }),
        pump,
        report,
    })
}

/// Steps the pump until the run has a segment, or none can be had: not even with the room of what is left over, or by recycling what
/// is released.
fn bind_first(pump: &mut Pump, start: Lsn, leftovers: Leftovers) -> Result<()> {
    while pump.shared().limit() == start
        && pump.shared().full_reason().is_none()
        && step(pump)? != Progress::Idle
    {}
    if pump.shared().limit() > start {
        pump.preparer.shrink_scratch();
        // Nothing needs their room now. Removing a long file takes the file system some milliseconds, for which nobody waits on the pump's thread.
        pump.leftovers = leftovers.paths;
        return Ok(());
    }
    spares::remove(&pump.core.disk, leftovers.paths.into_iter());
    pump.shared().requests.0.segment.store(true, Ordering::SeqCst);
    while pump.shared().limit() == start && step(pump)? != Progress::Idle {}
    Ok(())
}

fn step(pump: &mut Pump) -> Result<Progress> {
    pump.step(true).map_err(|error| match error {
        WalError::Poisoned { reason } => (*reason).clone(),
        other => other,
    })
}
