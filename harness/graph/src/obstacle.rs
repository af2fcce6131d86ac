//! Whether a model can be differentiated.

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::ops;
use crate::proto::{ModelProto, NodeProto};

/// An operator that stands in the way of a gradient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// The operator, with its domain where that is not the default one; empty for the model itself.
    pub operator: String,
    /// The first node that has it.
    pub node: String,
    /// How many nodes have it.
    pub count: usize,
    /// What is missing.
    pub what: String,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.operator.as_str() {
            "" => f.write_str(&self.what),
            operator => write!(
                f,
                "{operator} ({} nodes, first {:?}): {}",
                self.count, self.node, self.what
            ),
        }
    }
}

/// Says whether gradients of the outputs with respect to inputs and parameters can be built, as far
/// as that shows without sizes: which operators are not known here, and which of those that lie
/// between a float input or parameter and an output have no gradient.
///
/// # Errors
/// The obstacles, one for each operator, in the order of their first nodes.
pub fn differentiable(model: &ModelProto) -> Result<(), Vec<Obstacle>> {
    let mut obstacles: Vec<Obstacle> = Vec::new();
    let default = |domain: &str| domain.is_empty() || domain == "ai.onnx";
    let opset = model.opset_import.iter().find(|set| default(&set.domain));
    let opset = opset.map_or(0, |set| set.version);
    let whole = |what: String| Obstacle {
        operator: String::new(),
        node: String::new(),
        count: 0,
        what,
    };
    if !(17..=22).contains(&opset) {
        obstacles.push(whole(format!(
            "expected an operator set from 17 to 22, got {opset}"
        )));
    }
    let Some(graph) = &model.graph else {
        obstacles.push(whole("expected a graph, got none".to_owned()));
        return Err(obstacles);
    };
    let mut wanted: HashSet<&str> = graph
        .output
        .iter()
        .map(|output| output.name.as_str())
        .collect();
    let mut needed = vec![false; graph.node.len()];
    for (place, node) in graph.node.iter().enumerate().rev() {
        if node
            .output
            .iter()
            .any(|name| wanted.contains(name.as_str()))
        {
            needed[place] = true;
            wanted.extend(node.input.iter().map(String::as_str));
        }
    }
    let mut reached: HashSet<&str> = graph
        .input
        .iter()
        .map(|input| input.name.as_str())
        .collect();
    reached.extend(graph.initializer.iter().map(|tensor| tensor.name.as_str()));
    let mut places: HashMap<(String, String), usize> = HashMap::new();
    for (node, needed) in graph.node.iter().zip(needed) {
        let Some(what) = missing(node, &mut reached, needed) else {
            continue;
        };
        let operator = crate::summary::operator(node);
        let place = *places
            .entry((operator.clone(), what.clone()))
            .or_insert_with(|| {
                obstacles.push(Obstacle {
                    operator,
                    node: node.name.clone(),
                    count: 0,
                    what,
                });
                obstacles.len() - 1
            });
        obstacles[place].count += 1;
    }
    if obstacles.is_empty() {
        Ok(())
    } else {
        Err(obstacles)
    }
}

/// What keeps a node from being differentiated; marks its outputs as reached by a gradient.
fn missing<'a>(
    node: &'a NodeProto,
    reached: &mut HashSet<&'a str>,
    needed: bool,
) -> Option<String> {
    if !needed {
        return None;
    }
    let operator = ops::find(&node.domain, &node.op_type);
    // Sizes, comparisons and rounding to integers pass no gradient on.
    let stops = operator.is_some() && ops::stops(&node.op_type);
    let on_the_way = node
        .input
        .iter()
        .any(|name| reached.contains(name.as_str()))
        && !stops;
    if on_the_way {
        reached.extend(node.output.iter().map(String::as_str));
    }
    match operator {
        None => Some("not known here".to_owned()),
        Some(operator) if on_the_way && operator.vjp.is_none() => {
            Some("no gradient here".to_owned())
        }
        Some(_) => None,
    }
}
