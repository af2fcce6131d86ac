//! Whether the parts of a model fit together, as far as that shows without running it.

use std::collections::HashSet;

use crate::error::Error;
use crate::proto::{GraphProto, ModelProto};

/// Checks that values have one name each and are made before they are taken, that outputs are
/// made, and that constants have as many elements as their dimensions say. Operators and their
/// types are left to the runtime.
///
/// # Errors
/// [`Error::Graph`] with the first fault.
pub fn check(model: &ModelProto) -> Result<(), Error> {
    let Some(graph) = &model.graph else {
        return Err(fault("", "expected a graph, got none"));
    };
    if !model
        .opset_import
        .iter()
        .any(|set| set.domain.is_empty() || set.domain == "ai.onnx")
    {
        return Err(fault(
            &graph.name,
            "expected an operator set of the default domain, got none",
        ));
    }
    check_graph(graph, &HashSet::new())
}

fn fault(graph: &str, what: impl Into<String>) -> Error {
    Error::Graph {
        graph: graph.to_owned(),
        what: what.into(),
    }
}

/// `outer` are the names that the body of a loop or branch sees around it.
fn check_graph<'a>(graph: &'a GraphProto, outer: &HashSet<&'a str>) -> Result<(), Error> {
    let fault = |what: String| fault(&graph.name, what);
    let mut known = outer.clone();
    let mut own: HashSet<&str> = HashSet::new();
    for input in &graph.input {
        if !own.insert(&input.name) {
            return Err(fault(format!("input {:?} is there twice", input.name)));
        }
    }
    let inputs = own.clone();
    for constant in &graph.initializer {
        if let Some(what) = constant.fault() {
            return Err(fault(format!("constant {:?}: {what}", constant.name)));
        }
        // The default of an input has the input's name.
        if !own.insert(&constant.name) && !inputs.contains(constant.name.as_str()) {
            return Err(fault(format!(
                "constant {:?} is there twice",
                constant.name
            )));
        }
    }
    // Their names are inside messages that are not looked into.
    let opaque = !graph.sparse_initializer.is_empty();
    known.extend(&own);
    for node in &graph.node {
        for input in node.input.iter().filter(|name| !name.is_empty()) {
            if !known.contains(input.as_str()) && !opaque {
                return Err(fault(format!(
                    "operator {} ({:?}) takes {input:?}, which nothing before it makes",
                    node.op_type, node.name
                )));
            }
        }
        for attribute in &node.attribute {
            for body in attribute.g.iter().chain(&attribute.graphs) {
                check_graph(body, &known)?;
            }
        }
        for output in node.output.iter().filter(|name| !name.is_empty()) {
            if !own.insert(output) {
                return Err(fault(format!("value {output:?} is made twice")));
            }
            known.insert(output);
        }
    }
    match graph
        .output
        .iter()
        .find(|output| !known.contains(output.name.as_str()))
    {
        Some(output) if !opaque => Err(fault(format!(
            "output {:?} is made by nothing",
            output.name
        ))),
        _ => Ok(()),
    }
}
