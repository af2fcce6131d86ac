//! One operator with random inputs, whose gradient is held against central differences and against
//! ONNX Runtime.

use eidetic_graph::proto::{AttributeProto, TensorProto};
use eidetic_graph::{Element, Graph, Value, gradient};
use ndarray::{ArrayD, IxDyn};

use crate::{Arrays, distance, onnxruntime, run};

/// xorshift64*, uniform on [-1, 1).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

/// Distinct values between -2 and 2 that are not near 0, so that no difference crosses a kink.
pub(crate) fn floats(random: &mut Random) -> f64 {
    let x = 2.0 * random.next();
    if x.abs() < 1e-2 { x + 0.1 } else { x }
}

/// Values between 0.5 and 2.
pub(crate) fn positive(random: &mut Random) -> f64 {
    1.25 + 0.75 * random.next()
}

pub(crate) fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto::ints(name, values)
}

pub(crate) fn text(name: &str, value: &str) -> AttributeProto {
    AttributeProto::string(name, value)
}

type Draw = fn(&mut Random) -> f64;

enum Input {
    Drawn(ArrayD<f64>),
    Tensor(Box<TensorProto>),
    /// Floats of the element type that the graph is built for.
    Floats(Vec<usize>, Vec<f64>),
    Absent,
}

pub(crate) struct Case {
    op: String,
    opset: i64,
    random: Random,
    inputs: Vec<Input>,
    attributes: Vec<AttributeProto>,
    outputs: usize,
    float64_only: bool,
}

/// The operator as a graph, its gradient, and what both are fed with.
struct Problem {
    forward: Graph,
    backward: Graph,
    outputs: usize,
    /// First the inputs that the gradient is of, then the cotangents.
    feed: Arrays,
    wrt: usize,
}

impl Case {
    pub(crate) fn new(op: &str, seed: u64) -> Self {
        Self {
            op: op.to_owned(),
            opset: 17,
            random: Random::new(seed),
            inputs: Vec::new(),
            attributes: Vec::new(),
            outputs: 1,
            float64_only: false,
        }
    }

    pub(crate) fn opset(mut self, opset: i64) -> Self {
        self.opset = opset;
        self
    }

    pub(crate) fn outputs(mut self, outputs: usize) -> Self {
        self.outputs = outputs;
        self
    }

    pub(crate) fn with(mut self, attribute: AttributeProto) -> Self {
        self.attributes.push(attribute);
        self
    }

    /// ONNX Runtime is not asked.
    pub(crate) fn float64_only(mut self) -> Self {
        self.float64_only = true;
        self
    }

    fn add(mut self, input: Input) -> Self {
        self.inputs.push(input);
        self
    }

    /// An input whose gradient is checked, of values that float32 has.
    pub(crate) fn input(mut self, shape: &[usize], draw: Draw) -> Self {
        let value = || f64::from(draw(&mut self.random) as f32);
        let array = ArrayD::from_shape_simple_fn(IxDyn(shape), value);
        self.add(Input::Drawn(array))
    }

    pub(crate) fn tensor(self, tensor: TensorProto) -> Self {
        self.add(Input::Tensor(Box::new(tensor)))
    }

    pub(crate) fn constant(self, shape: &[usize], values: &[f64]) -> Self {
        self.add(Input::Floats(shape.to_vec(), values.to_vec()))
    }

    pub(crate) fn single(self, values: &[f32]) -> Self {
        self.tensor(TensorProto::f32("", &[values.len()], values))
    }

    pub(crate) fn integers(self, values: &[i64]) -> Self {
        self.tensor(TensorProto::i64("", &[values.len()], values))
    }

    pub(crate) fn absent(self) -> Self {
        self.add(Input::Absent)
    }

    /// Compares every element's derivative of `sum(cotangent * output)` with its central
    /// difference in float64, and outputs and gradients in float64 with ONNX Runtime's in float32.
    pub(crate) fn check(mut self) {
        let problem = self.problem(Element::F64);
        problem.check_differences(&self.op);
        if !self.float64_only {
            let problem = self.problem(Element::F32);
            let expected = run(&problem.backward, &problem.feed);
            let got = onnxruntime::run(&problem.backward, &problem.feed);
            for (place, (got, expected)) in got.iter().zip(&expected).enumerate() {
                let off = distance(got, expected, 1.0);
                assert!(
                    off < 1e-4,
                    "{} (opset {}) output {place}: {expected} and {got}",
                    self.op,
                    self.opset
                );
            }
        }
    }

    fn problem(&mut self, element: Element) -> Problem {
        let mut graph = Graph::new(&self.op, self.opset).unwrap();
        let mut values: Vec<Option<Value>> = Vec::new();
        let (mut feed, mut wrt) = (Vec::new(), Vec::new());
        for (place, input) in self.inputs.iter().enumerate() {
            let name = format!("x{place}");
            values.push(match input {
                Input::Absent => None,
                Input::Tensor(tensor) => {
                    let tensor = TensorProto {
                        name,
                        ..TensorProto::clone(tensor)
                    };
                    Some(graph.constant(tensor).unwrap())
                }
                Input::Floats(shape, values) => {
                    let single: Vec<f32> = values.iter().map(|&x| x as f32).collect();
                    let tensor = match element {
                        Element::F32 => TensorProto::f32(&name, shape, &single),
                        _ => TensorProto::f64(&name, shape, values),
                    };
                    Some(graph.constant(tensor).unwrap())
                }
                Input::Drawn(array) => {
                    let value = graph.input(&name, element, array.shape()).unwrap();
                    feed.push((name, array.clone()));
                    wrt.push(value);
                    Some(value)
                }
            });
        }
        let attributes = self.attributes.clone();
        let made = graph
            .op_many(&self.op, &values, attributes, self.outputs)
            .unwrap();
        let mut outputs = Vec::new();
        for (place, value) in made.into_iter().enumerate() {
            let output = graph.output(&format!("y{place}"), value).unwrap();
            let shape = IxDyn(graph.shape(output));
            let value = || f64::from(self.random.next() as f32);
            let cotangent = ArrayD::from_shape_simple_fn(shape, value);
            feed.push((format!("cotangent.y{place}"), cotangent));
            outputs.push(output);
        }
        Problem {
            backward: gradient(&graph, &outputs, &wrt).unwrap(),
            forward: graph,
            outputs: outputs.len(),
            feed,
            wrt: wrt.len(),
        }
    }
}

impl Problem {
    fn check_differences(&self, op: &str) {
        let gradients = run(&self.backward, &self.feed).split_off(self.outputs);
        let (inputs, cotangents) = self.feed.split_at(self.wrt);
        let objective = |feed: &Arrays| -> f64 {
            let outputs = run(&self.forward, feed);
            let parts = outputs
                .iter()
                .zip(cotangents)
                .map(|(y, (_, dy))| (y * dy).sum());
            parts.sum()
        };
        for (place, gradient) in gradients.iter().enumerate() {
            assert_eq!(gradient.shape(), inputs[place].1.shape());
            for (element, &got) in gradient.iter().enumerate() {
                let step = 1e-5;
                let at = |offset: f64| {
                    let mut feed = inputs.to_vec();
                    *feed[place].1.iter_mut().nth(element).unwrap() += offset;
                    objective(&feed)
                };
                let expected = (at(step) - at(-step)) / (2.0 * step);
                assert!(
                    (got - expected).abs() <= 1e-6 * (1.0 + expected.abs()),
                    "{op} input {place} element {element}: expected {expected}, got {got}"
                );
            }
        }
    }
}
