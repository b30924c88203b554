//! An operation on its way: into an entry of the submission queue, and into the counters when it is done.

use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering::Relaxed;

use super::port::{Call, Entry, Port, Span};
use super::slab::Slot;
use crate::counters::Cell;
use crate::os::fd;
use crate::{Buf, Op};

/// The submission of what is left of an operation.
pub(super) fn entry(port: &mut impl Port, slot: &mut Slot, tag: u64, link: bool, idle: bool) -> Entry {
    let moved = slot.moved;
    slot.fixed = false;
    let fixed = &mut slot.fixed;
    let mut span = |buf: &Buf, len: usize| {
        let index = port.fixed(buf, (moved, len - moved), idle);
        *fixed = index.is_some();
        Span { addr: buf.as_ptr() as usize + moved, len: (len - moved) as u32, fixed: index }
    };
    let call = match &slot.op {
        Op::Read { offset, buf, len, .. } => {
            Call::Read { span: span(buf, *len), offset: offset + moved as u64 }
        }
        Op::Write { offset, buf, len, dsync, .. } => {
            Call::Write { span: span(buf, *len), offset: offset + moved as u64, dsync: *dsync }
        }
        Op::Sync { data_only, .. } => Call::Sync { data_only: *data_only },
    };
    Entry { tag, fd: fd(slot.op.file()).as_raw_fd(), call, link }
}

/// Counts an operation that succeeded.
pub(super) fn count(cell: &Cell, op: &Op, bytes: usize, fixed: bool) {
    let way = if fixed { &cell.fixed } else { &cell.plain };
    match op {
        Op::Read { .. } => {
            cell.reads.fetch_add(1, Relaxed);
            cell.read_bytes.fetch_add(bytes as u64, Relaxed);
            way.fetch_add(1, Relaxed);
        }
        Op::Write { dsync, .. } => {
            cell.writes.fetch_add(1, Relaxed);
            cell.write_bytes.fetch_add(bytes as u64, Relaxed);
            cell.syncs.fetch_add(u64::from(*dsync), Relaxed);
            way.fetch_add(1, Relaxed);
        }
        Op::Sync { .. } => {
            cell.syncs.fetch_add(1, Relaxed);
        }
    }
}
