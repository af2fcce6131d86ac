//! Largest cliques: by hand, by networkx, by trying all, and what holds for any graph.

use proptest::prelude::*;
use serde_json::Value;

use crate::graph::{Graph, SEARCHED};

type Edges = Vec<(usize, usize)>;

fn graph(n: usize, edges: &[(usize, usize)]) -> Graph {
    Graph::new(n, |i, j| edges.contains(&(i, j)) || edges.contains(&(j, i)))
}

fn sizes(n: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let (sizes, unproven) = graph(n, edges).clique_sizes();
    assert_eq!(unproven, 0);
    sizes
}

fn all_of(vertices: &[usize]) -> Edges {
    let pairs = vertices.iter().enumerate();
    pairs
        .flat_map(|(at, &a)| vertices[..at].iter().map(move |&b| (b, a)))
        .collect()
}

#[test]
fn by_hand() {
    assert!(sizes(0, &[]).is_empty());
    assert_eq!(sizes(1, &[]), [1]);
    assert_eq!(sizes(3, &[]), [1; 3]);
    // A triangle, and a path from it.
    let tailed = [(0, 1), (1, 2), (0, 2), (2, 3), (3, 4)];
    assert_eq!(sizes(5, &tailed), [3, 3, 3, 2, 2]);
    // Four and three that share one.
    let sharing = [all_of(&[0, 1, 2, 3]), all_of(&[3, 4, 5])].concat();
    assert_eq!(sizes(6, &sharing), [4, 4, 4, 4, 3, 3]);
    // A circle of five holds no triangle, though all have the same degree.
    let circle = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)];
    assert_eq!(sizes(5, &circle), [2; 5]);
}

#[test]
fn a_vertex_of_many_edges_does_not_mislead() {
    // 0 has eight neighbours that are strangers to each other, beside two of a triangle and three
    // of four that are all joined to 1: a greedy search from 1 takes 0 first.
    let star: Edges = (6..14).map(|leaf| (0, leaf)).collect();
    let edges = [star, all_of(&[0, 1, 2]), all_of(&[1, 3, 4, 5])].concat();
    let found = sizes(14, &edges);
    assert_eq!(found[..6], [3, 4, 3, 4, 4, 4]);
    assert_eq!(found[6..], [2; 8]);
}

#[test]
fn all_alike_are_one_clique_at_any_size() {
    for n in [2, 64, 65, SEARCHED + 2, 1000] {
        let (sizes, unproven) = Graph::new(n, |_, _| true).clique_sizes();
        assert_eq!((sizes, unproven), (vec![n; n], 0));
    }
}

#[test]
fn what_is_too_large_to_search_is_a_bound_and_said_to_be() {
    // Two of each three are joined: n / 3 groups of strangers, so n / 3 in a clique.
    let n = SEARCHED / 2 * 3;
    let (sizes, unproven) = Graph::new(n, |i, j| i / 3 != j / 3).clique_sizes();
    assert_eq!(sizes, vec![n / 3; n]);
    assert_eq!(unproven, n);
}

#[test]
fn networkx_finds_the_same() {
    let fixture = include_str!("../../tests/fixtures/cliques.json");
    let fixture: serde_json::Map<String, Value> = serde_json::from_str(fixture).unwrap();
    assert_eq!(fixture.len(), 8);
    let number = |value: &Value| value.as_u64().unwrap() as usize;
    for (name, of) in &fixture {
        let edges = of["edges"].as_array().unwrap().iter();
        let edges: Edges = edges.map(|e| (number(&e[0]), number(&e[1]))).collect();
        let want: Vec<usize> = of["sizes"].as_array().unwrap().iter().map(number).collect();
        assert_eq!(sizes(want.len(), &edges), want, "{name}");
    }
}

/// A graph of up to 9 vertices, and an order of them.
fn small() -> impl Strategy<Value = (usize, Edges, Vec<usize>)> {
    (1_usize..10).prop_flat_map(|n| {
        let vertices: Vec<usize> = (0..n).collect();
        let edges = prop::sample::subsequence(all_of(&vertices), 0..=n * (n - 1) / 2);
        (Just(n), edges, Just(vertices).prop_shuffle())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn all_subsets_have_no_larger_one((n, edges, order) in small()) {
        let joined = |a: usize, b: usize| edges.contains(&(a.min(b), a.max(b)));
        let mut want = vec![1; n];
        for subset in 1_u32..1 << n {
            let members: Vec<usize> = (0..n).filter(|&v| subset >> v & 1 == 1).collect();
            if all_of(&members).into_iter().all(|(a, b)| joined(a, b)) {
                members.iter().for_each(|&v| want[v] = want[v].max(members.len()));
            }
        }
        prop_assert_eq!(&sizes(n, &edges), &want);
        // In any order.
        let renamed: Edges = edges.iter().map(|&(a, b)| (order[a], order[b])).collect();
        let found = sizes(n, &renamed);
        prop_assert!((0..n).all(|vertex| found[order[vertex]] == want[vertex]));
    }

    #[test]
    fn what_is_found_is_a_clique(n in 2_usize..200, share in 0.0..1.0_f64, seed in any::<u64>()) {
        let joined = |a: usize, b: usize| {
            let key = (a.min(b) as u64) << 32 | a.max(b) as u64;
            let mixed = (key ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            ((mixed >> 11) as f64) < share * (1_u64 << 53) as f64
        };
        let graph = Graph::new(n, joined);
        let all = vec![u64::MAX; n.div_ceil(64)];
        let clique = graph.clique_among(&all).members;
        prop_assert!(!clique.is_empty());
        prop_assert!(all_of(&clique).into_iter().all(|(a, b)| a != b && joined(a, b)));
        let (sizes, _) = graph.clique_sizes();
        // As large as each of the cliques found, and no larger than a neighbourhood.
        prop_assert!(clique.iter().all(|&vertex| sizes[vertex] >= 1));
        for vertex in 0..n {
            let degree = (0..n).filter(|&other| other != vertex && joined(vertex, other)).count();
            prop_assert!((1..=degree + 1).contains(&sizes[vertex]));
            // A clique of that size has as many members of at least that size.
            let as_large = (0..n).filter(|&other| {
                (other == vertex || joined(vertex, other)) && sizes[other] >= sizes[vertex]
            });
            prop_assert!(as_large.count() >= sizes[vertex]);
        }
    }
}
