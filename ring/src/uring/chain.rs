//! Chains in flight, by number. Their numbers are internal: no chain outlives its last member.

use std::collections::VecDeque;

/// Operations of which each starts only after the one before it succeeded in full.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// Slots not yet completed, in order.
    pub(super) members: VecDeque<u32>,
    /// Members in the submission queue or in the kernel.
    pub(super) submitted: usize,
    /// A member failed, or a read met the end of its file: the rest is cancelled.
    pub(super) broken: bool,
    /// Waiting to be put into the submission queue.
    pub(super) pending: bool,
}

/// Chains, their memory reused.
#[derive(Debug, Default)]
pub(super) struct Chains {
    chains: Vec<Chain>,
    free: Vec<u32>,
}

impl Chains {
    /// A new, empty chain that is to be published.
    pub(super) fn insert(&mut self) -> u32 {
        let id = self.free.pop().unwrap_or_else(|| {
            self.chains.push(Chain::default());
            self.chains.len() as u32 - 1
        });
        let chain = &mut self.chains[id as usize];
        assert!(chain.members.is_empty() && chain.submitted == 0, "chain {id} is reused while in flight");
        chain.broken = false;
        chain.pending = true;
        id
    }

    pub(super) fn get(&mut self, id: u32) -> &mut Chain {
        &mut self.chains[id as usize]
    }

    pub(super) fn remove(&mut self, id: u32) {
        self.free.push(id);
    }
}
