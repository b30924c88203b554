//! From an inner node to the child whose range holds a target.

use std::cmp::Ordering as Place;

use super::Tree;
use super::node::{Before, Inner, NodePtr, Slotted};
use super::perm::Perm;
use super::record::Target;

/// Which child.
#[derive(Debug, Clone, Copy)]
pub(super) struct Route {
    /// 0 to the number of entries.
    pub(super) index: usize,
    /// Whether the separator behind the child may have the target's key; none if this node has no such separator.
    pub(super) bound_tied: Option<bool>,
}

/// A child that was loaded.
pub(super) struct Step<const N: usize> {
    pub(super) child: NodePtr<N>,
    pub(super) bound_tied: Option<bool>,
}

impl<const N: usize> Inner<N> {
    /// The child for a target in this node's range.
    #[inline]
    pub(super) fn route(&self, tree: &Tree<N>, perm: Perm, target: Target<'_>) -> Route {
        if perm.prefix().speculative {
            match self.prefix_place(tree, perm, target) {
                Place::Less => {
                    return Route { index: 0, bound_tied: Some(false) };
                }
                Place::Greater => {
                    return Route { index: perm.len(), bound_tied: None };
                }
                Place::Equal => {}
            }
        }
        let found = self.find(tree, perm, target, Before::LessOrEqual);
        Route { index: found.rank, bound_tied: (found.rank < perm.len()).then_some(found.tied) }
    }

    /// Picks and loads a child, again if an entry was added meanwhile (see the claim *Child* in [`super`]).
    #[inline]
    pub(super) fn step(&self, mut perm: Perm, pick: impl Fn(Perm) -> Route) -> Step<N> {
        loop {
            let route = pick(perm);
            let child = self.child(perm, route.index);
            let now = self.perm();
            if now == perm {
                return Step { child, bound_tied: route.bound_tied };
            }
            perm = now;
        }
    }
}
