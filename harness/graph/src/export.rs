//! From a graph to an ONNX model.

use std::collections::HashSet;

use crate::check::check;
use crate::error::Error;
use crate::graph::{Graph, Source};
use crate::proto::{
    GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, ValueInfoProto,
};
use crate::shape::{Dim, Element, TensorType, value_info};
use crate::value::Value;

impl Graph {
    /// The model: what no output needs is left out, inputs stay.
    ///
    /// # Errors
    /// [`Error::Graph`] for a graph without outputs.
    pub fn model(&self) -> Result<ModelProto, Error> {
        if self.outputs.is_empty() {
            return Err(self.fault("expected an output, got none".to_owned()));
        }
        let name = |value: &Option<Value>| {
            value.map_or_else(String::new, |value| self.name_of(value).to_owned())
        };
        let mut node = Vec::new();
        let mut used: Vec<bool> = vec![false; self.entries.len()];
        self.outputs.iter().for_each(|output| used[output.0] = true);
        for (each, needed) in self.nodes.iter().zip(self.needed()) {
            if !needed {
                continue;
            }
            each.inputs
                .iter()
                .flatten()
                .for_each(|input| used[input.0] = true);
            node.push(NodeProto {
                input: each.inputs.iter().map(name).collect(),
                output: each.outputs.iter().map(name).collect(),
                name: each.name.clone(),
                op_type: each.op_type.clone(),
                attribute: each.attributes.clone(),
                domain: each.domain.clone(),
                ..NodeProto::default()
            });
        }
        let literal = |(entry, used): (&crate::graph::Entry, bool)| match &entry.source {
            Source::Parameter(tensor) | Source::Constant(tensor) if used => Some(TensorProto {
                name: entry.name.clone(),
                ..tensor.clone()
            }),
            _ => None,
        };
        let info = |value: &Value| {
            let kind = self.kind(*value);
            let dims: Vec<Dim> = kind.shape.iter().map(|&size| Dim::Fixed(size)).collect();
            value_info(self.name_of(*value), kind.element, &dims)
        };
        let model = ModelProto {
            // The file format's version that came with the operator set.
            ir_version: match self.opset {
                ..=18 => 8,
                19..=20 => 9,
                _ => 10,
            },
            producer_name: "eidetic".to_owned(),
            graph: Some(GraphProto {
                node,
                name: self.name.clone(),
                initializer: self.entries.iter().zip(used).filter_map(literal).collect(),
                input: self.inputs.iter().map(info).collect(),
                output: self.outputs.iter().map(info).collect(),
                ..GraphProto::default()
            }),
            opset_import: vec![OperatorSetIdProto {
                domain: String::new(),
                version: self.opset,
            }],
            ..ModelProto::default()
        };
        check(&model)?;
        Ok(model)
    }

    /// The model for any size of one dimension: `other` is the same graph, built for another size.
    /// Where sizes of inputs and outputs differ between the two, the model has `name`.
    ///
    /// # Errors
    /// [`Error::Graph`] where the graphs differ in more: an operator or constant that depends on the
    /// size.
    pub fn model_for_any(&self, other: &Self, name: &str) -> Result<ModelProto, Error> {
        let (mut model, other) = (self.model()?, other.model()?);
        let (Some(ours), Some(theirs)) = (&mut model.graph, &other.graph) else {
            return Err(self.fault("expected a graph, got none".to_owned()));
        };
        let same = ours.node == theirs.node
            && ours.initializer == theirs.initializer
            && ours.input.len() == theirs.input.len()
            && ours.output.len() == theirs.output.len();
        let ports = ours.input.iter_mut().chain(&mut ours.output);
        let others = theirs.input.iter().chain(&theirs.output);
        let fits = same
            && ports
                .zip(others)
                .all(|(port, other)| name_differing(port, other, name));
        if !fits {
            return Err(self.fault(format!(
                "expected a graph whose every operator and constant does not depend on {name:?}, got \
                 one that differs with it (reshape with 0 and -1 instead of sizes)"
            )));
        }
        Ok(model)
    }

    /// Which nodes the outputs depend on.
    pub(crate) fn needed(&self) -> Vec<bool> {
        let mut wanted: HashSet<Value> = self.outputs.iter().copied().collect();
        let mut needed = vec![false; self.nodes.len()];
        for (place, node) in self.nodes.iter().enumerate().rev() {
            if node
                .outputs
                .iter()
                .flatten()
                .any(|value| wanted.contains(value))
            {
                needed[place] = true;
                wanted.extend(node.inputs.iter().flatten());
            }
        }
        needed
    }
}

/// Names the sizes that differ; false where the two are not of one kind otherwise.
fn name_differing(port: &mut ValueInfoProto, other: &ValueInfoProto, name: &str) -> bool {
    let (Some(ours), Some(theirs)) = (TensorType::of(port), TensorType::of(other)) else {
        return false;
    };
    let (Some(dims), Some(other_dims)) = (ours.dims, theirs.dims) else {
        return false;
    };
    let Some(element) = Element::of(ours.data_type) else {
        return false;
    };
    if port.name != other.name
        || ours.data_type != theirs.data_type
        || dims.len() != other_dims.len()
    {
        return false;
    }
    let named: Vec<Dim> = dims
        .into_iter()
        .zip(other_dims)
        .map(|(ours, theirs)| match ours == theirs {
            true => ours,
            false => Dim::Named(name.to_owned()),
        })
        .collect();
    *port = value_info(&port.name, element, &named);
    true
}
