//! Deciding whether a history is right. The module above says what that is, and how it is decided.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Call, Effect, KeyIndex, NEVER, State, Tag};

/// Most calls that may be pending at once.
const PENDING_MAX: usize = 64;

/// What a right history came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// The maps that it may have ended with; more than one only if calls never returned, or nothing was read after the last writes.
    pub states: Vec<State>,
    /// Most configurations that were held at a time: how much freedom the calls had.
    pub configurations: usize,
}

/// Why a history is wrong.
#[derive(Debug, Clone)]
pub struct Violation {
    /// The first call whose return nothing explains.
    pub call: Call,
    /// The calls that were pending then, itself among them.
    pub pending: Vec<Call>,
    /// For each key that it saw, what it may have held.
    pub possible: Vec<(KeyIndex, Vec<Tag>)>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "no order of the calls explains: {}", self.call)?;
        for (key, tags) in &self.possible {
            writeln!(f, "    key {key} may have held {tags:?}")?;
        }
        write!(f, "  pending at its return:")?;
        self.pending.iter().try_for_each(|call| write!(f, "\n    {call}"))
    }
}

/// A set of pending calls, by slot, that have taken effect, and the map that they led to.
type Configuration = (u64, State);

struct Checker<'a> {
    calls: &'a [Call],
    /// The pending calls.
    slots: [Option<usize>; PENDING_MAX],
    configurations: BTreeSet<Configuration>,
}

/// Decides whether `calls`, in any order, on a map that is one of `initial`, are a right history. Threads make one call at a time.
///
/// # Errors
/// The first call that cannot be explained.
///
/// # Panics
/// If more than 64 calls overlap, or a call returned before it was made.
pub fn check(initial: &[State], calls: &[Call]) -> Result<Explained, Box<Violation>> {
    let slots = [None; PENDING_MAX];
    let mut checker =
        Checker { calls, slots, configurations: initial.iter().map(|s| (0, s.clone())).collect() };
    // At equal moments calls come before returns: they overlap.
    let mut events: Vec<(u64, bool, usize)> = Vec::with_capacity(2 * calls.len());
    for (i, call) in calls.iter().enumerate() {
        assert!(call.called <= call.returned, "it returned before it was made: {call}");
        events.push((call.called, false, i));
        if call.returned != NEVER {
            events.push((call.returned, true, i));
        }
    }
    events.sort_unstable();
    let mut most = checker.configurations.len();
    for (_, is_return, i) in events {
        if is_return {
            checker.on_return(i)?;
            most = most.max(checker.configurations.len());
        } else {
            let free = checker.slots.iter().position(Option::is_none);
            checker.slots[free.expect("at most 64 calls overlap")] = Some(i);
        }
    }
    let states: BTreeSet<State> = checker.endings().into_iter().map(|(_, state)| state).collect();
    Ok(Explained { states: states.into_iter().collect(), configurations: most })
}

impl Checker<'_> {
    /// Makes each configuration one in which call `i` has taken effect, in all ways.
    fn on_return(&mut self, i: usize) -> Result<(), Box<Violation>> {
        let slot = self.slots.iter().position(|s| *s == Some(i)).expect("it was called");
        let mut done = BTreeSet::new();
        let mut met = std::mem::take(&mut self.configurations);
        let mut open: Vec<Configuration> = met.iter().cloned().collect();
        while let Some((effective, state)) = open.pop() {
            if effective >> slot & 1 == 1 {
                done.insert((effective & !(1 << slot), state));
                continue;
            }
            for next in self.successors(effective, &state) {
                if met.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        if done.is_empty() {
            return Err(Box::new(self.violation(i, &met)));
        }
        self.slots[slot] = None;
        self.configurations = done;
        Ok(())
    }

    /// The configurations after one more pending call took effect. A read that fits is the only way on: it takes nothing from the others.
    fn successors(&self, effective: u64, state: &State) -> Vec<Configuration> {
        let waiting = || {
            let pending = self.slots.iter().enumerate().filter_map(|(slot, i)| Some((slot, (*i)?)));
            pending
                .filter(|(slot, _)| effective >> slot & 1 == 0)
                .map(|(slot, i)| (slot, &self.calls[i].effect))
        };
        for (slot, effect) in waiting() {
            if matches!(effect, Effect::Read(keys) if keys.iter().all(|&(key, tag)| state[key] == tag)) {
                return vec![(effective | 1 << slot, state.clone())];
            }
        }
        let mut next = Vec::new();
        for (slot, effect) in waiting() {
            if let Effect::Write(keys) = effect {
                let mut state = state.clone();
                keys.iter().for_each(|&(key, tag)| state[key] = tag);
                next.push((effective | 1 << slot, state));
            }
        }
        next
    }

    /// All configurations at the end: calls that never returned may take effect there too.
    fn endings(&mut self) -> BTreeSet<Configuration> {
        let mut met = std::mem::take(&mut self.configurations);
        let mut open: Vec<Configuration> = met.iter().cloned().collect();
        while let Some((effective, state)) = open.pop() {
            for next in self.successors(effective, &state) {
                if met.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        met
    }

    fn violation(&self, i: usize, met: &BTreeSet<Configuration>) -> Violation {
        let call = self.calls[i].clone();
        let mut possible: BTreeMap<KeyIndex, BTreeSet<Tag>> = BTreeMap::new();
        if let Effect::Read(keys) = &call.effect {
            for (key, _) in keys {
                possible.entry(*key).or_default().extend(met.iter().map(|(_, state)| state[*key]));
            }
        }
        let possible = possible.into_iter().map(|(key, tags)| (key, tags.into_iter().collect())).collect();
        let pending = self.slots.iter().flatten().map(|&i| self.calls[i].clone()).collect();
        Violation { call, pending, possible }
    }
}
