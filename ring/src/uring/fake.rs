//! A ring that misbehaves on purpose: a kernel in memory, for tests of the lane's logic. It keeps the kernel's promises
//! (a link breaks on anything but full success, answers of a chain come in order, what one enter did not take of a chain is a
//! chain of its own for the next) and none besides.

use std::collections::{HashMap, VecDeque};
use std::os::fd::RawFd;

use super::port::{Call, Entered, Entry, FILLER, Port};
use crate::Buf;

/// What is wrong with one execution of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Only so many bytes are moved.
    Short(usize),
    Errno(i32),
}

/// What is wrong with one enter.
#[derive(Debug, Clone, Copy)]
pub(super) enum Turn {
    /// It fails; nothing is taken.
    Errno(i32),
    /// It takes only so many entries, and does not wait.
    Take(usize),
}

/// What a call is known by in tests: a place in the file, or for a sync its descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Key {
    At(u64),
    Sync(RawFd),
}

/// One execution: what, and whether it succeeded in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Executed {
    pub(super) key: Key,
    pub(super) whole: bool,
}

#[derive(Debug)]
pub(super) struct FakeRing {
    capacity: usize,
    pub(super) polled: bool,
    queue: VecDeque<Entry>,
    /// Chains in flight; a lone call is a chain of one.
    flying: Vec<VecDeque<Entry>>,
    answers: VecDeque<(u64, i32)>,
    pub(super) file: Vec<u8>,
    pub(super) faults: HashMap<Key, VecDeque<Fault>>,
    pub(super) turns: VecDeque<Turn>,
    pub(super) executed: Vec<Executed>,
    /// Enters so far, and entries taken by each.
    pub(super) taken: Vec<usize>,
    /// Chance of a random fault of a call and of an enter, in percent.
    pub(super) chaos: u64,
    seed: u64,
    random: u64,
}

impl FakeRing {
    pub(super) fn new(capacity: usize, seed: u64) -> Self {
        Self {
            capacity,
            polled: false,
            queue: VecDeque::new(),
            flying: Vec::new(),
            answers: VecDeque::new(),
            file: Vec::new(),
            faults: HashMap::new(),
            turns: VecDeque::new(),
            executed: Vec::new(),
            taken: Vec::new(),
            chaos: 0,
            seed,
            random: seed,
        }
    }

    pub(super) fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1 + 2 * self.seed);
        self.random >> 33
    }

    fn fault(&mut self, key: Key, len: usize) -> Option<Fault> {
        if let Some(fault) = self.faults.get_mut(&key).and_then(VecDeque::pop_front) {
            return Some(fault);
        }
        if self.random() % 100 >= self.chaos {
            return None;
        }
        let pages = (len / crate::PAGE) as u64;
        Some(match self.random() % 4 {
            0 => Fault::Errno(libc::EAGAIN),
            1 => Fault::Errno(libc::EINTR),
            2 if pages > 1 => Fault::Short((1 + self.random() % (pages - 1)) as usize * crate::PAGE),
            _ => Fault::Errno(libc::EIO),
        })
    }

    fn turn(&mut self) -> Option<Turn> {
        if let Some(turn) = self.turns.pop_front() {
            return Some(turn);
        }
        if self.random() % 100 >= self.chaos {
            return None;
        }
        Some(match self.random() % 4 {
            0 => Turn::Errno(libc::EINTR),
            1 if !self.answers.is_empty() || !self.flying.is_empty() => Turn::Errno(libc::EBUSY),
            2 => Turn::Errno(libc::EAGAIN),
            _ => Turn::Take(self.random() as usize % (self.queue.len() + 1)),
        })
    }

    /// Takes entries from the queue; links hold only between entries taken together.
    fn take(&mut self, count: usize) {
        let mut linked = false;
        for _ in 0..count {
            let entry = self.queue.pop_front().expect("counted");
            match self.flying.last_mut() {
                Some(chain) if linked => chain.push_back(entry),
                _ => self.flying.push(VecDeque::from([entry])),
            }
            linked = entry.link;
        }
    }

    /// Executes the head of a random chain and answers it.
    fn step(&mut self) {
        let at = self.random() as usize % self.flying.len();
        let entry = self.flying[at].pop_front().expect("no empty chains");
        let answer = if entry.tag == FILLER { 0 } else { self.execute(&entry) };
        let whole = match entry.call {
            Call::Read { span, .. } | Call::Write { span, .. } => answer == span.len as i32,
            Call::Sync { .. } => answer == 0,
        };
        self.answers.push_back((entry.tag, answer));
        if !whole {
            let rest = std::mem::take(&mut self.flying[at]);
            self.answers.extend(rest.iter().map(|e| (e.tag, -libc::ECANCELED)));
        }
        if self.flying[at].is_empty() {
            self.flying.remove(at);
        }
    }

    fn execute(&mut self, entry: &Entry) -> i32 {
        let (key, len) = match entry.call {
            Call::Read { span, offset } | Call::Write { span, offset, .. } => {
                (Key::At(offset), span.len as usize)
            }
            Call::Sync { .. } => (Key::Sync(entry.fd), 0),
        };
        let mut bytes = len;
        match self.fault(key, len) {
            Some(Fault::Errno(errno)) => {
                self.executed.push(Executed { key, whole: false });
                return -errno;
            }
            Some(Fault::Short(n)) => bytes = n.min(len),
            None => {}
        }
        match entry.call {
            Call::Read { span, offset } => {
                let start = self.file.len().min(offset as usize);
                bytes = bytes.min(self.file.len() - start);
                // SAFETY: the lane keeps the span valid until its answer, which has not been given.
                unsafe {
                    std::ptr::copy_nonoverlapping(self.file[start..].as_ptr(), span.addr as *mut u8, bytes);
                };
            }
            Call::Write { span, offset, .. } => {
                let end = offset as usize + bytes;
                self.file.resize(self.file.len().max(end), 0);
                let to = self.file[offset as usize..end].as_mut_ptr();
                // SAFETY: as above.
                unsafe { std::ptr::copy_nonoverlapping(span.addr as *const u8, to, bytes) };
            }
            Call::Sync { .. } => {}
        }
        self.executed.push(Executed { key, whole: bytes == len });
        bytes as i32
    }
}

impl Port for FakeRing {
    fn capacity(&self) -> usize {
        self.capacity
    }

    fn queued(&mut self) -> usize {
        self.queue.len()
    }

    fn is_polled(&self) -> bool {
        self.polled
    }

    fn fixed(&mut self, _buf: &Buf, _range: (usize, usize), _idle: bool) -> Option<u16> {
        None
    }

    unsafe fn push(&mut self, entry: &Entry) {
        assert!(self.queue.len() < self.capacity);
        assert!(!(self.polled && entry.link), "a polled ring may split any chain");
        self.queue.push_back(*entry);
        if self.polled {
            self.take(1);
        }
    }

    fn blank(&mut self, count: usize) {
        for entry in self.queue.iter_mut().take(count) {
            entry.tag = FILLER;
            entry.link = false;
            entry.call = Call::Sync { data_only: false };
        }
    }

    fn enter(&mut self, submit: bool, want: u32, _linger: bool) -> Entered {
        let turn = self.turn();
        let mut taken = if submit { self.queue.len() } else { 0 };
        let all = taken;
        match turn {
            Some(Turn::Errno(errno)) => {
                self.taken.push(0);
                return Entered { called: true, result: Err(errno) };
            }
            Some(Turn::Take(count)) => taken = taken.min(count),
            None => {}
        }
        self.take(taken);
        self.taken.push(taken);
        if taken == all {
            while self.answers.len() < want as usize {
                assert!(!self.flying.is_empty(), "would wait for ever");
                self.step();
            }
        }
        while !self.flying.is_empty() && self.random().is_multiple_of(3) {
            self.step();
        }
        Entered { called: true, result: Ok(()) }
    }

    fn has_hidden(&mut self) -> bool {
        !self.flying.is_empty()
    }

    fn pop(&mut self) -> Option<(u64, i32)> {
        self.answers.pop_front()
    }
}
