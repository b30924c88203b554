//! Scanning a stream for batches, and for promises beyond its end.

use crate::record::{self, ALIGN, HEADER_BYTES, Kind, Parsed, RECORD_BYTES_MAX, Record, Seed};
use crate::{BATCH_BYTES_MAX, Lsn, Result};

use super::reader::RunReader;

/// Receives each batch: where it starts, and its bytes.
pub(crate) type Sink<'s> = &'s mut dyn FnMut(Lsn, &[u8]) -> Result<()>;

/// A stretch of the stream that can be read.
pub(crate) trait Source {
    /// The bytes from `lsn` on: at least `want`, or all up to the end.
    fn bytes(&mut self, lsn: Lsn, want: usize) -> Result<&[u8]>;
    /// Where it ends.
    fn end(&self) -> Lsn;
}

impl Source for RunReader<'_> {
    fn bytes(&mut self, lsn: Lsn, want: usize) -> Result<&[u8]> {
        RunReader::bytes(self, lsn, want)
    }
    fn end(&self) -> Lsn {
        RunReader::end(self)
    }
}

/// Puts batches together from records and hands them on.
pub(crate) struct Assembler<'s> {
    sink: Sink<'s>,
    /// Start of the batch whose fragments are being collected.
    open: Option<Lsn>,
    fragments: Vec<u8>,
    pub(crate) batches: u64,
    pub(crate) payload_bytes: u64,
}

impl<'s> Assembler<'s> {
    pub(crate) fn new(sink: Sink<'s>) -> Self {
        Self { sink, open: None, fragments: Vec::new(), batches: 0, payload_bytes: 0 }
    }

    /// Start of the batch that is not complete, if there is one.
    pub(crate) fn open(&self) -> Option<Lsn> {
        self.open
    }

    /// Drops the batch that is not complete, if there is one.
    pub(crate) fn give_up(&mut self) {
        self.open = None;
        self.fragments.clear();
    }

    /// Takes a record that checked out. The inner error says why it cannot follow what came before.
    fn take(&mut self, record: &Record<'_>, lsn: Lsn) -> Result<std::result::Result<(), &'static str>> {
        let starts = matches!(record.header.kind, Kind::Full | Kind::First | Kind::Close);
        if starts && self.open.is_some() {
            if !record.header.given_up {
                return Ok(Err("a batch begins before the one before it has ended"));
            }
            self.give_up();
        }
        match record.header.kind {
            Kind::Close => {}
            Kind::Full => self.emit(lsn, record.payload)?,
            Kind::First => {
                self.open = Some(lsn);
                self.fragments.extend_from_slice(record.payload);
            }
            Kind::Middle | Kind::Last => {
                let Some(start) = self.open else {
                    return Ok(Err("the middle of a batch without its beginning"));
                };
                if self.fragments.len() + record.payload.len() > BATCH_BYTES_MAX {
                    return Ok(Err("a batch is larger than any that is ever written"));
                }
                self.fragments.extend_from_slice(record.payload);
                if record.header.kind == Kind::Last {
                    self.open = None;
                    let whole = std::mem::take(&mut self.fragments);
                    self.emit(start, &whole)?;
                    self.fragments = whole;
                    self.fragments.clear();
                    // One huge batch should not hold memory for the rest of the scan.
                    self.fragments.shrink_to(16 * RECORD_BYTES_MAX);
                }
            }
        }
        Ok(Ok(()))
    }

    fn emit(&mut self, start: Lsn, bytes: &[u8]) -> Result<()> {
        self.batches += 1;
        self.payload_bytes += bytes.len() as u64;
        (self.sink)(start, bytes)
    }
}

/// Where and why a scan ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scanned {
    /// The first position that holds no record.
    pub(crate) end: Lsn,
    /// Why the bytes there are none; `None` if the scan reached its limit or the mark of a closed log.
    pub(crate) why: Option<&'static str>,
    /// The log was closed in good order at `end`.
    pub(crate) closed: bool,
    /// Largest promise of the records seen.
    pub(crate) promise: Lsn,
}

/// What makes a scan fail at a position, other than reading: to be told with file and offset.
#[derive(Debug)]
pub(crate) enum Nonsense {
    /// Records with right checksums that no version writes in this order.
    Order(&'static str),
    /// A record of a newer version.
    Newer(u8),
}

/// Reads records from `from` to the first bytes that are none, and hands them to `assembler`.
pub(crate) fn scan(
    source: &mut dyn Source,
    seed: Seed,
    from: Lsn,
    limit: Lsn,
    assembler: &mut Assembler<'_>,
) -> Result<std::result::Result<Scanned, (Lsn, Nonsense)>> {
    let mut scanned = Scanned { end: from, why: None, closed: false, promise: 0 };
    let limit = limit.min(source.end());
    while scanned.end < limit && !scanned.closed {
        let lsn = scanned.end;
        let bytes = source.bytes(lsn, RECORD_BYTES_MAX)?;
        let bytes = &bytes[..bytes.len().min((limit - lsn) as usize)];
        match record::parse(bytes, lsn, seed) {
            Parsed::Valid(record) => {
                scanned.promise = scanned.promise.max(record.header.durable);
                scanned.end += record.framed();
                scanned.closed = record.header.kind == Kind::Close;
                if let Err(what) = assembler.take(&record, lsn)? {
                    return Ok(Err((lsn, Nonsense::Order(what))));
                }
            }
            Parsed::Newer { tag } => return Ok(Err((lsn, Nonsense::Newer(tag)))),
            Parsed::Invalid(why) => {
                scanned.why = Some(why);
                break;
            }
        }
    }
    Ok(Ok(scanned))
}

/// A record beyond the end of the log which promises that the log went on there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// Where it is.
    pub(crate) at: Lsn,
    /// Everything before this position was durable when it was appended.
    pub(crate) promise: Lsn,
}

/// Bytes looked through at a time.
const SCAN_BYTES: usize = 8 * RECORD_BYTES_MAX;

/// Looks for any record after `end` that promises more than `end`, at every position where one can start.
///
/// A few instructions a position: only bytes that claim a promise in the narrow range that would matter are looked at closer, which
/// old bytes in a recycled segment never do, as their promises are of earlier positions.
pub(crate) fn later_promise(source: &mut dyn Source, seed: Seed, end: Lsn) -> Result<Option<Evidence>> {
    let source_end = source.end();
    let mut at = end + ALIGN as u64;
    while at + HEADER_BYTES as u64 <= source_end {
        let bytes = source.bytes(at, SCAN_BYTES)?;
        let is_rest = at + bytes.len() as u64 >= source_end;
        // Positions with all of the largest record in sight, or all there is.
        let usable = if is_rest { bytes.len() + 1 - HEADER_BYTES } else { bytes.len() - RECORD_BYTES_MAX };
        for i in (0..usable).step_by(ALIGN) {
            let lsn = at + i as u64;
            let claim = record::claimed_durable(&bytes[i..]);
            if end < claim
                && claim <= lsn
                && !matches!(record::parse(&bytes[i..], lsn, seed), Parsed::Invalid(_))
            {
                return Ok(Some(Evidence { at: lsn, promise: claim }));
            }
        }
        at += usable.next_multiple_of(ALIGN) as u64;
    }
    Ok(None)
}
