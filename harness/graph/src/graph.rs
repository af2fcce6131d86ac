//! A graph whose values have sizes, checked as it is built.

use std::collections::HashMap;

use crate::error::Error;
use crate::evaluate::fold;
use crate::node::{Call, Node};
use crate::ops;
use crate::proto::{AttributeProto, TensorProto};
use crate::shape::Element;
use crate::value::{Type, Value};

/// More than any machine holds; sizes beyond it are damage.
const MOST_ELEMENTS: usize = 1 << 40;

/// A graph of ONNX operators of the default domain. Every value has an element type and concrete
/// sizes: a graph that was read with a named size bound to 4 is a graph for 4.
///
/// Parameters are constants that a gradient may be taken of; operators on other constants, and on
/// sizes, are evaluated as the graph is built and leave a constant.
#[derive(Debug, Clone)]
pub struct Graph {
    /// The file, or the name that it was built under.
    pub(crate) name: String,
    pub(crate) opset: i64,
    pub(crate) entries: Vec<Entry>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) inputs: Vec<Value>,
    pub(crate) outputs: Vec<Value>,
    names: HashMap<String, Value>,
    /// Constants that were made here, by their type and bytes.
    made: HashMap<(Type, Vec<u8>), Value>,
    count: usize,
}

/// What is known of a value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) kind: Type,
    pub(crate) source: Source,
}

/// Where a value is from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Input,
    Parameter(TensorProto),
    Constant(TensorProto),
    Node,
}

impl Graph {
    /// An empty graph of this operator set.
    ///
    /// # Errors
    /// [`Error::Graph`] for an operator set that is not within 17 to 22.
    pub fn new(name: &str, opset: i64) -> Result<Self, Error> {
        let graph = Self {
            name: name.to_owned(),
            opset,
            entries: Vec::new(),
            nodes: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            names: HashMap::new(),
            made: HashMap::new(),
            count: 0,
        };
        match opset {
            17..=22 => Ok(graph),
            _ => Err(graph.fault(format!(
                "expected an operator set from 17 to 22, got {opset}"
            ))),
        }
    }

    /// An input of these sizes.
    ///
    /// # Errors
    /// [`Error::Graph`] for a name that is taken.
    pub fn input(&mut self, name: &str, element: Element, shape: &[usize]) -> Result<Value, Error> {
        let value = self.enter(name, Type::new(element, shape), Source::Input)?;
        self.inputs.push(value);
        Ok(value)
    }

    /// A constant that gradients may be taken of, under the tensor's name.
    ///
    /// # Errors
    /// [`Error::Graph`] for a name that is taken, and a tensor that is damaged or of other elements
    /// than [`Element`]'s.
    pub fn parameter(&mut self, tensor: TensorProto) -> Result<Value, Error> {
        let kind = self.type_of(&tensor)?;
        self.enter(&tensor.name.clone(), kind, Source::Parameter(tensor))
    }

    /// A constant, under the tensor's name.
    ///
    /// # Errors
    /// As [`Self::parameter`].
    pub fn constant(&mut self, tensor: TensorProto) -> Result<Value, Error> {
        let kind = self.type_of(&tensor)?;
        self.enter(&tensor.name.clone(), kind, Source::Constant(tensor))
    }

    /// An operator with one output.
    ///
    /// # Errors
    /// [`Error::Operator`] for one that is not known here, or that does not fit its inputs.
    pub fn op(&mut self, op_type: &str, inputs: &[Value]) -> Result<Value, Error> {
        self.op_with(op_type, inputs, Vec::new())
    }

    /// An operator with one output and attributes.
    ///
    /// # Errors
    /// As [`Self::op`].
    pub fn op_with(
        &mut self,
        op_type: &str,
        inputs: &[Value],
        attributes: Vec<AttributeProto>,
    ) -> Result<Value, Error> {
        let inputs: Vec<Option<Value>> = inputs.iter().copied().map(Some).collect();
        Ok(self.op_many(op_type, &inputs, attributes, 1)?[0])
    }

    /// An operator with several outputs, and `None` for inputs that are left out.
    ///
    /// # Errors
    /// As [`Self::op`].
    pub fn op_many(
        &mut self,
        op_type: &str,
        inputs: &[Option<Value>],
        attributes: Vec<AttributeProto>,
        outputs: usize,
    ) -> Result<Vec<Value>, Error> {
        let name = self.fresh(op_type);
        let names: Vec<String> = match outputs {
            1 => vec![name.clone()],
            _ => (0..outputs)
                .map(|place| format!("{name}_{place}"))
                .collect(),
        };
        let node = Node {
            op_type: op_type.to_owned(),
            domain: String::new(),
            name,
            inputs: inputs.to_vec(),
            outputs: Vec::new(),
            attributes,
        };
        let made = self.insert(node, &names)?;
        Ok(made.into_iter().flatten().collect())
    }

    /// Names a value as an output of the graph.
    ///
    /// # Errors
    /// [`Error::Graph`] for a name that is taken by another value.
    pub fn output(&mut self, name: &str, value: Value) -> Result<Value, Error> {
        if self.names.get(name) == Some(&value) && !self.outputs.contains(&value) {
            self.outputs.push(value);
            return Ok(value);
        }
        let free =
            matches!(self.entries[value.0].source, Source::Node) && !self.outputs.contains(&value);
        let value = match free {
            true => value,
            false => self.copy(value)?,
        };
        self.claim(name, value)?;
        let old = std::mem::replace(&mut self.entries[value.0].name, name.to_owned());
        self.names.remove(&old);
        self.outputs.push(value);
        Ok(value)
    }

    /// The value of this name: an input, a parameter, an output or anything between.
    pub fn value(&self, name: &str) -> Option<Value> {
        self.names.get(name).copied()
    }

    /// Its type.
    pub fn kind(&self, value: Value) -> &Type {
        &self.entries[value.0].kind
    }

    /// Its sizes.
    pub fn shape(&self, value: Value) -> &[usize] {
        &self.kind(value).shape
    }

    /// Its name.
    pub fn name_of(&self, value: Value) -> &str {
        &self.entries[value.0].name
    }

    /// The inputs, in order.
    pub fn inputs(&self) -> &[Value] {
        &self.inputs
    }

    /// The outputs, in order.
    pub fn outputs(&self) -> &[Value] {
        &self.outputs
    }

    /// The parameters, in the order in which they were added.
    pub fn parameters(&self) -> Vec<Value> {
        (0..self.entries.len())
            .map(Value)
            .filter(|value| matches!(self.entries[value.0].source, Source::Parameter(_)))
            .collect()
    }

    /// The elements of a parameter or constant.
    pub fn literal(&self, value: Value) -> Option<&TensorProto> {
        match &self.entries[value.0].source {
            Source::Parameter(tensor) | Source::Constant(tensor) => Some(tensor),
            Source::Input | Source::Node => None,
        }
    }

    /// A constant of these elements, made once.
    pub(crate) fn made(&mut self, kind: &Type, values: &[f64]) -> Result<Value, Error> {
        let tensor = TensorProto::of_values("", kind.element, &kind.shape, values);
        let key = (kind.clone(), tensor.raw_data.clone());
        if let Some(value) = self.made.get(&key) {
            return Ok(*value);
        }
        let name = self.fresh("constant");
        let value = self.constant(TensorProto { name, ..tensor })?;
        self.made.insert(key, value);
        Ok(value)
    }

    /// Adds a node with outputs of these names (empty: left out), or the constants that it makes.
    pub(crate) fn insert(
        &mut self,
        mut node: Node,
        names: &[String],
    ) -> Result<Vec<Option<Value>>, Error> {
        let known = ops::find(&node.domain, &node.op_type);
        let operator = known.ok_or_else(|| {
            let what = "expected an operator that is known here, got another".to_owned();
            self.operator_fault(&node, what)
        })?;
        node.outputs = vec![None; names.len()];
        let call = Call {
            graph: self,
            node: &node,
        };
        let kinds = (operator.infer)(&call).map_err(|what| self.operator_fault(&node, what))?;
        if names.len() > kinds.len() {
            let what = format!(
                "expected {} outputs at most, got {}",
                kinds.len(),
                names.len()
            );
            return Err(self.operator_fault(&node, what));
        }
        let constants =
            fold(&call, operator, &kinds).map_err(|what| self.operator_fault(&node, what))?;
        let mut outputs = Vec::new();
        for (place, (name, kind)) in names.iter().zip(kinds).enumerate() {
            if name.is_empty() {
                outputs.push(None);
                continue;
            }
            let source = match &constants {
                Some(arrays) => {
                    let values: Vec<f64> = arrays[place].iter().copied().collect();
                    let tensor = TensorProto::of_values(name, kind.element, &kind.shape, &values);
                    Source::Constant(tensor)
                }
                None => Source::Node,
            };
            outputs.push(Some(self.enter(name, kind, source)?));
        }
        if constants.is_none() {
            node.outputs.clone_from(&outputs);
            self.nodes.push(node);
        }
        Ok(outputs)
    }

    /// An output of a node that is there, added if it was left out.
    pub(crate) fn output_of(&mut self, node: usize, place: usize) -> Result<Value, Error> {
        if let Some(Some(value)) = self.nodes[node].outputs.get(place) {
            return Ok(*value);
        }
        let inferred = {
            let call = Call {
                graph: self,
                node: &self.nodes[node],
            };
            ops::find(&call.node.domain, &call.node.op_type).map(|operator| (operator.infer)(&call))
        };
        let kind = match inferred {
            Some(Ok(kinds)) if place < kinds.len() => kinds[place].clone(),
            _ => {
                let what = format!("expected an output {place}, got none");
                return Err(self.operator_fault(&self.nodes[node].clone(), what));
            }
        };
        let name = self.fresh(&self.nodes[node].name.clone());
        let value = self.enter(&name, kind, Source::Node)?;
        let outputs = &mut self.nodes[node].outputs;
        outputs.resize((place + 1).max(outputs.len()), None);
        outputs[place] = Some(value);
        Ok(value)
    }

    pub(crate) fn enter(&mut self, name: &str, kind: Type, source: Source) -> Result<Value, Error> {
        if kind.elements() > MOST_ELEMENTS {
            let what = format!("expected {name:?} of at most {MOST_ELEMENTS} elements, got {kind}");
            return Err(self.fault(what));
        }
        let value = Value(self.entries.len());
        self.claim(name, value)?;
        let name = name.to_owned();
        self.entries.push(Entry { name, kind, source });
        Ok(value)
    }

    /// A name that no value has.
    pub(crate) fn fresh(&mut self, stem: &str) -> String {
        let stem = stem.to_lowercase();
        loop {
            let name = format!("{stem}_{}", self.count);
            self.count += 1;
            let taken = |end: &str| self.names.contains_key(&format!("{name}{end}"));
            if !["", "_0", "_1", "_2"].into_iter().any(taken) {
                return name;
            }
        }
    }

    pub(crate) fn fault(&self, what: String) -> Error {
        Error::Graph {
            graph: self.name.clone(),
            what,
        }
    }

    pub(crate) fn operator_fault(&self, node: &Node, what: String) -> Error {
        Error::Operator {
            file: self.name.clone(),
            operator: node.operator(),
            node: node.name.clone(),
            what,
        }
    }

    fn claim(&mut self, name: &str, value: Value) -> Result<(), Error> {
        if let Some(other) = self.names.get(name)
            && *other != value
        {
            return Err(self.fault(format!("expected one value named {name:?}, got two")));
        }
        self.names.insert(name.to_owned(), value);
        Ok(())
    }

    fn type_of(&self, tensor: &TensorProto) -> Result<Type, Error> {
        let name = &tensor.name;
        let element = Element::of(tensor.data_type).ok_or_else(|| {
            let got = crate::shape::element_name(tensor.data_type);
            self.fault(format!(
                "constant {name:?}: expected numbers or truth values, got {got}"
            ))
        })?;
        if let Some(what) = tensor.fault() {
            return Err(self.fault(format!("constant {name:?}: {what}")));
        }
        let shape: Vec<usize> = tensor.dims.iter().map(|&size| size as usize).collect();
        Ok(Type::new(element, &shape))
    }

    /// The same elements under a node of their own, constant or not.
    fn copy(&mut self, value: Value) -> Result<Value, Error> {
        let name = self.fresh("identity");
        let kind = self.kind(value).clone();
        let copy = self.enter(&name, kind, Source::Node)?;
        self.nodes.push(Node {
            op_type: "Identity".to_owned(),
            domain: String::new(),
            name,
            inputs: vec![Some(value)],
            outputs: vec![Some(copy)],
            attributes: Vec::new(),
        });
        Ok(copy)
    }
}
