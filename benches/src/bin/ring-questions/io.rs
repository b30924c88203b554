//! Reads and commits that are waited for, without allocating.

use ringwood_benches::Random;
use ringwood_ring::{Buf, Completion, Disk, File, Lane, LaneSpec, Op, PAGE};

use crate::Result;
use crate::crew::Turn;
use crate::place::Place;

/// Reads pages at random: a batch of them in one wait.
pub(crate) struct Reader {
    file: File,
    pages: u64,
    random: Random,
    idle: Vec<Buf>,
    done: Vec<Completion>,
}

impl Reader {
    /// A reader of batches of up to `batch` pages of a file of `bytes` bytes.
    pub(crate) fn new(place: &Place, file: &File, batch: usize) -> Result<Self> {
        Ok(Self {
            file: file.clone(),
            pages: place.file_bytes / PAGE as u64,
            random: place.random(),
            idle: (0..batch).map(|_| place.buf(PAGE)).collect::<Result<_>>()?,
            done: Vec::with_capacity(batch),
        })
    }

    /// Reads a batch and waits for all of it.
    pub(crate) fn read(&mut self, lane: &mut dyn Lane) -> Result<()> {
        let batch = self.idle.len();
        while let Some(buf) = self.idle.pop() {
            let offset = self.random.below(self.pages) * PAGE as u64;
            let op = Op::Read { file: self.file.clone(), offset, buf, len: PAGE };
            lane.push(0, op).map_err(|_| "the lane is full")?;
        }
        lane.reap(batch, &mut self.done)?;
        for completion in self.done.drain(..) {
            completion.result?;
            self.idle.extend(completion.buf);
        }
        assert_eq!(self.idle.len(), batch, "a batch is waited for as a whole");
        Ok(())
    }
}

/// How a page is made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// A write linked to an `fdatasync`.
    Chain,
    /// A write that is durable on completion.
    Dsync,
}

/// Pages that are written one behind the other, each made durable.
pub(crate) struct Committer {
    lane: Box<dyn Lane>,
    way: Way,
    file: File,
    /// Where the next page goes, and where the pages end.
    at: u64,
    end: u64,
    buf: Option<Buf>,
    chain: Vec<(u64, Op)>,
    done: Vec<Completion>,
}

impl Committer {
    /// Commits to `range` of `file`, in bytes, on a lane of its own.
    pub(crate) fn new(
        place: &Place,
        disk: &dyn Disk,
        spec: LaneSpec,
        way: Way,
        file: &File,
        range: std::ops::Range<u64>,
    ) -> Result<Self> {
        Ok(Self {
            lane: disk.lane(spec)?,
            way,
            file: file.clone(),
            at: range.start,
            end: range.end,
            buf: Some(place.buf(PAGE)?),
            chain: Vec::with_capacity(2),
            done: Vec::with_capacity(2),
        })
    }

    /// Whether a page is left.
    pub(crate) fn has_room(&self) -> bool {
        self.at < self.end
    }

    /// Starts again at `at`.
    pub(crate) fn rewind(&mut self, at: u64) {
        self.at = at;
    }

    /// Writes the next page, and waits until it is durable.
    pub(crate) fn commit(&mut self) -> Result<()> {
        let (file, offset) = (self.file.clone(), self.at);
        let buf = self.buf.take().ok_or("a failed commit keeps its buffer")?;
        let dsync = self.way == Way::Dsync;
        let write = Op::Write { file: file.clone(), offset, buf, len: PAGE, dsync };
        let ops = match self.way {
            Way::Dsync => {
                self.lane.push(0, write).map_err(|_| "the lane is full")?;
                1
            }
            Way::Chain => {
                self.chain.extend([(0, write), (1, Op::Sync { file, data_only: true })]);
                if !self.lane.push_chain(&mut self.chain) {
                    return Err("the lane is full".into());
                }
                2
            }
        };
        self.lane.reap(ops, &mut self.done)?;
        for completion in self.done.drain(..) {
            completion.result?;
            self.buf = completion.buf.or(self.buf.take());
        }
        self.at += PAGE as u64;
        Ok(())
    }
}

/// Commits to `range` of `file` over and over for as long as a turn lasts. The first commit is not counted.
pub(crate) fn commit_all_turn(
    place: &Place,
    disk: &dyn Disk,
    spec: LaneSpec,
    way: Way,
    file: &File,
    range: std::ops::Range<u64>,
    turn: &mut Turn<'_>,
) -> Result<()> {
    let from = range.start;
    let mut committer = Committer::new(place, disk, spec, way, file, range)?;
    committer.commit()?;
    while turn.more() {
        if !committer.has_room() {
            committer.rewind(from);
        }
        committer.commit()?;
        turn.done(1);
    }
    Ok(())
}
