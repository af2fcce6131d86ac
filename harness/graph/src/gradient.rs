//! Reverse mode: the vector-Jacobian product of a graph as operators of a graph.

use std::collections::HashMap;

use crate::error::Error;
use crate::graph::Graph;
use crate::node::{Call, Node};
use crate::ops;
use crate::value::Value;

/// The graph with the gradients of its outputs for given cotangents: for each of `outputs` it has
/// an input `cotangent.NAME` of the output's type, for each of `wrt` (inputs, parameters or values
/// between) an output `gradient.NAME` of its type, after the outputs that it had. Values keep their
/// handles.
///
/// # Errors
/// [`Error::Operator`] for an operator on the way that has no gradient here; [`Error::Graph`] where
/// an output or one of `wrt` has no gradient because its elements are no floats.
pub fn gradient(graph: &Graph, outputs: &[Value], wrt: &[Value]) -> Result<Graph, Error> {
    let mut graph = graph.clone();
    let mut seeds = Vec::new();
    for &output in outputs {
        let name = format!("cotangent.{}", graph.name_of(output));
        let kind = graph.kind(output).clone();
        seeds.push((output, graph.input(&name, kind.element, &kind.shape)?));
    }
    let gradients = graph.backward(&seeds, wrt)?;
    for (&value, gradient) in wrt.iter().zip(gradients) {
        let name = format!("gradient.{}", graph.name_of(value));
        graph.output(&name, gradient)?;
    }
    Ok(graph)
}

/// A node whose inputs' cotangents are wanted.
pub(crate) struct Vjp<'a> {
    pub(crate) graph: &'a mut Graph,
    pub(crate) node: &'a Node,
    /// Where it stands in the graph.
    pub(crate) place: usize,
    /// Cotangents of its outputs; `None` where nothing depends on one.
    cotangents: Vec<Option<Value>>,
    /// Which inputs' cotangents are wanted.
    needs: Vec<bool>,
}

impl Vjp<'_> {
    pub(crate) fn needs(&self, input: usize) -> bool {
        self.needs.get(input).copied().unwrap_or(false)
    }

    /// The cotangent of an output.
    pub(crate) fn cotangent(&self, output: usize) -> Option<Value> {
        self.cotangents.get(output).copied().flatten()
    }

    /// The cotangent of the only output that may have one.
    pub(crate) fn dy(&self) -> Result<Value, Error> {
        match self.cotangents.as_slice() {
            [Some(dy), rest @ ..] if rest.iter().all(Option::is_none) => Ok(*dy),
            _ => Err(self.fault("expected a gradient of its first output only, got another")),
        }
    }

    pub(crate) fn x(&self, input: usize) -> Result<Value, Error> {
        self.call().input(input).map_err(|what| self.fault(&what))
    }

    pub(crate) fn y(&self) -> Result<Value, Error> {
        let first = self.node.outputs.first().copied().flatten();
        first.ok_or_else(|| self.fault("expected a first output, got none"))
    }

    pub(crate) fn call(&self) -> Call<'_> {
        Call {
            graph: self.graph,
            node: self.node,
        }
    }

    pub(crate) fn fault(&self, what: &str) -> Error {
        self.graph.operator_fault(self.node, what.to_owned())
    }
}

impl Graph {
    /// Adds the gradient of `sum over outputs of (output . cotangent)` with respect to each of
    /// `wrt`, and returns the values that hold them, of the types of `wrt`. Nodes that `wrt` does
    /// not reach are not looked at.
    ///
    /// # Errors
    /// As [`gradient`].
    pub fn backward(
        &mut self,
        outputs: &[(Value, Value)],
        wrt: &[Value],
    ) -> Result<Vec<Value>, Error> {
        let wanted = outputs.iter().map(|(output, _)| output).chain(wrt);
        for value in wanted {
            let kind = self.kind(*value);
            if !kind.element.is_float() {
                let name = self.name_of(*value);
                return Err(self.fault(format!("expected {name:?} to be of floats, got {kind}")));
            }
        }
        let mut reached: Vec<bool> = vec![false; self.entries.len()];
        for value in wrt {
            reached[value.0] = true;
        }
        for node in &self.nodes {
            if node.inputs.iter().flatten().any(|value| reached[value.0]) {
                for value in node.outputs.iter().flatten() {
                    reached[value.0] |= self.kind(*value).element.is_float();
                }
            }
        }
        let mut cotangents = HashMap::new();
        for &(output, cotangent) in outputs {
            if self.kind(output) != self.kind(cotangent) {
                let (expected, got) = (self.kind(output), self.kind(cotangent));
                let name = self.name_of(output);
                let what = format!("cotangent of {name:?}: expected {expected}, got {got}");
                return Err(self.fault(what));
            }
            self.accumulate(&mut cotangents, output, cotangent)?;
        }
        for place in (0..self.nodes.len()).rev() {
            let node = self.nodes[place].clone();
            let needs: Vec<bool> = node
                .inputs
                .iter()
                .map(|value| value.is_some_and(|value| reached[value.0]))
                .collect();
            let given: Vec<Option<Value>> = node
                .outputs
                .iter()
                .map(|value| value.and_then(|value| cotangents.get(&value).copied()))
                .collect();
            if !needs.contains(&true) || given.iter().all(Option::is_none) {
                continue;
            }
            let vjp = ops::find(&node.domain, &node.op_type).and_then(|operator| operator.vjp);
            let Some(vjp) = vjp else {
                let what = "expected an operator that has a gradient, got one that has none here";
                return Err(self.operator_fault(&node, what.to_owned()));
            };
            let made = vjp(&mut Vjp {
                graph: self,
                node: &node,
                place,
                cotangents: given,
                needs: needs.clone(),
            })?;
            for ((value, cotangent), needed) in node.inputs.iter().zip(made).zip(needs) {
                let (Some(value), Some(cotangent), true) = (value, cotangent, needed) else {
                    continue;
                };
                if self.kind(*value) != self.kind(cotangent) {
                    let (expected, got) = (self.kind(*value), self.kind(cotangent));
                    let what = format!("expected a gradient of {expected}, got {got}");
                    return Err(self.operator_fault(&node, what));
                }
                self.accumulate(&mut cotangents, *value, cotangent)?;
            }
        }
        let gradient = |value: &Value| match cotangents.get(value) {
            Some(cotangent) => Ok(*cotangent),
            None => {
                let kind = self.kind(*value).clone();
                self.zeros(&kind)
            }
        };
        wrt.iter().map(gradient).collect()
    }

    fn accumulate(
        &mut self,
        cotangents: &mut HashMap<Value, Value>,
        value: Value,
        cotangent: Value,
    ) -> Result<(), Error> {
        let sum = match cotangents.get(&value) {
            Some(other) => self.op("Add", &[*other, cotangent])?,
            None => cotangent,
        };
        cotangents.insert(value, sum);
        Ok(())
    }
}
