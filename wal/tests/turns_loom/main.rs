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
    /// Time is up for whatever gathers.
    expired: AtomicBool,
    /// The log thread sleeps no longer than until then.
    pump_keeps_time: AtomicBool,
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
    /// A log whose time is always up: what gathers is due at once.
    fn new() -> Arc<Self> {
        let log = Self::gathering();
        log.turns.serve(0);
        log.turns.gather(0);
        log.expired.store(true, SeqCst);
        log
    }

    /// A log whose last group served two: the next waits for two, until [`tick`](Self::tick).
    fn gathering() -> Arc<Self> {
        let turns = Turns::new();
        turns.serve(2);
        turns.gather(2);
        Arc::new(Self {
            turns,
            appended: AtomicU64::new(0),
            durable: AtomicU64::new(0),
            close: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            expired: AtomicBool::new(false),
            pump_keeps_time: AtomicBool::new(false),
            writing: UnsafeCell::new(0),
            work: Gate::new(),
            settled: Gate::new(),
        })
    }

    /// `Core::due`.
    fn is_due(&self) -> bool {
        let durable = self.durable.load(SeqCst);
        let is_gathering = self.turns.is_gathering() && !self.expired.load(SeqCst);
        self.appended.load(SeqCst) > durable
            && ((self.turns.wanted() > durable && !is_gathering) || self.close.load(SeqCst))
    }

    /// Time passes, once.
    fn tick(&self) {
        self.expired.store(true, SeqCst);
        self.settled.notify();
        if self.pump_keeps_time.load(SeqCst) {
            self.work.notify();
        }
    }

    /// A group, from its beginning to its end.
    fn write(&self) {
        self.writing.with_mut(|last| {
            let asks = self.turns.asks();
            // SAFETY: the turn is ours, as loom checks.
            let askers = asks - unsafe { std::mem::replace(&mut *last, asks) };
            self.turns.serve(askers);
            self.turns.gather(0);
            let tail = self.appended.load(SeqCst);
            thread::yield_now();
            let all = self.turns.served() + self.turns.asks() - asks;
            if all >= 2 {
                self.turns.gather(asks + all);
            }
            self.durable.store(tail, SeqCst);
        });
    }

    fn is_awaited(&self) -> bool {
        self.turns.is_gathering() && self.turns.wanted() > self.durable.load(SeqCst)
    }

    /// `Core::leave`.
    fn leave(&self) -> bool {
        self.turns.leave();
        let is_awaited = self.is_awaited();
        self.settled.notify();
        is_awaited
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
                let is_awaited = self.leave();
                if self.close.load(SeqCst) || is_awaited || self.is_due() {
                    self.work.notify();
                }
            }
            Turn::Tell => self.work.notify(),
            Turn::Wait => {}
            Turn::Linger => {
                let is_over = || self.closed.load(SeqCst) || self.durable.load(SeqCst) >= end;
                self.settled.wait_until(|| is_over() || self.expired.load(SeqCst));
                if !is_over() && self.turns.is_free() {
                    self.work.notify();
                }
            }
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
                self.leave();
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
            let keeps_time = self.turns.is_gathering() && !self.expired.load(SeqCst);
            self.pump_keeps_time.store(keeps_time, SeqCst);
            self.work.wait_until(|| {
                (keeps_time && self.expired.load(SeqCst))
                    || (self.turns.is_free()
                        && (self.close.load(SeqCst) || self.is_due() || (!keeps_time && self.is_awaited())))
            });
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

/// A group waits for two of whom one comes: time is up at some moment, and nobody waits for ever.
#[test]
fn a_group_that_gathers_begins_at_last() {
    model(2, || {
        let log = Log::gathering();
        let pump = spawn(&log, Log::run);
        let clock = spawn(&log, Log::tick);
        log.commit();
        clock.join().unwrap();
        log.close();
        pump.join().unwrap();
        assert_eq!(log.durable.load(SeqCst), 1);
    });
}

/// Two waiters whom a group waits for, and who both come: no time needs to pass.
#[test]
fn the_last_of_those_who_gather_begins_the_group() {
    model(2, || {
        let log = Log::gathering();
        let pump = spawn(&log, Log::run);
        let other = spawn(&log, Log::commit);
        log.commit();
        other.join().unwrap();
        log.close();
        pump.join().unwrap();
        assert_eq!(log.durable.load(SeqCst), 2);
    });
}

/// One who asks while the group in flight makes the next one gather, and those whom it waits for never come: the log thread keeps the
/// time, whoever wrote the group.
#[test]
fn who_asked_before_a_group_gathers_is_served() {
    model(2, || {
        let log = Log::gathering();
        log.turns.gather(0);
        assert!(log.turns.try_take(Holder::Leader));
        let waiter = spawn(&log, Log::commit);
        let pump = spawn(&log, Log::run);
        let clock = spawn(&log, Log::tick);
        // What `write` and the end of leading say.
        log.turns.gather(2);
        let is_awaited = log.leave();
        if is_awaited || log.is_due() {
            log.work.notify();
        }
        waiter.join().unwrap();
        clock.join().unwrap();
        log.close();
        pump.join().unwrap();
    });
}
