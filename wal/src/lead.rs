//! Leading: a waiter writes its own commit group, and those of all who wait with it.
//!
//! On the leader's lane, which belongs to whoever holds the turn, and with nothing left in flight when it leaves (rule R0: a request
//! belongs to the thread that submitted it). One group is all that it does: it begins after the leader's append, so it covers it.
//! Segments are prepared by the log thread alone.
//!
//! Crash safety does not depend on who writes: a leader runs the same [`GroupWriter`](crate::pump::group::GroupWriter) over the same
//! state as the log thread, and only while it holds the turn, between two groups of the other.

use std::sync::MutexGuard;

use crate::turns::{Holder, Turn};
use crate::writing::{Core, Writing, drain};
use crate::{Lsn, Result, WalError};

/// The turn, held by a waiter; see [`Log::lead`](crate::Log::lead).
///
/// Dropping it ends its group first, waiting for the disk, and gives the turn back.
#[derive(Debug)]
pub struct Lead<'a> {
    core: &'a Core,
    /// Present until it is dropped.
    writing: Option<MutexGuard<'a, Writing>>,
    lsn: Lsn,
    in_group: bool,
}

/// What one who has asked is to do.
pub(crate) enum Asked<'a> {
    /// Write the group.
    Lead(Lead<'a>),
    /// Wait: the log thread or the leader before has been told, or will look by itself.
    Wait,
    /// Wait while the group gathers; then tell the log thread, and wait.
    Linger,
}

impl<'a> Lead<'a> {
    /// Asks for everything before `lsn` to be durable, and takes the turn if that is right.
    pub(crate) fn ask(core: &'a Core, lsn: Lsn) -> Asked<'a> {
        let shared = &*core.shared;
        let before = shared.turns.0.ask(lsn);
        match shared.turns.0.turn(before, &shared.progress.0.durable) {
            Turn::Wait => return Asked::Wait,
            Turn::Linger => return Asked::Linger,
            Turn::Tell => {
                shared.work.notify();
                return Asked::Wait;
            }
            Turn::Lead => {}
        }
        let writing = core.writing();
        let has_lane = writing.lane.is_some();
        let lead = Lead { core, writing: Some(writing), lsn, in_group: false };
        if shared.stopped().is_some() || !has_lane {
            // Leaving, it wakes the log thread.
            return Asked::Wait;
        }
        Asked::Lead(lead)
    }

    /// Steps, waiting, until the position that was asked for is durable. Nothing is in flight then.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn run(mut self) -> Result<()> {
        while !self.step(true)? {}
        Ok(())
    }

    /// Makes one step: begins the group, or takes in what has completed, waiting for it if `wait`. Returns whether the position that
    /// was asked for is durable: then there is nothing left to do.
    ///
    /// # Errors
    /// [`Poisoned`](WalError::Poisoned) if a write or sync failed, now or before.
    pub fn step(&mut self, wait: bool) -> Result<bool> {
        let shared = &*self.core.shared;
        if !self.in_group {
            // The group of another may just have covered it.
            if shared.durable() >= self.lsn {
                return Ok(true);
            }
            if let Some(reason) = shared.stopped() {
                return Err(reason);
            }
        }
        if let Err(error) = self.step_inner(wait) {
            self.in_group = false;
            let reason = shared.set_poison(error);
            self.drain();
            return Err(reason);
        }
        Ok(!self.in_group && shared.durable() >= self.lsn)
    }

    fn step_inner(&mut self, wait: bool) -> Result<()> {
        let Some(Writing { groups, lane: Some(lane), done }) = self.writing.as_deref_mut() else {
            return Ok(());
        };
        if !self.in_group {
            self.in_group = true;
            groups.begin(self.core, Holder::Leader, true, &mut **lane)?;
        }
        lane.reap(if wait { groups.in_flight() } else { 0 }, done)?;
        let mut first_error = None;
        for completion in done.drain(..) {
            match groups.complete(self.core, completion, &mut **lane) {
                Ok(over) => self.in_group &= !over,
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        debug_assert!(
            self.in_group || lane.in_flight() == 0,
            "a group is over when nothing of it is in flight"
        );
        first_error.map_or(Ok(()), Err)
    }

    fn drain(&mut self) {
        if let Some(Writing { lane: Some(lane), done, .. }) = self.writing.as_deref_mut() {
            drain(&mut **lane, done);
        }
    }
}

/// However it ends, nothing is in flight and the turn is free.
impl Drop for Lead<'_> {
    fn drop(&mut self) {
        if self.in_group && std::thread::panicking() {
            // A bug, or a panic of the caller's between two steps: what the group came to is unknown.
            self.core.shared.set_poison(WalError::PumpLost);
            self.drain();
            self.in_group = false;
        }
        while self.in_group && self.step(true).is_ok() {}
        // First the lock, then the turn: who takes the turn finds the lock free.
        self.writing = None;
        self.core.hand_over();
    }
}
