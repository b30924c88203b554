//! Is what several threads saw of one store explained by *some* order of their calls?
//!
//! A **history** holds what was called, what was answered, and the moments of both. It is right (*strictly serializable*; for calls that touch one key
//! each, *linearizable*) if the calls can be put in one order such that
//!
//! * a call that had returned before another one was made comes before it, and
//! * every answer is what a plain map would give in that order: a batch is one step, so is a scan over any number of keys and keyspaces, and
//!   everything that is read under one snapshot or cursor is one step, at a moment inside the call that took it.
//!
//! [`check`] decides that, exactly: it accepts no wrong history and refuses no right one. The module `record` makes histories of a real store.
//!
//! # The moments
//!
//! They are draws from one atomic counter, not times: a call "had returned before" another one was made if and only if its end *happens
//! before* the other's beginning, in the sense of the memory model. Nothing weaker could be asked of a store, and no clock that differs
//! between cores can accuse it wrongly.
//!
//! # The algorithm
//!
//! That of Wing and Gong with Lowe's improvements (*just-in-time linearization*, configurations kept in a set): a *configuration* is which of the
//! pending calls have taken effect, and the map that results. When a call returns, each configuration in which it has not taken effect is
//! extended, in all ways, until it has; those in which it cannot are dropped. If none is left, the history is wrong, and that call is the first that
//! shows it. What a call reads never changes the map, so a read takes effect as soon as it fits. The sets stay small, because only calls that
//! overlap can be ordered freely: the cost is linear in the length of the history, and exponential in the number of threads that write.
//!
//! A history whose calls touch one key each could be checked key by key; batches and scans tie the keys together, so it is checked as a whole.

mod check;
mod record;
#[cfg(test)]
mod tests;

use std::fmt;

pub use check::{Explained, Violation, check};
pub use record::{Shape, Tally, round};

/// A key, as an index into the keys that a history is about.
pub type KeyIndex = usize;

/// What a key holds: [`ABSENT`], or the number of the one put that wrote it. No two puts of a history have the same number.
pub type Tag = u32;

/// The tag of a key that is not there.
pub const ABSENT: Tag = 0;

/// The map: for each key what it holds.
pub type State = Vec<Tag>;

/// The moment of a call that never returned, or whose failure leaves open whether it took effect: it may have, at any time since, or not.
pub const NEVER: u64 = u64::MAX;

/// What a call did, or was told, of some keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// These keys hold this from then on. No key twice.
    Write(Vec<(KeyIndex, Tag)>),
    /// These keys held this. The same key twice, with different tags, fits no state.
    Read(Vec<(KeyIndex, Tag)>),
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Who made it.
    pub thread: usize,
    /// Which it was, for people.
    pub name: &'static str,
    /// When it was made.
    pub called: u64,
    /// When it returned, or [`NEVER`].
    pub returned: u64,
    /// What it did or was told.
    pub effect: Effect,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { thread, name, called, returned, effect } = self;
        let (verb, keys) = match effect {
            Effect::Write(keys) => ("wrote", keys),
            Effect::Read(keys) => ("saw", keys),
        };
        write!(f, "{called}..")?;
        if *returned != NEVER {
            write!(f, "{returned}")?;
        }
        write!(f, " thread {thread} {name} {verb}")?;
        keys.iter().try_for_each(|(key, tag)| write!(f, " {key}={tag}"))
    }
}
