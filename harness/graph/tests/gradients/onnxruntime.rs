//! The same graph by ONNX Runtime in float32.

use std::sync::OnceLock;

use eidetic_graph::{Element, Graph, encode};
use eidetic_runtime::{Device, Feed, ModelSource, Runtime, Search, SessionOptions, find};
use ndarray::{ArrayD, IxDyn};

use crate::Arrays;

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::load(&find(&Search::default()).unwrap()).unwrap())
}

/// The outputs, all f32.
pub(crate) fn run(graph: &Graph, feed: &Arrays) -> Vec<ArrayD<f64>> {
    // A run gives one row of each output: a row of all its elements.
    let mut rows = graph.clone();
    let mut names = Vec::new();
    for (place, &output) in graph.outputs().iter().enumerate() {
        let elements = graph.kind(output).elements();
        let row = rows.reshape(output, &[1, elements]).unwrap();
        let name = format!("row.{place}");
        rows.output(&name, row).unwrap();
        names.push(name);
    }
    let model = encode(&rows.model().unwrap());
    let options = SessionOptions {
        device: Device::Cpu,
        sessions: 1,
        microbatch: 1,
    };
    let source = ModelSource::Bytes(&model);
    let session = runtime().open(source, &options).unwrap();
    let floats: Vec<ArrayD<f32>> = feed.iter().map(|(_, x)| x.mapv(|x| x as f32)).collect();
    let integers: Vec<ArrayD<i64>> = feed.iter().map(|(_, x)| x.mapv(|x| x as i64)).collect();
    let feeds: Vec<Feed<'_>> = feed
        .iter()
        .enumerate()
        .map(|(place, (name, _))| {
            let value = graph.value(name).unwrap();
            match graph.kind(value).element {
                Element::I64 => Feed::constant_i64(name, integers[place].view()),
                _ => Feed::constant(name, floats[place].view()),
            }
        })
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let outputs = session.run(1, &feeds, &names).unwrap();
    outputs
        .into_iter()
        .zip(graph.outputs())
        .map(|(row, &output)| {
            let values = row.iter().map(|&x| f64::from(x)).collect();
            ArrayD::from_shape_vec(IxDyn(graph.shape(output)), values).unwrap()
        })
        .collect()
}
