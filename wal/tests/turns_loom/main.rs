//! Who writes the next group, under loom: the very source of `src/turns.rs`, between a log thread and waiters as `pump/mod.rs`,
//! `writing.rs` and `log.rs` have them, reduced to what they tell each other.
//!
//! Every interleaving (up to a bound on preemptions) and every value that the orderings allow a load to see. What shows: two who write at
//! once (loom's cell panics), a wake-up that is lost (a deadlock), a position called durable that no group covered, and a log that
//! closes under a leader.

#![allow(clippy::unwrap_used, reason = "test code")]

mod sync;
#[path = "../../src/turns.rs"]
mod turns;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use loom::thread;

use sync::Gate;
use turns::{Holder, Turn, Turns};

/// A position in the log.
type Lsn = u64;

struct Log {
    turns: Turns,
    appended: AtomicU64,
    durable: AtomicU64,
    close: AtomicBool,
    closed: AtomicBool,
    /// For the holder alone: how many had asked when the last group began.
    writing: UnsafeCell<u64>,
    work: Gate,
    settled: Gate,
}

// SAFETY: the cell is what the models are about: loom panics when two threads are in it at once.
unsafe impl Sync for Log {}
// SAFETY: nothing in it belongs to a thread.
unsafe impl Send for Log {}

impl Log {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            turns: Turns::new(),
            appended: AtomicU64::new(0),
            durable: AtomicU64::new(0),
            close: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            writing: UnsafeCell::new(0),
            work: Gate::new(),
            settled: Gate::new(),
        })
    }

    /// `Core::due`.
    fn is_due(&self) -> bool {
        let durable = self.durable.load(SeqCst);
        self.appended.load(SeqCst) > durable && (self.turns.wanted() > durable || self.close.load(SeqCst))
    }

    /// A group, from its beginning to its end.
    fn write(&self) {
        self.writing.with_mut(|last| {
            let asks = self.turns.asks();
            // SAFETY: the turn is ours, as loom checks.
            let askers = asks - unsafe { std::mem::replace(&mut *last, asks) };
            self.turns.serve(askers);
            let tail = self.appended.load(SeqCst);
            thread::yield_now();
            self.durable.store(tail, SeqCst);
        });
        self.settled.notify();
    }

    /// `Log::wait_durable` after an append.
    fn commit(&self) {
        let end = self.appended.fetch_add(1, SeqCst) + 1;
        let before = self.turns.ask(end);
        match self.turns.turn(before, &self.durable) {
            Turn::Lead => {
                if self.durable.load(SeqCst) < end {
                    self.write();
                }
                self.turns.leave();
                if self.close.load(SeqCst) || self.is_due() {
                    self.work.notify();
                }
            }
            Turn::Tell => self.work.notify(),
            Turn::Wait => {}
        }
        self.settled.wait_until(|| self.closed.load(SeqCst) || self.durable.load(SeqCst) >= end);
    }

    /// `Pump::run`.
    fn run(&self) {
        loop {
            if self.is_due() && self.turns.try_take(Holder::Pump) {
                if self.is_due() {
                    self.write();
                }
                self.turns.leave();
                continue;
            }
            if self.close.load(SeqCst) && self.turns.try_take(Holder::Pump) {
                if self.appended.load(SeqCst) == self.durable.load(SeqCst) {
                    // Closed. In the cell, so that loom sees a leader that is still at it.
                    self.writing.with_mut(|_| ());
                    self.closed.store(true, SeqCst);
                    self.settled.notify();
                    return;
                }
                self.turns.leave();
                continue;
            }
            self.work.wait_until(|| self.turns.is_free() && (self.close.load(SeqCst) || self.is_due()));
        }
    }

    fn close(&self) {
        self.close.store(true, SeqCst);
        self.work.notify();
    }
}

fn model(preemptions_max: usize, body: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions_max);
    model.max_branches = 50_000;
    model.check(body);
}

fn spawn<T: 'static>(log: &Arc<Log>, body: impl FnOnce(&Log) -> T + 'static) -> thread::JoinHandle<T> {
    let log = Arc::clone(log);
    thread::spawn(move || body(&log))
}

/// Two waiters, one of which comes twice: whoever leads, waits or is handed over to, all of them end.
#[test]
fn nobody_waits_for_ever() {
    model(2, || {
        let log = Log::new();
        let pump = spawn(&log, Log::run);
        let other = spawn(&log, Log::commit);
        log.commit();
        log.commit();
        other.join().unwrap();
        log.close();
        pump.join().unwrap();
        assert_eq!(log.durable.load(SeqCst), 3);
    });
}

/// The log is closed while someone may lead: not under him, and not never.
#[test]
fn closing_waits_for_a_leader() {
    model(3, || {
        let log = Log::new();
        let pump = spawn(&log, Log::run);
        let waiter = spawn(&log, Log::commit);
        log.close();
        waiter.join().unwrap();
        pump.join().unwrap();
        // An append after the close is refused, or not served.
        assert!(log.closed.load(SeqCst) && log.durable.load(SeqCst) <= log.appended.load(SeqCst));
    });
}

/// Alone, one writes all by oneself. (Led or not hangs on nothing but the turn: the log thread may look in between and serve it.)
#[test]
fn a_lone_waiter_is_served() {
    model(3, || {
        let log = Log::new();
        let pump = spawn(&log, Log::run);
        log.commit();
        log.commit();
        log.close();
        pump.join().unwrap();
        assert_eq!(log.durable.load(SeqCst), 2);
    });
}

/// A waiter that comes while another leads waits, and is served by the log thread.
#[test]
fn a_leader_hands_over_to_the_log_thread() {
    model(3, || {
        let log = Log::new();
        assert!(log.turns.try_take(Holder::Leader));
        let waiter = spawn(&log, Log::commit);
        let pump = spawn(&log, Log::run);
        log.turns.leave();
        if log.is_due() {
            log.work.notify();
        }
        waiter.join().unwrap();
        log.close();
        pump.join().unwrap();
    });
}
