//! How much of an image stands on each owner: two rules of builders that know who needs whom.
//!
//! Both were made for graphs without cycles. Distributions have cycles; owners that need each other count as one here, and all of
//! them have what it gets.

use std::collections::BTreeSet;

/// Owners, and who needs whom.
pub(super) struct Graph {
    /// For each owner its knot: owners that all need each other. What a knot needs has a lower number.
    knots: Vec<u32>,
    /// For each knot those that it needs, each once.
    needs: Vec<BTreeSet<u32>>,
}

impl Graph {
    /// Of owners below `count`.
    pub fn new(count: usize, pairs: &[(u32, u32)]) -> Self {
        let mut of: Vec<Vec<u32>> = vec![Vec::new(); count];
        for (from, to) in pairs {
            of[*from as usize].push(*to);
        }
        let (knots, number) = knots(&of);
        let mut needs = vec![BTreeSet::new(); number];
        for (from, to) in pairs.iter().map(|(from, to)| (knots[*from as usize], knots[*to as usize])) {
            if from != to {
                needs[from as usize].insert(to);
            }
        }
        Self { knots, needs }
    }

    /// As nixpkgs' popularity contest counts (`closure-graph.py`): who is needed gets 1 from each that needs it, and of those
    /// below, each what it has there and 1 more. Roots get 1.
    pub fn contest(&self) -> Vec<u128> {
        let mut is_needed = vec![false; self.needs.len()];
        self.needs.iter().flatten().for_each(|knot| is_needed[*knot as usize] = true);
        let mut scores = Vec::with_capacity(self.needs.len());
        for (knot, is_root) in is_needed.iter().map(|is_needed| !is_needed).enumerate() {
            scores.push(if is_root { 1 } else { self.contest_of(knot, &is_needed) });
        }
        self.of_owners(&scores)
    }

    /// What a needed knot has got where all roots come together.
    fn contest_of(&self, knot: usize, is_needed: &[bool]) -> u128 {
        // What it has got in each that stands on it.
        let mut got: Vec<Option<u128>> = vec![None; self.needs.len()];
        let mut all = 0_u128;
        for above in knot + 1..self.needs.len() {
            for need in &self.needs[above] {
                let one = if *need as usize == knot { Some(1) } else { got[*need as usize].map(plus_one) };
                got[above] = one.map(|one| got[above].unwrap_or(0).saturating_add(one)).or(got[above]);
            }
            if let Some(got) = got[above].filter(|_| !is_needed[above]) {
                all = all.saturating_add(plus_one(got));
            }
        }
        all
    }

    /// As nix2container counts (`closure/popularity.go`): one, and what each has that needs it.
    pub fn paths(&self) -> Vec<u128> {
        let mut scores = vec![1_u128; self.needs.len()];
        for (above, needs) in self.needs.iter().enumerate().rev() {
            for need in needs {
                scores[*need as usize] = scores[*need as usize].saturating_add(scores[above]);
            }
        }
        self.of_owners(&scores)
    }

    fn of_owners(&self, scores: &[u128]) -> Vec<u128> {
        self.knots.iter().map(|knot| scores[*knot as usize]).collect()
    }
}

const fn plus_one(score: u128) -> u128 {
    score.saturating_add(1)
}

/// Strongly connected components (Tarjan 1972), numbered so that what one needs has a lower number; and how many there are. Without
/// recursion: chains may be long.
fn knots(of: &[Vec<u32>]) -> (Vec<u32>, usize) {
    const NONE: u32 = u32::MAX;
    let mut knots = vec![NONE; of.len()];
    let (mut order, mut lowest) = (vec![NONE; of.len()], vec![NONE; of.len()]);
    let (mut stack, mut met, mut number) = (Vec::new(), 0, 0);
    for start in 0..of.len() {
        let mut open: Vec<(usize, usize)> = if order[start] == NONE { vec![(start, 0)] } else { Vec::new() };
        while let Some((at, next)) = open.pop() {
            if next == 0 {
                (order[at], lowest[at]) = (met, met);
                met += 1;
                stack.push(at);
            } else {
                lowest[at] = lowest[at].min(lowest_of(of[at][next - 1] as usize, &lowest, &knots));
            }
            match of[at].get(next).map(|to| *to as usize) {
                Some(to) => {
                    open.push((at, next + 1));
                    if order[to] == NONE {
                        open.push((to, 0));
                    }
                }
                None if lowest[at] == order[at] => {
                    while let Some(member) = stack.pop() {
                        knots[member] = number;
                        if member == at {
                            break;
                        }
                    }
                    number += 1;
                }
                None => {}
            }
        }
    }
    (knots, number as usize)
}

/// One that has its knot leads nowhere else.
fn lowest_of(to: usize, lowest: &[u32], knots: &[u32]) -> u32 {
    if knots[to] == u32::MAX { lowest[to] } else { u32::MAX }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_contest_of_nixpkgs() {
        // The example in its comments: A to G.
        let pairs = [(0, 1), (0, 6), (1, 2), (1, 4), (2, 3), (2, 4), (3, 5), (4, 5)];
        assert_eq!(Graph::new(7, &pairs).contest(), [1, 2, 3, 4, 5, 9, 2]);
        // That of its tests: foo, bar, baz, tux.
        assert_eq!(Graph::new(4, &[(0, 1), (0, 2), (1, 2), (2, 3)]).contest(), [1, 2, 4, 6]);
    }

    #[test]
    fn the_paths_of_nix2container() {
        assert_eq!(Graph::new(4, &[(0, 1), (0, 2), (1, 2), (2, 3)]).paths(), [1, 2, 4, 5]);
    }

    #[test]
    fn who_needs_each_other_counts_as_one() {
        let graph = Graph::new(5, &[(0, 1), (1, 2), (2, 1), (2, 3), (4, 4)]);
        assert_eq!((graph.paths(), graph.contest()), (vec![1, 2, 2, 3, 1], vec![1, 2, 2, 3, 1]));
    }

    #[test]
    fn many_ways_do_not_overflow_and_long_chains_need_no_stack() {
        let ladder: Vec<(u32, u32)> =
            (0..2000).flat_map(|n| [(2 * n, 2 * n + 2), (2 * n, 2 * n + 1), (2 * n + 1, 2 * n + 2)]).collect();
        let graph = Graph::new(4001, &ladder);
        assert_eq!((graph.paths()[4000], graph.contest()[4000]), (u128::MAX, u128::MAX));
        let chain: Vec<(u32, u32)> = (0..50_000).map(|n| (n, n + 1)).collect();
        assert_eq!(Graph::new(50_001, &chain).paths()[50_000], 50_001);
    }

    /// As the Python program does it: with trees.
    fn naive(of: &[BTreeSet<usize>], children: &[usize]) -> Vec<u128> {
        let mut scores = vec![0; of.len()];
        for child in children {
            scores[*child] += 1;
            let below = naive(of, &of[*child].iter().copied().collect::<Vec<_>>());
            for (score, below) in scores.iter_mut().zip(below).filter(|(_, below)| *below > 0) {
                *score += below + 1;
            }
        }
        scores
    }

    proptest! {
        #[test]
        fn the_contest_is_that_of_the_trees(pairs in vec((0_u32..9, 0_u32..9), 0..20)) {
            let pairs: Vec<(u32, u32)> = pairs.into_iter().filter(|(a, b)| a != b).map(|(a, b)| (a.min(b), a.max(b))).collect();
            let mut of = vec![BTreeSet::new(); 9];
            of.iter_mut().zip(0..).for_each(|(needs, n)| needs.extend(pairs.iter().filter(|(a, _)| *a == n).map(|(_, b)| *b as usize)));
            let roots: Vec<usize> = (0..9).filter(|n| !of.iter().any(|needs| needs.contains(n))).collect();
            prop_assert_eq!(Graph::new(9, &pairs).contest(), naive(&of, &roots));
        }

        #[test]
        fn knots_are_those_that_reach_each_other(pairs in vec((0_u32..8, 0_u32..8), 0..16)) {
            let mut reach = [[false; 8]; 8];
            (0..8).for_each(|n| reach[n][n] = true);
            pairs.iter().for_each(|(a, b)| reach[*a as usize][*b as usize] = true);
            for via in 0..8 {
                for from in 0..8 {
                    for to in 0..8 {
                        reach[from][to] |= reach[from][via] && reach[via][to];
                    }
                }
            }
            let graph = Graph::new(8, &pairs);
            for (from, to) in (0..64).map(|pair| (pair / 8, pair % 8)) {
                prop_assert_eq!(graph.knots[from] == graph.knots[to], reach[from][to] && reach[to][from]);
                prop_assert!(!reach[from][to] || graph.knots[from] >= graph.knots[to]);
            }
        }
    }
}
