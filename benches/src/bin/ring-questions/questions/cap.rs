//! `cap`: what a reader sees while a compaction reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use ringwood_ring::{Buf, Class, Disk, File, Gate, LanePool, LaneSpec, Op, Owner};

use super::{READ_DEPTH, READ_LANES};
use crate::contest::{Bench, Contender};
use crate::crew::Sample;
use crate::io::Reader;
use crate::place::Place;
use crate::report::Table;
use crate::{Result, crew};

/// One read of a compaction.
const BLOCK: usize = 64 << 10;

pub(super) fn run(bench: &Bench) -> Result<Vec<Table>> {
    let place = &bench.place;
    let file = place.data(&|text| bench.progress(text))?;
    let pool = &LanePool::new(Arc::clone(&place.uring), Class::Get, READ_DEPTH, READ_LANES);
    let contenders = [0, 16, 64, 256].map(|in_flight| {
        Contender::new(format!("{in_flight} in flight"), move |slot| {
            foreground(place, file, pool, in_flight, slot)
        })
    });
    let title = "1 thread, random 4 KiB reads, while a compaction's lane has 64 KiB reads in flight";
    Ok(vec![bench.hold(title, "reads", 0.95, contenders.into())?])
}

/// What both sides know.
#[derive(Default)]
struct Shared {
    read_bytes: AtomicU64,
    started: AtomicBool,
    over: AtomicBool,
    gate: Gate,
}

fn foreground(
    place: &Place,
    file: &File,
    pool: &Arc<LanePool>,
    in_flight: usize,
    slot: Duration,
) -> Result<Sample> {
    let shared = &Shared::default();
    let (result, sample) = thread::scope(|scope| {
        let back = scope.spawn(move || {
            let result = if in_flight > 0 { background(place, file, in_flight, shared) } else { Ok(()) };
            // Also where it failed: nobody must wait for its start.
            start(shared);
            result
        });
        let read = AtomicU64::new(0);
        let sample = crew::run(&place.halt, &place.uring, Class::Get, 1, slot, |_, turn| {
            let mut reader = Reader::new(place, file, 1)?;
            reader.read(&mut *pool.checkout()?)?;
            shared.gate.wait_until(|| shared.started.load(SeqCst));
            let before = shared.read_bytes.load(SeqCst);
            while turn.more() {
                reader.read(&mut *pool.checkout()?)?;
                turn.done(1);
            }
            read.store(shared.read_bytes.load(SeqCst) - before, SeqCst);
            Ok(())
        });
        shared.over.store(true, SeqCst);
        let mib = read.into_inner() as f64 / f64::from(1 << 20);
        let sample = sample.map(|mut sample| {
            sample.extra.push(("background MiB/s", mib * 1e9 / sample.ns.max(1) as f64));
            sample
        });
        (back.join().unwrap_or_else(|p| std::panic::resume_unwind(p)), sample)
    });
    result?;
    sample
}

fn start(shared: &Shared) {
    shared.started.store(true, SeqCst);
    shared.gate.notify();
}

/// Keeps `in_flight` reads in flight until it is over.
fn background(place: &Place, file: &File, in_flight: usize, shared: &Shared) -> Result<()> {
    let disk: &dyn Disk = &*place.uring;
    let spec = LaneSpec { class: Class::Compaction, depth: in_flight as u32, owner: Owner::Thread };
    let mut lane = disk.lane(spec)?;
    let block = BLOCK.min(place.file_bytes as usize);
    let blocks = place.file_bytes / block as u64;
    let mut random = place.random();
    let mut idle = (0..in_flight).map(|_| place.buf(block)).collect::<Result<Vec<Buf>>>()?;
    let mut done = Vec::with_capacity(in_flight);
    loop {
        let over = shared.over.load(SeqCst);
        while let Some(buf) = if over { None } else { idle.pop() } {
            let offset = random.below(blocks) * block as u64;
            let op = Op::Read { file: file.clone(), offset, buf, len: block };
            lane.push(0, op).map_err(|_| "the lane is full")?;
        }
        lane.reap(if over { lane.in_flight() } else { 1 }, &mut done)?;
        for completion in done.drain(..) {
            shared.read_bytes.fetch_add(completion.result? as u64, SeqCst);
            idle.extend(completion.buf);
        }
        if over {
            return Ok(());
        }
        if !shared.started.load(SeqCst) {
            start(shared);
        }
    }
}
