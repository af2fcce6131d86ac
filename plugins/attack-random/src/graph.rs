//! A graph of samples, and the largest clique that each lies in.

use std::cmp::Reverse;

/// Largest neighbourhood that is searched for its largest clique; of a larger one a greedy search
/// gives a lower bound.
pub(crate) const SEARCHED: usize = 64 * WORDS;
/// Branches of one search; where they do not suffice, the largest clique found is a lower bound.
const BRANCHES: usize = 500;
const WORDS: usize = 4;

/// Vertices, a bit each.
pub(crate) type Bits = Vec<u64>;

/// An undirected graph, n^2 / 8 bytes of it.
pub(crate) struct Graph {
    neighbours: Vec<Bits>,
    /// Vertices from the one with the most neighbours on, of equals in their order.
    by_degree: Vec<usize>,
}

/// Vertices that are all joined.
pub(crate) struct Clique {
    pub(crate) members: Vec<usize>,
    /// Whether there is no larger one where it was looked for.
    pub(crate) proven: bool,
}

impl Graph {
    /// `n` vertices, of which `joins` says of each pair i < j whether it is an edge.
    pub(crate) fn new(n: usize, joins: impl Fn(usize, usize) -> bool) -> Self {
        let mut neighbours = vec![vec![0; n.div_ceil(64)]; n];
        for j in 0..n {
            for i in (0..j).filter(|&i| joins(i, j)) {
                insert(&mut neighbours[i], j);
                insert(&mut neighbours[j], i);
            }
        }
        let mut by_degree: Vec<usize> = (0..n).collect();
        by_degree.sort_by_key(|&vertex| Reverse(count(&neighbours[vertex])));
        Self {
            neighbours,
            by_degree,
        }
    }

    /// The size of the largest clique found with each vertex in it, and of how many vertices there
    /// may be a larger one. Sizes that are proven do not depend on the order of the vertices.
    pub(crate) fn clique_sizes(&self) -> (Vec<usize>, usize) {
        let mut sizes = vec![1; self.neighbours.len()];
        let mut unproven = Vec::new();
        for &vertex in &self.by_degree {
            if self.bound_is_met(&sizes, vertex) {
                continue;
            }
            let clique = self.clique_among(&self.neighbours[vertex]);
            let size = clique.members.len() + 1;
            for member in clique.members.into_iter().chain([vertex]) {
                sizes[member] = sizes[member].max(size);
            }
            if !clique.proven {
                unproven.push(vertex);
            }
        }
        unproven.retain(|&vertex| !self.bound_is_met(&sizes, vertex));
        (sizes, unproven.len())
    }

    /// No clique with a vertex is larger than its neighbourhood.
    fn bound_is_met(&self, sizes: &[usize], vertex: usize) -> bool {
        sizes[vertex] == count(&self.neighbours[vertex]) + 1
    }

    /// A largest clique of some of the vertices.
    pub(crate) fn clique_among(&self, some: &[u64]) -> Clique {
        let among = self.by_degree.iter().copied();
        let among: Vec<usize> = among.filter(|&vertex| contains(some, vertex)).collect();
        let members = self.greedy(&among, some);
        if members.len() == among.len() || among.len() > SEARCHED {
            let proven = members.len() == among.len();
            return Clique { members, proven };
        }
        let mut search = Search::new(&among, |a, b| contains(&self.neighbours[a], b));
        search.at_least = members.len();
        search.all();
        let proven = search.branches_left > 0;
        let larger: Vec<usize> = search.best.iter().map(|&at| among[at]).collect();
        let members = if larger.is_empty() { members } else { larger };
        Clique { members, proven }
    }

    /// Takes one vertex after another that all before it are joined to.
    fn greedy(&self, among: &[usize], some: &[u64]) -> Vec<usize> {
        let mut left = some.to_vec();
        let mut members = Vec::new();
        for &vertex in among {
            if contains(&left, vertex) {
                members.push(vertex);
                let joined = &self.neighbours[vertex];
                left.iter_mut().zip(joined).for_each(|(a, b)| *a &= b);
            }
        }
        members
    }
}

pub(crate) fn insert(bits: &mut [u64], vertex: usize) {
    bits[vertex / 64] |= 1 << (vertex % 64);
}

fn contains(bits: &[u64], vertex: usize) -> bool {
    bits[vertex / 64] >> (vertex % 64) & 1 == 1
}

fn count(bits: &[u64]) -> usize {
    bits.iter().map(|word| word.count_ones() as usize).sum()
}

/// Some of at most [`SEARCHED`] vertices.
type Set = [u64; WORDS];

/// Branch and bound for the largest clique, bounded by the colours of a greedy colouring: MCQ of
/// Tomita and Seki 2003, "An Efficient Branch-and-Bound Algorithm for Finding a Maximum Clique".
struct Search {
    neighbours: Vec<Set>,
    /// Size that a clique has to exceed.
    at_least: usize,
    /// The largest clique that does.
    best: Vec<usize>,
    branches_left: usize,
}

impl Search {
    fn new(among: &[usize], joined: impl Fn(usize, usize) -> bool) -> Self {
        let row = |&a: &usize| {
            let mut row = [0; WORDS];
            let others = among.iter().enumerate();
            for (at, _) in others.filter(|&(_, &b)| joined(a, b)) {
                insert(&mut row, at);
            }
            row
        };
        Self {
            neighbours: among.iter().map(row).collect(),
            at_least: 0,
            best: Vec::new(),
            branches_left: BRANCHES,
        }
    }

    fn all(&mut self) {
        let mut all = [0; WORDS];
        (0..self.neighbours.len()).for_each(|vertex| insert(&mut all, vertex));
        self.extend(all, &mut Vec::new());
    }

    /// Looks for cliques of `chosen` and some of `from`, all of which are joined to all `chosen`.
    fn extend(&mut self, mut from: Set, chosen: &mut Vec<usize>) {
        if chosen.len() > self.at_least {
            self.at_least = chosen.len();
            self.best.clone_from(chosen);
        }
        for (vertex, colour) in self.coloured(from).into_iter().rev() {
            if chosen.len() + colour <= self.at_least || self.branches_left == 0 {
                return;
            }
            self.branches_left -= 1;
            let joined = &self.neighbours[vertex];
            let next = std::array::from_fn(|word| from[word] & joined[word]);
            chosen.push(vertex);
            self.extend(next, chosen);
            chosen.pop();
            from[vertex / 64] &= !(1 << (vertex % 64));
        }
    }

    /// Vertices with their colours, from 1 on and ascending; no two of a colour are joined, so that
    /// those up to a colour hold no clique of more vertices than that.
    fn coloured(&self, mut left: Set) -> Vec<(usize, usize)> {
        let (mut order, mut colour) = (Vec::with_capacity(count(&left)), 0);
        while left != [0; WORDS] {
            colour += 1;
            let mut free = left;
            while let Some(vertex) = first(&free) {
                let joined = &self.neighbours[vertex];
                free.iter_mut().zip(joined).for_each(|(a, b)| *a &= !b);
                free[vertex / 64] &= !(1 << (vertex % 64));
                left[vertex / 64] &= !(1 << (vertex % 64));
                order.push((vertex, colour));
            }
        }
        order
    }
}

fn first(set: &Set) -> Option<usize> {
    let word = set.iter().position(|&word| word != 0)?;
    Some(word * 64 + set[word].trailing_zeros() as usize)
}
