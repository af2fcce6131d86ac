//! From an ONNX model to a graph with sizes.

use std::path::Path;

use crate::error::Error;
use crate::file::read;
use crate::graph::Graph;
use crate::node::Node;
use crate::proto::{ModelProto, TensorProto, ValueInfoProto};
use crate::shape::{Dim, Element, TensorType, element_name};
use crate::value::Type;

impl Graph {
    /// Reads a file; see [`Self::of_model`].
    ///
    /// # Errors
    /// Those of [`read`] and [`Self::of_model`].
    pub fn read(path: &Path, sizes: &[(&str, usize)]) -> Result<Self, Error> {
        Self::of_model(&path.display().to_string(), &read(path)?, sizes)
    }

    /// The graph of a model of opset 17 to 22; `name` is what errors call it. `sizes` are those of
    /// the named dimensions of its inputs (`("batch", 4)`); an input without sizes of its own is
    /// given them as `("input.0", 4)`, by name and axis. Floating-point initializers are
    /// parameters, but for scalars; all other constants are folded, and so is what is computed from
    /// sizes. Weights in other files stay there: their graph is differentiated and written with the
    /// same references, but not evaluated.
    ///
    /// # Errors
    /// [`Error::Graph`] for an operator set, a type or a size that is not known, [`Error::Operator`]
    /// for an operator that is not known here or does not fit.
    pub fn of_model(
        name: &str,
        model: &ModelProto,
        sizes: &[(&str, usize)],
    ) -> Result<Self, Error> {
        let default = |domain: &str| domain.is_empty() || domain == "ai.onnx";
        let opset = model.opset_import.iter().find(|set| default(&set.domain));
        let mut graph = Self::new(name, opset.map_or(0, |set| set.version))?;
        let Some(given) = &model.graph else {
            return Err(graph.fault("expected a graph, got none".to_owned()));
        };
        if !given.sparse_initializer.is_empty() {
            return Err(graph.fault("expected dense initializers, got sparse ones".to_owned()));
        }
        for tensor in &given.initializer {
            graph.initializer(tensor)?;
        }
        for input in &given.input {
            // The default of an input has the input's name, and counts.
            if graph.value(&input.name).is_none() {
                let kind = graph.bound(input, sizes)?;
                graph.input(&input.name, kind.element, &kind.shape)?;
            }
        }
        for node in &given.node {
            let mut added = Node {
                op_type: node.op_type.clone(),
                domain: node.domain.clone(),
                name: node.name.clone(),
                inputs: Vec::new(),
                outputs: Vec::new(),
                attributes: node.attribute.clone(),
            };
            if added.name.is_empty() {
                added.name = node.output.first().cloned().unwrap_or_default();
            }
            for input in &node.input {
                let value = graph.value(input);
                if value.is_none() && !input.is_empty() {
                    let what = format!("expected {input:?} to be made before it is taken");
                    return Err(graph.operator_fault(&added, what));
                }
                added.inputs.push(value);
            }
            graph.insert(added, &node.output)?;
        }
        for output in &given.output {
            let Some(value) = graph.value(&output.name) else {
                return Err(graph.fault(format!("output {:?} is made by nothing", output.name)));
            };
            graph.output(&output.name, value)?;
        }
        Ok(graph)
    }

    fn initializer(&mut self, tensor: &TensorProto) -> Result<(), Error> {
        let float = Element::of(tensor.data_type).is_some_and(Element::is_float);
        match float && !tensor.dims.is_empty() {
            true => self.parameter(tensor.clone())?,
            false => self.constant(tensor.clone())?,
        };
        Ok(())
    }

    fn bound(&self, input: &ValueInfoProto, sizes: &[(&str, usize)]) -> Result<Type, Error> {
        let name = &input.name;
        let kind = TensorType::of(input);
        let Some((kind, dims)) = kind
            .as_ref()
            .and_then(|kind| Some((kind, kind.dims.as_ref()?)))
        else {
            return Err(self.fault(format!("input {name:?}: expected a tensor of known rank")));
        };
        let element = Element::of(kind.data_type).ok_or_else(|| {
            let got = element_name(kind.data_type);
            self.fault(format!(
                "input {name:?}: expected numbers or truth values, got {got}"
            ))
        })?;
        let given = |wanted: &str| sizes.iter().find(|(size, _)| *size == wanted);
        let size = |(axis, dim): (usize, &Dim)| {
            let place = format!("{name}.{axis}");
            let named = match dim {
                Dim::Fixed(size) => return Ok(*size),
                Dim::Named(size) => given(size),
                Dim::Open => None,
            };
            let size = named.or_else(|| given(&place)).map(|(_, size)| *size);
            size.ok_or_else(|| {
                let what = format!("input {name:?}: expected a size for {dim} ({place}), got none");
                self.fault(what)
            })
        };
        let shape: Vec<usize> = dims
            .iter()
            .enumerate()
            .map(size)
            .collect::<Result<_, _>>()?;
        Ok(Type::new(element, &shape))
    }
}
