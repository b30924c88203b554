//! What an operation does to the disk when its turn comes: a transfer of all or part of its bytes, the begin or the end of a
//! sync, or a fault.

use super::config::FaultOp;
use super::content::SECTOR;
use super::flight::{Cover, Effect, Kind, Ticket};
use super::namespace::Inode;
use super::state::State;
use crate::{Op, PAGE};

/// What an operation came to: bytes or an errno; `None` if it goes on.
pub(super) type Outcome = Option<std::result::Result<usize, i32>>;

fn pages(from: u64, to: u64) -> (u64, u64) {
    (from / PAGE as u64, to.div_ceil(PAGE as u64))
}

impl State {
    pub(super) fn transfer(&mut self, effect: &mut Effect) -> Outcome {
        if let Some(errno) = self.fault(effect) {
            return Some(Err(errno));
        }
        match effect.kind {
            Kind::Refuse { errno } => Some(Err(errno)),
            Kind::Read { .. } => self.transfer_read(effect),
            Kind::Write { .. } => self.transfer_write(effect),
            Kind::Sync { .. } => self.transfer_sync(effect),
        }
    }

    /// Asks the faults once about an operation; a failing write may have written any part.
    fn fault(&mut self, effect: &mut Effect) -> Option<i32> {
        if std::mem::replace(&mut effect.tried, true) {
            return None;
        }
        let op = match effect.kind {
            Kind::Read { .. } => FaultOp::Read,
            Kind::Write { .. } => FaultOp::Write,
            _ => return None,
        };
        let errno = self.struck(op, effect)?;
        if op == FaultOp::Write {
            self.write_partly(effect);
        }
        Some(errno)
    }

    fn struck(&mut self, op: FaultOp, effect: &Effect) -> Option<i32> {
        // Without a ticket the operation belongs to a dead process: it happens or not, nobody is told.
        let path = effect.ticket.as_ref()?.op.file().path();
        let planned = self.faults.planned(op, path);
        planned.or_else(|| self.faults.random(op, effect.inode, &self.config, &mut self.rng))
    }

    /// How many of the `left` bytes the next transfer moves.
    fn transfer_len(&mut self, left: usize) -> usize {
        if left > SECTOR && self.rng.chance(self.config.short_transfer) {
            (1 + self.rng.index(left / SECTOR - 1)) * SECTOR
        } else {
            left
        }
    }

    fn transfer_read(&mut self, effect: &mut Effect) -> Outcome {
        let Kind::Read { offset, len, moved } = &mut effect.kind else {
            return None;
        };
        let n = self.transfer_len(*len - *moved);
        let mut at = *offset + *moved as u64;
        let (first, end) = pages(at, at + n as u64);
        self.fold(effect.inode, first, end);
        if self.rng.chance(self.config.bit_rot) {
            let (byte, bit) = (at + self.rng.below(n as u64), self.rng.below(8) as u8);
            if let Some(content) = self.content_mut(effect.inode).filter(|c| byte < c.size) {
                content.flip(byte, bit);
                self.unfold(effect.inode, first, end);
            }
        }
        if self.rng.chance(self.config.misdirected_read) {
            at ^= PAGE as u64;
        }
        let Some(Ticket { op: Op::Read { buf, .. }, .. }) = &mut effect.ticket else {
            return Some(Ok(*len)); // A dead process's read: nobody has the bytes, but its chain may go on.
        };
        let out = &mut buf.as_mut_slice()[*moved..*moved + n];
        let got = self.names.files.get(&effect.inode).map_or(0, |f| f.content.read(at, out));
        *moved += got;
        if got < n || *moved == *len {
            // What follows the end of the file in the buffer is nobody's promise.
            out[got..].fill(0xa5);
            return Some(Ok(*moved));
        }
        self.count_short(effect);
        None
    }

    /// Whether a write that is about to begin lands elsewhere, and whether it lands at all.
    fn lies(&mut self, effect: &Effect) -> (bool, bool) {
        let is_first = matches!(effect.kind, Kind::Write { moved: 0, .. });
        let path = effect.ticket.as_ref().filter(|_| is_first).map(|t| t.op.file().path());
        let (faults, config) = (&mut self.faults, &self.config);
        let mut planned = |op| path.is_some_and(|path| faults.planned(op, path).is_some());
        let misdirected = planned(FaultOp::MisdirectWrite) | self.rng.chance(config.misdirected_write);
        let lost = planned(FaultOp::LoseWrite) | self.rng.chance(config.lost_write);
        (misdirected, lost)
    }

    fn transfer_write(&mut self, effect: &mut Effect) -> Outcome {
        let (misdirected, lost) = self.lies(effect);
        let Kind::Write { offset, len, moved, data, dsync } = &mut effect.kind else {
            return None;
        };
        let inode = effect.inode;
        let left = *len - *moved;
        let n = self.transfer_len(left);
        let at = *offset + *moved as u64;
        let room = self.size_allowed(inode, at + n as u64).saturating_sub(at) as usize;
        let fits = room.min(n);
        let mut target = *offset;
        if misdirected {
            target ^= PAGE as u64;
        }
        let (first, end) = pages(target, target + *len as u64);
        self.fold(inode, first, end);
        let file = self.names.files.get_mut(&inode);
        if let Some(content) = file.filter(|_| fits > 0).map(|f| f.content_mut()) {
            if !lost {
                content.write(effect.id, target, data, *moved, *moved + fits);
            }
            content.grow(effect.id, at + fits as u64);
        }
        self.unfold(inode, first, end);
        *moved += fits;
        if fits < n {
            return Some(Err(libc::ENOSPC));
        }
        if *moved < *len {
            self.count_short(effect);
            return None;
        }
        let (done, dsync, offset) = (*len, *dsync, *offset);
        if !dsync {
            return Some(Ok(done));
        }
        if let Some(errno) = self.struck(FaultOp::Sync, effect) {
            self.fail_sync(inode, first, end);
            return Some(Err(errno));
        }
        if let Some(content) = self.content_mut(inode) {
            content.sync_range(effect.id, target, target + done as u64);
            content.sync_range(effect.id, offset, offset + done as u64);
        }
        Some(Ok(done))
    }

    fn transfer_sync(&mut self, effect: &mut Effect) -> Outcome {
        let Kind::Sync { begun } = &mut effect.kind else {
            return None;
        };
        let inode = effect.inode;
        let cover = match begun.take() {
            Some(cover) => cover,
            None => {
                self.fold(inode, 0, u64::MAX);
                let cover = Cover { before: self.new_op(), except: self.flight.writes_to(inode) };
                if self.rng.one_in(2) {
                    *begun = Some(cover);
                    return None;
                }
                cover
            }
        };
        if let Some(errno) = self.struck(FaultOp::Sync, effect) {
            self.fail_sync(inode, 0, u64::MAX);
            return Some(Err(errno));
        }
        let rest = self.rng.one_in(2);
        if let Some(content) = self.content_mut(inode) {
            content.sync(rest, |op| cover.has(op));
        }
        Some(Ok(0))
    }

    fn fail_sync(&mut self, inode: Inode, first: u64, end: u64) {
        let how = self.config.sync_failure;
        let in_flight = self.flight.writes_to(inode);
        if let Some(file) = self.names.files.get_mut(&inode) {
            file.content_mut().fail_sync(how, (first, end), &in_flight, &mut self.rng);
        }
        self.unfold(inode, first, end);
    }

    /// A write that is cut off: none of it, all, a prefix, or any sectors.
    pub(super) fn write_partly(&mut self, effect: &Effect) {
        let Kind::Write { offset, len, moved, data, .. } = &effect.kind else {
            return;
        };
        let end = self.size_allowed(effect.inode, offset + *len as u64);
        let to = (end.saturating_sub(*offset) as usize).min(*len);
        if to <= *moved {
            return;
        }
        let way = self.rng.below(4);
        let prefix = *moved + self.rng.index((to - *moved) / SECTOR + 1) * SECTOR;
        let to = if way == 1 { to } else { prefix };
        let (first, end) = pages(*offset, offset + *len as u64);
        self.fold(effect.inode, first, end);
        let rng = &mut self.rng;
        if let Some(content) = self.names.files.get_mut(&effect.inode).map(|f| f.content_mut()) {
            match way {
                0 => {}
                1 | 2 => content.write(effect.id, *offset, data, *moved, to),
                _ => {
                    let pages = data.iter().enumerate().take(to / PAGE);
                    for (page, bytes) in pages.skip(*moved / PAGE) {
                        let mask = rng.next() as u8;
                        content.put(effect.id, first + page as u64, bytes, mask);
                    }
                    content.grow(effect.id, offset + (to / PAGE * PAGE) as u64);
                }
            }
        }
        self.unfold(effect.inode, first, end);
    }

    /// The kernel writes a page of some mapping back: from now on what it holds may survive a power loss.
    pub(super) fn write_back(&mut self) {
        let inode = self.mapped[self.rng.index(self.mapped.len())];
        let map = self.names.files.get(&inode).and_then(|f| f.map.as_ref());
        let pages = map.map_or(0, |m| m.pages());
        let page = self.rng.index(pages) as u64;
        self.fold(inode, page, page + 1);
    }
}
