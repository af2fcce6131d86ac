//! From a graph to an ONNX model.

use std::collections::HashSet;

use crate::check::check;
use crate::error::Error;
use crate::graph::{Graph, Source};
use crate::proto::{GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto};
use crate::shape::{Dim, value_info};
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
