//! Writing a table. See [`TableWriter`].

mod options;
mod stream;
mod warm;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringwood_ring::{Completion, Disk, IoError, IoErrorKind, Lane, Op, OpenOptions, PAGE, page_ceil};

use crate::block::pack::{Packed, Packer};
use crate::block::seal;
use crate::cache::{BlockCache, Residency, Room};
use crate::checksum::Checksum;
use crate::entry::{Entry, KEY_BYTES_MAX, Kind, SEQ_MAX, VALUE_BYTES_MAX, key_cmp};
use crate::error::{Result, TableError};
use crate::filter::{FilterBuilder, FilterParts};
use crate::footer::{Footer, Properties, Section, SectionKind};
use crate::hash::KeyHash;
use crate::index::IndexBuilder;
pub use options::{TableOptions, TableSummary};
use stream::Stream;
use warm::Warming;

/// Smallest step by which a file that outgrows what was reserved is reserved further.
const RESERVE_STEP: u64 = 8 << 20;

#[derive(Debug)]
enum State {
    /// Entries are added.
    Open,
    /// No more are; the filter is being built.
    Ended,
    /// Everything is written, or on its way.
    Sealed,
    /// All writes are done and the file has its length; the sync is next.
    Written,
    /// The sync is in flight.
    Syncing,
    /// On the device.
    Done,
    /// An operation failed.
    Failed(TableError),
}

/// Writing a table.
///
/// It is a state machine: entries go in, operations come out, completions go back in. It makes no I/O call of its
/// own but to create, reserve and cut the file, so that a compaction keeps merging while its writes are in flight, and a
/// simulation steps it like everything else.
///
/// ```text
/// add … add, seal ──► writes ──► (truncate) ──► sync ──► done, finish
/// ```
///
/// One thread at a time uses a writer. Invariants:
///
/// 1. Entries are added in order ([`entry_cmp`](crate::entry_cmp)), none twice; one out of order is an error and changes nothing.
/// 2. The sync is handed out only after every write has completed, and after the file has its final length.
/// 3. After a failed operation nothing more is handed out; a failed sync is never repeated.
/// 4. A writer dropped before [`finish`](TableWriter::finish) removes its file.
///
/// The new file's name is durable only after a sync of its directory, which is the caller's, once for all new files.
#[derive(Debug)]
pub struct TableWriter {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    id: u64,
    salt: u64,
    checksum: Checksum,
    stream: Stream,
    state: State,
    packer: Packer,
    index: IndexBuilder,
    filter: Option<FilterBuilder>,
    /// The filter, once nothing more is added.
    filter_parts: Option<Arc<FilterParts>>,
    warming: Option<Warming>,
    properties: Properties,
    /// The last key that was added, if the packer has it no more.
    last_key: Vec<u8>,
    last_seq: u64,
    /// Length that the file has for now.
    reserved: u64,
    /// Bytes behind the blocks, once sealed.
    tail_bytes: u64,
    is_finished: bool,
}

impl TableWriter {
    /// Creates the file, which must not exist, reserves [`expected_bytes`](TableOptions::expected_bytes), and takes
    /// `buffers` buffers of `buffer_bytes` (whole pages) from the disk's arena. Two buffers are enough to keep writing and
    /// merging at once.
    ///
    /// # Errors
    /// If the file exists or cannot be created, if the arena has no room, if the compression is not built in.
    pub fn create(
        disk: &Arc<dyn Disk>,
        path: &Path,
        id: u64,
        options: TableOptions,
        buffers: usize,
        buffer_bytes: usize,
    ) -> Result<Self> {
        if !options.compression.is_available() {
            let what = format!("this build is without {:?} compression", options.compression);
            return Err(TableError::invalid(path, what));
        }
        let buffers = (0..buffers.max(1))
            .map(|_| disk.arena().alloc(page_ceil(buffer_bytes.max(1))))
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|full| IoError::new("buffer", path, IoErrorKind::Memory, full.to_string()))?;
        let salt = options.salt.unwrap_or_else(|| disk.random());
        let file = disk.open(path, OpenOptions::CREATE)?;
        let mut this = Self {
            disk: Arc::clone(disk),
            path: path.to_path_buf(),
            id,
            salt,
            checksum: Checksum::new(id, salt),
            stream: Stream::new(file, buffers),
            state: State::Open,
            packer: Packer::new(options.block_bytes, options.compression),
            index: IndexBuilder::default(),
            filter: options.filter.then(FilterBuilder::default),
            filter_parts: None,
            warming: None,
            properties: Properties {
                compression: options.compression,
                creator: options.creator,
                seq_smallest: u64::MAX,
                ..Properties::default()
            },
            last_key: Vec::new(),
            last_seq: 0,
            reserved: 0,
            tail_bytes: 0,
            is_finished: false,
        };
        // From here on the file is removed if anything fails.
        this.reserve(options.expected_bytes)?;
        Ok(this)
    }

    /// From now on, blocks of entries that are [hot](Self::set_hot) are put into `cache` as they are written, for the
    /// [`Residency`] that [`take_residency`](Self::take_residency) gives.
    pub fn warm(&mut self, cache: &Arc<BlockCache>, room: Room) {
        self.warming = Some(Warming::new(cache, self.reserved, room));
    }

    /// Says whether the entries that are added from now on are worth having in the cache. At first they are not. A block is kept
    /// if half of its entries are.
    #[inline]
    pub fn set_hot(&mut self, is_hot: bool) {
        if let Some(warming) = &mut self.warming {
            warming.set_hot(is_hot);
        }
    }

    /// The blocks that are in the cache already, for [`TableSpec`](crate::TableSpec). None without
    /// [`warm`](Self::warm), or the second time.
    pub fn take_residency(&mut self) -> Option<Residency> {
        self.warming.take().map(Warming::into_residency)
    }

    /// Whether the next entry finds a buffer. Without room [`add`](Self::add) still takes it, into memory outside the arena:
    /// so one large entry may be added, but a caller waits for room before the next.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.stream.has_room()
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// [`Invalid`](TableError::Invalid), without effect, if the entry is out of order or beyond a limit or the table is sealed;
    /// the earlier failure, if an operation failed.
    pub fn add(&mut self, entry: &Entry<'_>) -> Result<()> {
        let is_new_key = self.check(entry)?;
        let Self { stream, checksum, index, packer, warming, .. } = self;
        packer.add(entry, &mut |block| emit(block, stream, checksum, index, warming.as_mut()));
        if let Some(warming) = &mut self.warming {
            warming.count_entry();
        }
        if is_new_key {
            if let Some(filter) = &mut self.filter {
                filter.add(KeyHash::of(entry.key));
            }
            self.properties.keys += 1;
        }
        if self.packer.last_key().is_none() {
            self.keep_last_key(entry.key);
        }
        self.last_seq = entry.seq;
        let properties = &mut self.properties;
        if properties.entries == 0 {
            properties.smallest_key = entry.key.to_vec();
        }
        properties.entries += 1;
        properties.deletes += u64::from(entry.kind == Kind::Delete);
        properties.key_bytes += entry.key.len() as u64;
        properties.value_bytes += entry.value.len() as u64;
        properties.seq_smallest = properties.seq_smallest.min(entry.seq);
        properties.seq_largest = properties.seq_largest.max(entry.seq);
        Ok(())
    }

    /// The last key that was added; empty at first.
    #[inline]
    fn last_key(&self) -> &[u8] {
        self.packer.last_key().unwrap_or(&self.last_key)
    }

    #[cold]
    fn keep_last_key(&mut self, key: &[u8]) {
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
    }

    /// Whether the entry is of another key than the last one; an error if it may not follow that.
    #[inline]
    fn check(&self, entry: &Entry<'_>) -> Result<bool> {
        let order = key_cmp(self.last_key(), entry.key);
        let follows = order.is_lt() || (order.is_eq() && self.last_seq > entry.seq);
        let fits = !entry.key.is_empty()
            && entry.key.len() <= KEY_BYTES_MAX
            && entry.value.len() <= VALUE_BYTES_MAX
            && entry.seq < SEQ_MAX;
        if matches!(self.state, State::Open) && fits && follows {
            return Ok(order.is_lt());
        }
        Err(self.refuse(entry))
    }

    /// Why an entry is not taken.
    #[cold]
    fn refuse(&self, entry: &Entry<'_>) -> TableError {
        let invalid = |what: String| TableError::invalid(&self.path, what);
        match &self.state {
            State::Open => {}
            State::Failed(error) => return error.clone(),
            _ => return invalid("an entry was added after the table was sealed".into()),
        }
        if entry.key.is_empty() || entry.key.len() > KEY_BYTES_MAX {
            return invalid(format!("a key has {} bytes; 1 to {KEY_BYTES_MAX} are allowed", entry.key.len()));
        }
        if entry.value.len() > VALUE_BYTES_MAX {
            let len = entry.value.len();
            return invalid(format!("a value has {len} bytes; at most {VALUE_BYTES_MAX} are allowed"));
        }
        if entry.seq >= SEQ_MAX {
            return invalid(format!("sequence number {} is beyond {SEQ_MAX}", entry.seq));
        }
        let (len, seq) = (entry.key.len(), entry.seq);
        invalid(format!("an entry was added out of order (a key of {len} bytes, sequence number {seq})"))
    }

    /// No more entries come. The filter, a third of all work, may then be [built](FilterParts::build) by other threads;
    /// [`seal`](Self::seal) does what is left of it and waits for the rest. None without a filter.
    pub fn end_entries(&mut self) -> Option<Arc<FilterParts>> {
        if matches!(self.state, State::Open) {
            self.state = State::Ended;
            self.filter_parts = self.filter.take().map(|filter| Arc::new(filter.into_parts()));
        }
        self.filter_parts.clone()
    }

    /// Ends the table: what is left of the entries, index, filter, properties and footer become writes.
    ///
    /// # Errors
    /// [`Invalid`](TableError::Invalid) if there are no entries or it is sealed already; the earlier failure, if one is.
    pub fn seal(&mut self) -> Result<()> {
        match &self.state {
            State::Open | State::Ended if self.properties.entries > 0 => {}
            State::Open | State::Ended => {
                return Err(TableError::invalid(&self.path, "a table without entries was sealed"));
            }
            State::Failed(error) => return Err(error.clone()),
            _ => return Err(TableError::invalid(&self.path, "a table was sealed twice")),
        }
        self.properties.largest_key = self.last_key().to_vec();
        let Self { stream, checksum, index, packer, warming, .. } = self;
        packer.finish(&mut |block| emit(block, stream, checksum, index, warming.as_mut()));
        self.properties.blocks = self.index.block_count() as u64;

        let filter = self.end_entries();
        let data_bytes = self.stream.end();
        let mut tail = Vec::new();
        let mut sections = Vec::new();
        let mut section = |kind: SectionKind, tail: &[u8], from: usize| {
            let offset = data_bytes + from as u64;
            let crc = self.checksum.of(offset, &tail[from..]);
            sections.push(Section { kind: kind as u32, crc, offset, len: (tail.len() - from) as u64 });
        };
        std::mem::take(&mut self.index).finish(&mut tail);
        section(SectionKind::Index, &tail, 0);
        let from = tail.len();
        if filter.is_some_and(|filter| filter.finish(&mut tail)) {
            section(SectionKind::Filter, &tail, from);
        }
        let from = tail.len();
        self.properties.encode(&mut tail);
        section(SectionKind::Properties, &tail, from);
        tail.resize(page_ceil(tail.len()), 0);

        let file_bytes = data_bytes + (tail.len() + crate::footer::FOOTER) as u64;
        let footer = Footer { id: self.id, salt: self.salt, data_bytes, file_bytes, sections };
        tail.extend_from_slice(&footer.encode());
        self.tail_bytes = tail.len() as u64;
        self.stream.append(&mut tail);
        self.stream.end_here();
        self.state = State::Sealed;
        Ok(())
    }

    /// The next operation to run, if there is one now. Several may be in flight; tokens are the caller's. Each completion
    /// goes to [`complete`](Self::complete).
    pub fn next_op(&mut self) -> Option<Op> {
        match self.state {
            State::Open | State::Ended | State::Sealed => {
                let (end, is_sealed) = (self.stream.next_end()?, matches!(self.state, State::Sealed));
                if end > self.reserved {
                    // Sealed, the length is known. Before, a generous step, cut off at the end.
                    let step = RESERVE_STEP.max(self.reserved / 4);
                    let want = if is_sealed { self.stream.end() } else { end + step };
                    if let Err(error) = self.reserve(want) {
                        self.state = State::Failed(error);
                        return None;
                    }
                }
                self.stream.next_write()
            }
            State::Written => {
                self.state = State::Syncing;
                // All metadata: the file is new, and its length and extents are part of its being readable.
                Some(Op::Sync { file: self.stream.file().clone(), data_only: false })
            }
            State::Syncing | State::Done | State::Failed(_) => None,
        }
    }

    /// Why the table is lost, if it is. Also what [`next_op`](Self::next_op) met when it reserved space: no operation tells of that.
    #[must_use]
    pub fn failure(&self) -> Option<&TableError> {
        match &self.state {
            State::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// Takes back the completion of an operation of [`next_op`](Self::next_op).
    ///
    /// # Errors
    /// If the operation failed: the table is lost then, and [`finish`](Self::finish) says so again.
    pub fn complete(&mut self, completion: Completion) -> Result<()> {
        self.stream.completed(completion.buf);
        if let Err(error) = completion.result {
            let error = TableError::from(error);
            // The first failure is the one to tell.
            if !matches!(self.state, State::Failed(_)) {
                self.state = State::Failed(error.clone());
            }
            return Err(error);
        }
        match self.state {
            State::Syncing => self.state = State::Done,
            State::Sealed if self.stream.is_drained() => {
                let end = self.stream.end();
                if self.reserved > end
                    && let Err(error) = self.disk.truncate(self.stream.file(), end)
                {
                    let error = TableError::from(error);
                    self.state = State::Failed(error.clone());
                    return Err(error);
                }
                self.state = State::Written;
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether nothing is left to do but [`finish`](Self::finish): the table is on the device, or it failed and nothing is in
    /// flight.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match self.state {
            State::Done => true,
            State::Failed(_) => self.stream.in_flight() == 0,
            _ => false,
        }
    }

    /// Operations handed out and not completed.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.stream.in_flight()
    }

    /// Runs all operations that there are on `lane`, an idle one, and waits for them. For tests and tools; an engine pushes and
    /// reaps between its other work.
    ///
    /// # Errors
    /// The first failure of an operation, or that the lane is broken.
    pub fn drive(&mut self, lane: &mut dyn Lane) -> Result<()> {
        let mut done = Vec::new();
        let mut first = Ok(());
        loop {
            while lane.room() > 0
                && let Some(op) = self.next_op()
            {
                if lane.push(0, op).is_err() {
                    let what = "an idle lane with room took no operation";
                    return Err(TableError::invalid(&self.path, what));
                }
            }
            if lane.in_flight() == 0 {
                return first;
            }
            lane.reap(1, &mut done)?;
            for completion in done.drain(..) {
                let result = self.complete(completion);
                first = first.and(result);
            }
        }
    }

    /// The finished table.
    ///
    /// # Errors
    /// Why it failed, or [`Invalid`](TableError::Invalid) if it is not [done](Self::is_done). The file is removed then.
    pub fn finish(mut self) -> Result<TableSummary> {
        match &self.state {
            State::Done => {}
            State::Failed(error) => return Err(error.clone()),
            _ => return Err(TableError::invalid(&self.path, "a table was finished before it was synced")),
        }
        self.is_finished = true;
        Ok(TableSummary {
            id: self.id,
            file_bytes: self.stream.end(),
            tail_bytes: self.tail_bytes,
            salt: self.salt,
            properties: std::mem::take(&mut self.properties),
        })
    }

    /// The file's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Entries added so far.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.properties.entries
    }

    /// Bytes that the file will have if it is sealed now, about: for deciding when a table is large enough.
    #[must_use]
    pub fn estimated_bytes(&self) -> u64 {
        let filter = self.filter.as_ref().map_or(0, FilterBuilder::estimate)
            + self.filter_parts.as_ref().map_or(0, |parts| parts.estimate());
        self.stream.end() + (self.packer.pending_bytes() + self.index.estimate() + filter + 2 * PAGE) as u64
    }

    /// Bytes of memory that it holds beside its buffers: some 8 a key for the filter, and large entries on their way.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.filter.as_ref().map_or(0, FilterBuilder::memory_bytes)
            + self.filter_parts.as_ref().map_or(0, |parts| parts.memory_bytes())
            + self.index.estimate()
            + self.packer.pending_bytes()
            + self.stream.spilled_bytes()
    }

    fn reserve(&mut self, bytes: u64) -> Result<()> {
        let bytes = bytes.div_ceil(PAGE as u64) * PAGE as u64;
        if bytes > self.reserved {
            self.disk.allocate(self.stream.file(), bytes)?;
            self.reserved = bytes;
        }
        Ok(())
    }
}

/// Gives a packed block its place and its checksum.
fn emit(
    block: Packed<'_>,
    stream: &mut Stream,
    checksum: &Checksum,
    index: &mut IndexBuilder,
    warming: Option<&mut Warming>,
) {
    let Packed { bytes, frame_bytes, first, last } = block;
    seal::seal(checksum, stream.end(), bytes);
    index.add(bytes.len(), frame_bytes, first, last);
    if let Some(warming) = warming {
        warming.emit(bytes, frame_bytes);
    }
    stream.append(bytes);
}

impl Drop for TableWriter {
    fn drop(&mut self) {
        if !self.is_finished {
            // Best effort: a store removes files that it does not know when it opens.
            let _ = self.disk.remove(&self.path);
        }
    }
}
