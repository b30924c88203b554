//! What an answer of the kernel means for an operation. All retrying of reads, writes and syncs is decided here.

use std::sync::atomic::Ordering::Relaxed;

use super::slab::Slot;
use crate::counters::Cell;
use crate::{Op, PAGE};

/// Tries of one operation before EINTR or EAGAIN is believed to be there to stay.
const RETRIES_MAX: u32 = 1000;

/// What is to be done with an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Complete: all its bytes, or nothing to move.
    Whole(usize),
    /// Complete: a read that met the end of the file. Breaks a chain.
    End(usize),
    /// To be submitted (again) for what is left of it.
    Again,
    /// Failed with this errno.
    Fail(i32),
}

/// Judges `answer`, and notes in `slot` how far the operation has come.
pub(super) fn judge(slot: &mut Slot, answer: i32, cell: &Cell) -> Verdict {
    let (is_read, len) = match &slot.op {
        Op::Read { len, .. } => (true, *len),
        Op::Write { len, .. } => (false, *len),
        Op::Sync { .. } => (false, 0),
    };
    if answer < 0 {
        let errno = -answer;
        if matches!(errno, libc::EINTR | libc::EAGAIN) && slot.retries < RETRIES_MAX {
            slot.retries += 1;
            cell.retries.fetch_add(1, Relaxed);
            return Verdict::Again;
        }
        return Verdict::Fail(errno);
    }
    let bytes = answer as usize;
    let moved = slot.moved + bytes;
    if moved >= len {
        slot.moved = moved;
        return Verdict::Whole(moved);
    }
    if is_read {
        slot.moved = moved;
        // Nothing more, or a piece that ends off a page: the end of the file. Direct I/O could not even ask for the rest.
        if bytes == 0 || !moved.is_multiple_of(PAGE) {
            return Verdict::End(moved);
        }
    } else {
        // A write that moves nothing has no room to go on. One that ends off a page is written again from that page on.
        let whole = moved - moved % PAGE;
        if whole <= slot.moved {
            return Verdict::Fail(libc::ENOSPC);
        }
        slot.moved = whole;
    }
    cell.short.fetch_add(1, Relaxed);
    Verdict::Again
}
