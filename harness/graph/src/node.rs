//! One operator of a graph, and what its attributes say.

use crate::graph::Graph;
use crate::proto::AttributeProto;
use crate::value::{Type, Value};

/// An operator with its inputs and outputs; `None` for an optional one that is left out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) op_type: String,
    pub(crate) domain: String,
    pub(crate) name: String,
    pub(crate) inputs: Vec<Option<Value>>,
    pub(crate) outputs: Vec<Option<Value>>,
    pub(crate) attributes: Vec<AttributeProto>,
}

impl Node {
    pub(crate) fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.attributes.iter().find(|entry| entry.name == name)
    }

    pub(crate) fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |entry| entry.i)
    }

    pub(crate) fn float(&self, name: &str, default: f32) -> f64 {
        f64::from(self.attribute(name).map_or(default, |entry| entry.f))
    }

    pub(crate) fn ints(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name).map(|entry| entry.ints.as_slice())
    }

    pub(crate) fn text<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.attribute(name)
            .and_then(|entry| std::str::from_utf8(&entry.s).ok())
            .unwrap_or(default)
    }

    /// The operator with its domain, as errors and summaries write it.
    pub(crate) fn operator(&self) -> String {
        match self.domain.as_str() {
            "" | "ai.onnx" => self.op_type.clone(),
            domain => format!("{domain}.{}", self.op_type),
        }
    }
}

/// A node with the types and constants of its inputs.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) node: &'a Node,
}

impl<'a> Call<'a> {
    pub(crate) fn has(&self, place: usize) -> bool {
        matches!(self.node.inputs.get(place), Some(Some(_)))
    }

    pub(crate) fn input(&self, place: usize) -> Result<Value, String> {
        match self.node.inputs.get(place) {
            Some(Some(value)) => Ok(*value),
            _ => Err(format!("expected an input {place}, got none")),
        }
    }

    pub(crate) fn kind(&self, place: usize) -> Result<&'a Type, String> {
        Ok(self.graph.kind(self.input(place)?))
    }

    pub(crate) fn shape(&self, place: usize) -> Result<&'a [usize], String> {
        Ok(&self.kind(place)?.shape)
    }

    /// The shape of an input that has this many dimensions or more.
    pub(crate) fn shape_from(&self, place: usize, rank: usize) -> Result<&'a [usize], String> {
        let shape = self.shape(place)?;
        if shape.len() < rank {
            return Err(format!(
                "expected input {place} with {rank} dimensions or more, got {shape:?}"
            ));
        }
        Ok(shape)
    }

    /// The elements of an input that has to be a constant.
    pub(crate) fn constant(&self, place: usize) -> Result<Vec<f64>, String> {
        let value = self.input(place)?;
        match self.graph.literal(value) {
            Some(tensor) => tensor.values(),
            None => Err(format!(
                "expected a constant as input {place} ({:?}), got a value that depends on the \
                 graph's inputs",
                self.graph.name_of(value)
            )),
        }
    }

    pub(crate) fn constant_ints(&self, place: usize) -> Result<Vec<i64>, String> {
        Ok(self
            .constant(place)?
            .into_iter()
            .map(|size| size as i64)
            .collect())
    }

    /// Axes from an attribute (older operator sets) or a constant input; `None` if neither is there.
    pub(crate) fn axes(&self, place: usize) -> Result<Option<Vec<i64>>, String> {
        match self.node.ints("axes") {
            Some(axes) => Ok(Some(axes.to_vec())),
            None if self.has(place) => self.constant_ints(place).map(Some),
            None => Ok(None),
        }
    }
}
