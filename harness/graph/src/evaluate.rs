//! The reference: every operator in float64, slow and by its definition.

use std::collections::HashMap;

use ndarray::{ArrayD, IxDyn};

use crate::error::Error;
use crate::graph::{Graph, Source};
use crate::node::Call;
use crate::ops::{self, Array, Operator};
use crate::value::{Type, Value};

/// Constants with more elements than this are left to be computed.
const MOST_FOLDED: usize = 1 << 16;

/// The outputs, in order, for these inputs by name. All arithmetic is float64 whatever the element
/// types (integers are exact up to 2^53), a cast to integers truncates, truth values are 0 and 1.
///
/// # Errors
/// [`Error::Graph`] for an input that is missing, unknown or of other sizes; [`Error::Operator`]
/// where an operator cannot be evaluated.
pub fn evaluate(graph: &Graph, inputs: &[(&str, ArrayD<f64>)]) -> Result<Vec<ArrayD<f64>>, Error> {
    let mut known: HashMap<Value, Array> = HashMap::new();
    for (name, array) in inputs {
        let value = graph
            .value(name)
            .filter(|value| matches!(graph.entries[value.0].source, Source::Input));
        let Some(value) = value else {
            return Err(graph.fault(format!("expected no input {name:?}, got one")));
        };
        if graph.shape(value) != array.shape() {
            let (expected, got) = (graph.shape(value), array.shape());
            let what = format!("input {name:?}: expected sizes {expected:?}, got {got:?}");
            return Err(graph.fault(what));
        }
        known.insert(value, array.as_standard_layout().into_owned());
    }
    if let Some(missing) = graph.inputs.iter().find(|input| !known.contains_key(input)) {
        let name = graph.name_of(*missing);
        return Err(graph.fault(format!("expected an input {name:?}, got none")));
    }
    let needed = graph.needed();
    for (node, _) in graph.nodes.iter().zip(needed).filter(|(_, needed)| *needed) {
        let fault = |what| graph.operator_fault(node, what);
        for value in node.inputs.iter().flatten() {
            if !known.contains_key(value) {
                known.insert(*value, constant(graph, *value).map_err(fault)?);
            }
        }
        let arguments: Vec<Option<&Array>> = node
            .inputs
            .iter()
            .map(|value| value.and_then(|value| known.get(&value)))
            .collect();
        let Some(operator) = ops::find(&node.domain, &node.op_type) else {
            return Err(fault(
                "expected an operator that is known here, got another".to_owned(),
            ));
        };
        let call = Call { graph, node };
        let made = (operator.evaluate)(&call, &arguments).map_err(fault)?;
        for (value, array) in node.outputs.iter().zip(made) {
            let Some(value) = value else { continue };
            if graph.shape(*value) != array.shape() {
                let (expected, got) = (graph.shape(*value), array.shape());
                return Err(fault(format!(
                    "expected an output of {expected:?}, got {got:?}"
                )));
            }
            known.insert(*value, array);
        }
    }
    let output = |value: &Value| match known.get(value) {
        Some(array) => Ok(array.clone()),
        None => constant(graph, *value).map_err(|what| graph.fault(what)),
    };
    graph.outputs.iter().map(output).collect()
}

fn constant(graph: &Graph, value: Value) -> Result<Array, String> {
    let name = graph.name_of(value);
    let Some(tensor) = graph.literal(value) else {
        return Err(format!("expected {name:?} to be made before it is taken"));
    };
    array(graph.shape(value), tensor.values()?)
}

/// An array of these sizes.
pub(crate) fn array(shape: &[usize], values: Vec<f64>) -> Result<Array, String> {
    let got = values.len();
    Array::from_shape_vec(IxDyn(shape), values)
        .map_err(|_| format!("expected elements for {shape:?}, got {got}"))
}

/// What a node makes, where it is the same for all inputs of the graph. Parameters are no constants
/// here, but a scalar is: sizes are scaled by such.
pub(crate) fn fold(
    call: &Call<'_>,
    operator: &Operator,
    kinds: &[Type],
) -> Result<Option<Vec<Array>>, String> {
    if kinds.iter().any(|kind| kind.elements() > MOST_FOLDED) {
        return Ok(None);
    }
    if matches!(call.node.op_type.as_str(), "Shape" | "Size") {
        return (operator.evaluate)(call, &[]).map(Some);
    }
    let inputs = || call.node.inputs.iter().flatten();
    let fixed = |value: &Value| match &call.graph.entries[value.0].source {
        Source::Constant(tensor) => tensor.external_file().is_none(),
        Source::Parameter(_) | Source::Input | Source::Node => false,
    };
    if !inputs().all(fixed) {
        return Ok(None);
    }
    let arrays: Vec<Option<Array>> = call
        .node
        .inputs
        .iter()
        .map(|value| value.map(|value| constant(call.graph, value)).transpose())
        .collect::<Result<_, _>>()?;
    let arguments: Vec<Option<&Array>> = arrays.iter().map(Option::as_ref).collect();
    (operator.evaluate)(call, &arguments).map(Some)
}
