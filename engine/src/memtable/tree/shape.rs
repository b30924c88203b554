//! For tests: what a tree looks like inside.

use super::Tree;
use super::node::{Node, NodePtr, Slotted};

/// Counts of what the root leads to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Levels, the leaves' among them.
    pub(crate) height: usize,
    pub(crate) leaves: usize,
    pub(crate) leaf_entries: usize,
    pub(crate) inner: usize,
    pub(crate) inner_entries: usize,
    /// Nodes with a speculative prefix.
    pub(crate) speculative: usize,
    /// Neighbours in one node whose heads are equal.
    pub(crate) ties: usize,
}

impl<const N: usize> Tree<N> {
    pub(crate) fn shape(&self) -> Shape {
        let mut shape = Shape::default();
        self.add_shape(self.root(), 1, &mut shape);
        shape
    }

    fn add_shape(&self, node: NodePtr<N>, depth: usize, shape: &mut Shape) {
        let (node, perm) = self.view(node);
        shape.height = shape.height.max(depth);
        shape.speculative += usize::from(perm.prefix().speculative);
        let heads: Vec<u32> = match node {
            Node::Leaf(leaf) => {
                shape.leaves += 1;
                shape.leaf_entries += perm.len();
                (0..perm.len()).map(|rank| leaf.head(perm.slot(rank))).collect()
            }
            Node::Inner(inner) => {
                shape.inner += 1;
                shape.inner_entries += perm.len();
                for index in 0..=perm.len() {
                    self.add_shape(inner.child(perm, index), depth + 1, shape);
                }
                (0..perm.len()).map(|rank| inner.head(perm.slot(rank))).collect()
            }
        };
        shape.ties += heads.windows(2).filter(|pair| pair[0] == pair[1]).count();
    }
}
