//! Sets that are joined step by step.

use std::collections::BTreeMap;

/// Disjoint sets of the numbers below a count.
///
/// # Source
/// Tarjan & van Leeuwen (1984), "Worst-case analysis of set union algorithms",
/// doi:10.1145/62.2160: halving of paths.
pub(super) struct Union {
    parent: Vec<u32>,
}

impl Union {
    /// Returns sets of one number each.
    pub(super) fn new(count: usize) -> Self {
        Union { parent: (0..count as u32).collect() }
    }

    /// Joins the sets of two numbers, which must be below the count. Returns whether they were
    /// two.
    pub(super) fn join(&mut self, a: usize, b: usize) -> bool {
        let (a, b) = (self.least(a), self.least(b));
        self.parent[a.max(b)] = a.min(b) as u32;
        a != b
    }

    /// Returns the least number of a number's set.
    fn least(&mut self, mut at: usize) -> usize {
        while self.parent[at] as usize != at {
            self.parent[at] = self.parent[self.parent[at] as usize];
            at = self.parent[at] as usize;
        }
        at
    }

    /// Returns the sets of two or more numbers, in the order of their first, each ascending.
    pub(super) fn of_two_or_more(mut self) -> Vec<Vec<usize>> {
        let mut sets: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for at in 0..self.parent.len() {
            let least = self.least(at);
            if least != at {
                sets.entry(least).or_insert_with(|| vec![least]).push(at);
            }
        }
        sets.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_over_others() {
        let mut sets = Union::new(7);
        for (a, b) in [(5, 3), (6, 1), (3, 1), (0, 0), (5, 6)] {
            sets.join(a, b);
        }
        assert_eq!(sets.least(5), 1);
        assert_eq!(sets.of_two_or_more(), [[1, 3, 5, 6]]);
    }
}
