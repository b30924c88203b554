//! Which of several sorted inputs comes next: a binary heap of input numbers, reordered in place.
//!
//! Inputs keep their own entries; the heap only asks which of two comes first. Advancing the first input costs about two comparisons
//! a level of the heap, and one when it stays first, which is the common case in a merge of levels.

/// See the module documentation.
#[derive(Debug, Default)]
pub(crate) struct MergeHeap {
    inputs: Vec<u32>,
}

impl MergeHeap {
    /// Orders `inputs` anew. `before(a, b)` tells whether input `a` comes before input `b`.
    pub(crate) fn rebuild(
        &mut self,
        inputs: impl Iterator<Item = usize>,
        mut before: impl FnMut(usize, usize) -> bool,
    ) {
        self.inputs.clear();
        self.inputs.extend(inputs.map(|i| i as u32));
        for at in (0..self.inputs.len() / 2).rev() {
            self.sift_down(at, &mut before);
        }
    }

    /// The input that comes first.
    pub(crate) fn first(&self) -> Option<usize> {
        self.inputs.first().map(|&i| i as usize)
    }

    /// The first input went on: finds its new place if it has an entry, and leaves it out if it is at its end.
    pub(crate) fn first_went(&mut self, has_entry: bool, mut before: impl FnMut(usize, usize) -> bool) {
        if !has_entry && !self.inputs.is_empty() {
            self.inputs.swap_remove(0);
        }
        self.sift_down(0, &mut before);
    }

    fn sift_down(&mut self, mut at: usize, before: &mut impl FnMut(usize, usize) -> bool) {
        loop {
            let mut child = 2 * at + 1;
            if child >= self.inputs.len() {
                return;
            }
            let right = child + 1;
            if right < self.inputs.len() && before(self.inputs[right] as usize, self.inputs[child] as usize) {
                child = right;
            }
            if !before(self.inputs[child] as usize, self.inputs[at] as usize) {
                return;
            }
            self.inputs.swap(at, child);
            at = child;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_sorted_inputs_comes_out_sorted() {
        for count in 0..20usize {
            let inputs: Vec<Vec<usize>> =
                (0..count).map(|i| (0..i * 3).map(|j| j * (i % 5 + 1) + i % 3).collect()).collect();
            let mut at = vec![0; count];
            let mut heap = MergeHeap::default();
            let mut merged = Vec::new();
            let before = |at: &[usize], a: usize, b: usize| (inputs[a][at[a]], a) < (inputs[b][at[b]], b);
            heap.rebuild((0..count).filter(|&i| !inputs[i].is_empty()), |a, b| before(&at, a, b));
            while let Some(i) = heap.first() {
                merged.push(inputs[i][at[i]]);
                at[i] += 1;
                heap.first_went(at[i] < inputs[i].len(), |a, b| before(&at, a, b));
            }
            let mut all: Vec<usize> = inputs.concat();
            all.sort_unstable();
            assert_eq!(merged, all);
        }
    }
}
