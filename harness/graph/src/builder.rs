//! Building a graph, one operator after another.

use crate::check::check;
use crate::error::Error;
use crate::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    ValueInfoProto,
};
use crate::shape::{Dim, Element, value_info};
use crate::value::Value;

/// The file format's version that goes with [`OPSET`] (ONNX 1.12; every ONNX Runtime that is
/// supported reads it).
const IR_VERSION: i64 = 8;
/// The operator set that graphs are built of.
const OPSET: i64 = 17;

/// A graph in the making. Operators are those of ONNX's default domain, opset 17, in the order in
/// which they are added; the names of values between them are made from the operator's.
#[derive(Debug)]
pub struct GraphBuilder {
    name: String,
    names: Vec<String>,
    /// Whether an operator gives the value, and so an output may take its name.
    free: Vec<bool>,
    inputs: Vec<ValueInfoProto>,
    constants: Vec<TensorProto>,
    nodes: Vec<Node>,
    outputs: Vec<(Value, Element, Vec<Dim>)>,
}

#[derive(Debug)]
struct Node {
    op_type: String,
    inputs: Vec<Value>,
    outputs: Vec<Value>,
    attributes: Vec<AttributeProto>,
}

impl GraphBuilder {
    /// An empty graph.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            names: Vec::new(),
            free: Vec::new(),
            inputs: Vec::new(),
            constants: Vec::new(),
            nodes: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// An input.
    pub fn input(&mut self, name: &str, element: Element, dims: &[Dim]) -> Value {
        self.inputs.push(value_info(name, element, dims));
        self.value(name.to_owned(), false)
    }

    /// A constant, under the tensor's name.
    pub fn constant(&mut self, tensor: TensorProto) -> Value {
        let name = tensor.name.clone();
        self.constants.push(tensor);
        self.value(name, false)
    }

    /// An operator with one output.
    pub fn op(&mut self, op_type: &str, inputs: &[Value]) -> Value {
        self.op_with(op_type, inputs, Vec::new())
    }

    /// An operator with one output and attributes.
    pub fn op_with(
        &mut self,
        op_type: &str,
        inputs: &[Value],
        attributes: Vec<AttributeProto>,
    ) -> Value {
        self.op_many(op_type, inputs, attributes, 1)[0]
    }

    /// An operator with several outputs.
    pub fn op_many(
        &mut self,
        op_type: &str,
        inputs: &[Value],
        attributes: Vec<AttributeProto>,
        outputs: usize,
    ) -> Vec<Value> {
        let stem = format!("{}_{}", op_type.to_lowercase(), self.nodes.len());
        let outputs: Vec<Value> = (0..outputs)
            .map(|place| match place {
                0 => self.value(stem.clone(), true),
                _ => self.value(format!("{stem}_{place}"), true),
            })
            .collect();
        self.nodes.push(Node {
            op_type: op_type.to_owned(),
            inputs: inputs.to_vec(),
            outputs: outputs.clone(),
            attributes,
        });
        outputs
    }

    /// A cast to another element type.
    pub fn cast(&mut self, value: Value, to: Element) -> Value {
        let to = AttributeProto::int("to", i64::from(to.data_type()));
        self.op_with("Cast", &[value], vec![to])
    }

    /// Names a value as an output of the graph.
    pub fn output(&mut self, name: &str, value: Value, element: Element, dims: &[Dim]) {
        let value = if std::mem::replace(&mut self.free[value.0], false) {
            value
        } else {
            let copy = self.op("Identity", &[value]);
            self.free[copy.0] = false;
            copy
        };
        self.names[value.0] = name.to_owned();
        self.outputs.push((value, element, dims.to_vec()));
    }

    /// The model: opset 17, IR version 8.
    ///
    /// # Errors
    /// [`Error::Graph`] where two values have one name, or a constant's dimensions do not fit it.
    pub fn build(self) -> Result<ModelProto, Error> {
        let names = |values: &[Value]| -> Vec<String> {
            values
                .iter()
                .map(|value| self.names[value.0].clone())
                .collect()
        };
        let node = |(place, node): (usize, &Node)| NodeProto {
            input: names(&node.inputs),
            output: names(&node.outputs),
            name: format!("{}_{place}", node.op_type),
            op_type: node.op_type.clone(),
            attribute: node.attributes.clone(),
            ..NodeProto::default()
        };
        let output = |(value, element, dims): &(Value, Element, Vec<Dim>)| {
            value_info(&self.names[value.0], *element, dims)
        };
        let graph = GraphProto {
            node: self.nodes.iter().enumerate().map(node).collect(),
            output: self.outputs.iter().map(output).collect(),
            name: self.name,
            initializer: self.constants,
            input: self.inputs,
            ..GraphProto::default()
        };
        let model = ModelProto {
            ir_version: IR_VERSION,
            producer_name: "eidetic".to_owned(),
            graph: Some(graph),
            opset_import: vec![OperatorSetIdProto {
                domain: String::new(),
                version: OPSET,
            }],
            ..ModelProto::default()
        };
        check(&model)?;
        Ok(model)
    }

    fn value(&mut self, name: String, free: bool) -> Value {
        self.names.push(name);
        self.free.push(free);
        Value(self.names.len() - 1)
    }
}
