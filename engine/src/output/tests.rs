//! Outputs that fail, on the simulated disk.

use ringwood_ring::{Arena, Class, Disk as _, FaultOp, FaultPlan, LaneSpec, Owner, PAGE, SimConfig, SimDisk};
use ringwood_sstable::{Entry, Kind};

use super::Output;
use crate::{ErrorKind, Options};

const ENOSPC: i32 = 28;

/// An output that cannot reserve more space while all its buffers are full has nothing in flight: no completion will ever tell of the
/// failure. The flush or compaction, and whoever waited for it, waited for ever.
#[test]
fn an_output_that_is_stuck_without_space_says_so() {
    let disk = SimDisk::new(1, SimConfig::calm(), Arena::new(64 << 20).unwrap());
    let db = Options::new().memory(8 << 20).open_on(disk.clone(), "/data", true).unwrap();
    let store = db.store();
    let mut lane = disk.lane(LaneSpec { class: Class::Flush, depth: 8, owner: Owner::Thread }).unwrap();
    let mut output = Output::create(store, 2, PAGE as u64, None).unwrap();
    disk.fail_next(FaultPlan::once(FaultOp::Allocate, ENOSPC).on(".sst"));
    let mut keys = (0..u32::MAX).map(u32::to_be_bytes);
    while output.writer.has_room() {
        let key = keys.next().expect("two buffers hold fewer");
        output.writer.add(&Entry { key: &key, seq: 1, kind: Kind::Put, value: &[7; 4000] }).unwrap();
    }
    let error = output.push(&mut *lane, 1).expect_err("nobody else would tell");
    assert_eq!((error.kind(), lane.in_flight()), (ErrorKind::Full, 0));
    drop(output);
    db.close().unwrap();
}
