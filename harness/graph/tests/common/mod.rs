//! One operator with random inputs, whose gradient is held against central differences.

use eidetic_graph::proto::{AttributeProto, TensorProto};
use eidetic_graph::{Element, Graph, Value, evaluate, gradient};
use ndarray::{ArrayD, IxDyn};

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
    Drawn(Vec<usize>, Draw),
    Typed(Element, Vec<usize>, Vec<f64>),
    Tensor(TensorProto),
    Absent,
}

pub(crate) struct Case {
    op: String,
    opset: i64,
    random: Random,
    inputs: Vec<Input>,
    attributes: Vec<AttributeProto>,
    outputs: usize,
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

    fn add(mut self, input: Input) -> Self {
        self.inputs.push(input);
        self
    }

    /// An f64 input whose gradient is checked.
    pub(crate) fn input(self, shape: &[usize], draw: Draw) -> Self {
        self.add(Input::Drawn(shape.to_vec(), draw))
    }

    /// An input of these elements that has no gradient.
    pub(crate) fn typed(self, element: Element, shape: &[usize], values: &[f64]) -> Self {
        self.add(Input::Typed(element, shape.to_vec(), values.to_vec()))
    }

    pub(crate) fn tensor(self, tensor: TensorProto) -> Self {
        self.add(Input::Tensor(tensor))
    }

    pub(crate) fn constant(self, shape: &[usize], values: &[f64]) -> Self {
        self.tensor(TensorProto::f64("", shape, values))
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

    /// Builds the graph and its gradient, and compares every element's derivative of
    /// `sum(cotangent * output)` with its central difference.
    pub(crate) fn check(mut self) {
        let mut graph = Graph::new(&self.op, self.opset).unwrap();
        let mut values: Vec<Option<Value>> = Vec::new();
        let mut feed: Vec<(String, ArrayD<f64>)> = Vec::new();
        let mut wrt = Vec::new();
        for (place, input) in self.inputs.iter().enumerate() {
            let name = format!("x{place}");
            values.push(match input {
                Input::Absent => None,
                Input::Tensor(tensor) => {
                    let name = format!("c{place}");
                    Some(
                        graph
                            .constant(TensorProto {
                                name,
                                ..tensor.clone()
                            })
                            .unwrap(),
                    )
                }
                Input::Typed(element, shape, values) => {
                    let array = ArrayD::from_shape_vec(IxDyn(shape), values.clone()).unwrap();
                    feed.push((name.clone(), array));
                    Some(graph.input(&name, *element, shape).unwrap())
                }
                Input::Drawn(shape, draw) => {
                    let array =
                        ArrayD::from_shape_simple_fn(IxDyn(shape), || draw(&mut self.random));
                    feed.push((name.clone(), array));
                    let value = graph.input(&name, Element::F64, shape).unwrap();
                    wrt.push((feed.len() - 1, value));
                    Some(value)
                }
            });
        }
        let made = graph
            .op_many(&self.op, &values, self.attributes.clone(), self.outputs)
            .unwrap();
        let mut outputs = Vec::new();
        for (place, value) in made.into_iter().enumerate() {
            outputs.push(graph.output(&format!("y{place}"), value).unwrap());
        }
        let handles: Vec<Value> = wrt.iter().map(|(_, value)| *value).collect();
        let backward = gradient(&graph, &outputs, &handles).unwrap();
        // The gradient is a graph of standard operators that holds together.
        backward.model().unwrap();

        let mut whole = feed.clone();
        let mut cotangents = Vec::new();
        for output in &outputs {
            let name = format!("cotangent.{}", graph.name_of(*output));
            let shape = IxDyn(graph.shape(*output));
            let array = ArrayD::from_shape_simple_fn(shape, || self.random.next());
            cotangents.push(array.clone());
            whole.push((name, array));
        }
        let gradients = run(&backward, &whole).split_off(outputs.len());
        let objective = |feed: &[(String, ArrayD<f64>)]| -> f64 {
            let outputs = run(&graph, feed);
            outputs
                .iter()
                .zip(&cotangents)
                .map(|(y, dy)| (y * dy).sum())
                .sum()
        };
        for ((place, value), gradient) in wrt.iter().zip(&gradients) {
            assert_eq!(gradient.shape(), graph.shape(*value));
            for (element, &got) in gradient.iter().enumerate() {
                let step = 1e-5;
                let at = |offset: f64| {
                    let mut feed = feed.clone();
                    *feed[*place].1.iter_mut().nth(element).unwrap() += offset;
                    objective(&feed)
                };
                let expected = (at(step) - at(-step)) / (2.0 * step);
                assert!(
                    (got - expected).abs() <= 1e-6 * (1.0 + expected.abs()),
                    "{} input {place} element {element}: expected {expected}, got {got}",
                    self.op
                );
            }
        }
    }
}

pub(crate) fn run(graph: &Graph, feed: &[(String, ArrayD<f64>)]) -> Vec<ArrayD<f64>> {
    let feed: Vec<(&str, ArrayD<f64>)> = feed
        .iter()
        .map(|(name, x)| (name.as_str(), x.clone()))
        .collect();
    evaluate(graph, &feed).unwrap()
}
