//! What a model is, in short.

use std::collections::BTreeMap;

use crate::proto::{GraphProto, ModelProto, NodeProto};
use crate::shape::TensorType;

/// What `eidetic inspect` says of an ONNX file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Version of the default operator set.
    pub opset: i64,
    /// Version of the file format.
    pub ir_version: i64,
    /// The program that wrote it, and its version.
    pub producer: String,
    /// Names and types of what it takes, constants left out; `None` for what is no tensor.
    pub inputs: Vec<(String, Option<TensorType>)>,
    /// Names and types of what it gives.
    pub outputs: Vec<(String, Option<TensorType>)>,
    /// How often each operator is there, bodies of loops and branches counted; other domains than
    /// the default one stand before the name.
    pub operators: BTreeMap<String, usize>,
    /// Elements of all constants.
    pub parameters: u64,
    /// The files of weights that are not in the model, relative to its folder.
    pub external_files: Vec<String>,
}

impl Summary {
    /// Of a model that was read.
    pub fn of(model: &ModelProto) -> Self {
        let default = |domain: &str| domain.is_empty() || domain == "ai.onnx";
        let opset = model.opset_import.iter().find(|set| default(&set.domain));
        let producer = format!("{} {}", model.producer_name, model.producer_version);
        let mut summary = Self {
            opset: opset.map_or(0, |set| set.version),
            ir_version: model.ir_version,
            producer: producer.trim().to_owned(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            operators: BTreeMap::new(),
            parameters: 0,
            external_files: Vec::new(),
        };
        let Some(graph) = &model.graph else {
            return summary;
        };
        summary.inputs = graph
            .input
            .iter()
            .filter(|input| {
                graph
                    .initializer
                    .iter()
                    .all(|constant| constant.name != input.name)
            })
            .map(|input| (input.name.clone(), TensorType::of(input)))
            .collect();
        summary.outputs = graph
            .output
            .iter()
            .map(|output| (output.name.clone(), TensorType::of(output)))
            .collect();
        summary.count(graph);
        summary.external_files.sort();
        summary.external_files.dedup();
        summary
    }

    fn count(&mut self, graph: &GraphProto) {
        for constant in &graph.initializer {
            self.parameters = self
                .parameters
                .saturating_add(constant.elements().unwrap_or(0));
            self.external_files
                .extend(constant.external_file().map(str::to_owned));
        }
        for node in &graph.node {
            *self.operators.entry(operator(node)).or_default() += 1;
            for attribute in &node.attribute {
                for tensor in attribute.t.iter().chain(&attribute.tensors) {
                    self.external_files
                        .extend(tensor.external_file().map(str::to_owned));
                }
                for body in attribute.g.iter().chain(&attribute.graphs) {
                    self.count(body);
                }
            }
        }
    }
}

/// A node's operator, with its domain where that is not the default one.
pub(crate) fn operator(node: &NodeProto) -> String {
    match node.domain.as_str() {
        "" | "ai.onnx" => node.op_type.clone(),
        domain => format!("{domain}.{}", node.op_type),
    }
}
