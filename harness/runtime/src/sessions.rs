//! A model, opened for batched inference that gives the same bytes whatever the number of rows and
//! sessions.

use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use ndarray::{ArrayD, Axis, Slice};
use ort::environment::Environment;
use ort::ep::{CUDA, cuda::ConvAlgorithmSearch};
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};

use crate::microbatch::Microbatches;
use crate::{Device, Element, Error, Feed, ModelSource, Port};

/// How a model is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionOptions {
    /// Where it runs.
    pub device: Device,
    /// How many sessions run at once, one thread each; each holds the weights. At least 1.
    pub sessions: usize,
    /// Rows in one pass through the model, always exactly so many: ONNX Runtime does not promise
    /// equal bits across batch shapes. At least 1.
    pub microbatch: usize,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            device: Device::Cpu,
            sessions: 1,
            microbatch: 16,
        }
    }
}

/// A model, opened as many times as it may run at once.
#[derive(Debug)]
pub struct Sessions {
    model: String,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    microbatch: usize,
    pool: Vec<Mutex<Session>>,
}

/// What [`Sessions::run_summed`] gives, in the order in which it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Summed {
    /// Outputs with one entry a row, `[rows, ...]`.
    pub each: Vec<ArrayD<f32>>,
    /// Outputs added over the microbatches.
    pub sums: Vec<ArrayD<f32>>,
}

/// The outputs of one microbatch, and which one it was.
type Part = (usize, Result<Vec<ArrayD<f32>>, Error>);

impl Sessions {
    pub(crate) fn open(
        environment: &Environment,
        model: ModelSource<'_>,
        options: &SessionOptions,
    ) -> Result<Self, Error> {
        for (what, count) in [
            ("session", options.sessions),
            ("row a microbatch", options.microbatch),
        ] {
            if count == 0 {
                return Err(Error::Zero { what });
            }
        }
        let name = match model {
            ModelSource::File(path) => {
                File::open(path).map_err(|source| Error::Io {
                    doing: "read",
                    path: path.to_owned(),
                    source,
                })?;
                path.display().to_string()
            }
            ModelSource::Bytes(_) => "(in memory)".to_owned(),
        };
        let open = || {
            let mut builder =
                builder(environment, options.device).map_err(|error| Error::Device {
                    device: options.device,
                    model: name.clone(),
                    reason: error.to_string(),
                })?;
            match model {
                ModelSource::File(path) => builder.commit_from_file(path),
                ModelSource::Bytes(bytes) => builder.commit_from_memory(bytes),
            }
            .map_err(|error| Error::Model {
                model: name.clone(),
                reason: error.to_string(),
            })
        };
        let first = open()?;
        let inputs = first.inputs().iter().map(Port::new).collect();
        let outputs = first.outputs().iter().map(Port::new).collect();
        let mut pool = vec![Mutex::new(first)];
        for _ in 1..options.sessions {
            pool.push(Mutex::new(open()?));
        }
        Ok(Self {
            model: name,
            inputs,
            outputs,
            microbatch: options.microbatch,
            pool,
        })
    }

    /// The model's inputs, in the order of the graph.
    pub fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    /// The model's outputs, in the order of the graph.
    pub fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    /// Rows in one pass.
    pub fn microbatch(&self) -> usize {
        self.microbatch
    }

    /// How many passes run at once.
    pub fn sessions(&self) -> usize {
        self.pool.len()
    }

    /// Runs the model over `rows` rows and returns the outputs asked for, each `[rows, ...]`.
    ///
    /// Rows are cut into microbatches of one size, the last one filled up by repeating its last
    /// row, and spread over the sessions. Row `i` always lies at place `i % microbatch` of its
    /// microbatch, so its result does not depend on `rows` or on the number of sessions, as long
    /// as the model treats rows independently. The place itself can show in the last bits
    /// (ONNX Runtime 1.24 gives `Log` and `ReduceMean` of rows that are no multiple of 4 floats
    /// other bits at another place), so a caller that cuts its rows into several runs cuts them at
    /// multiples of [`Sessions::microbatch`].
    ///
    /// Every input of the model is fed once: with `[rows, ...]` of the model's element type, or
    /// with a constant of the shape that the model takes. Outputs that are not asked for are not
    /// computed.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for no rows; [`Error::Inputs`], [`Error::Input`] and [`Error::Output`] for
    /// what does not fit the model, with what was expected and what was got; [`Error::Run`].
    pub fn run(
        &self,
        rows: usize,
        inputs: &[Feed<'_>],
        outputs: &[&str],
    ) -> Result<Vec<ArrayD<f32>>, Error> {
        let parts = self.parts(rows, inputs, outputs)?;
        let each = |place: usize| self.join(rows, outputs[place], place, &parts);
        (0..outputs.len()).map(each).collect()
    }

    /// Runs the model over `rows` rows as [`Sessions::run`] does, and returns the outputs `each`,
    /// `[rows, ...]`, and the outputs `summed`: of any shape, added over the microbatches in their
    /// order. What the rows that fill the last microbatch add is the caller's to make nothing: see
    /// [`Feed::rows_then_zeros`].
    ///
    /// # Errors
    ///
    /// As [`Sessions::run`].
    pub fn run_summed(
        &self,
        rows: usize,
        inputs: &[Feed<'_>],
        each: &[&str],
        summed: &[&str],
    ) -> Result<Summed, Error> {
        let outputs = [each, summed].concat();
        let mut parts = self.parts(rows, inputs, &outputs)?;
        let joined = |place: usize| self.join(rows, outputs[place], place, &parts);
        let joined = (0..each.len()).map(joined).collect::<Result<_, _>>()?;
        let mut parts = parts.iter_mut().map(|part| part.split_off(each.len()));
        let mut sums = parts.next().unwrap_or_default();
        for part in parts {
            for ((sum, part), name) in sums.iter_mut().zip(part).zip(summed) {
                if sum.shape() != part.shape() {
                    return Err(Error::Output {
                        model: self.model.clone(),
                        output: (*name).to_owned(),
                        expected: format!("{:?} from every microbatch", sum.shape()),
                        got: format!("{:?}", part.shape()),
                    });
                }
                *sum += &part;
            }
        }
        Ok(Summed { each: joined, sums })
    }

    /// The outputs of every microbatch, in their order.
    fn parts(
        &self,
        rows: usize,
        inputs: &[Feed<'_>],
        outputs: &[&str],
    ) -> Result<Vec<Vec<ArrayD<f32>>>, Error> {
        if rows == 0 {
            return Err(Error::Zero { what: "row" });
        }
        self.check_inputs(rows, inputs)?;
        self.check_outputs(outputs)?;
        if outputs.is_empty() {
            return Ok(Vec::new());
        }

        let count = rows.div_ceil(self.microbatch);
        let next = AtomicUsize::new(0);
        let work = |worker: usize| -> Vec<Part> {
            let mut session = self.session(worker);
            let mut batches = match Microbatches::new(&self.model, inputs, outputs, self.microbatch)
            {
                Ok(batches) => batches,
                Err(error) => return vec![(0, Err(error))],
            };
            let mut parts = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    return parts;
                }
                let part = batches.run(&mut session, index);
                if part.is_err() {
                    next.store(count, Ordering::Relaxed);
                }
                parts.push((index, part));
            }
        };
        let workers = self.pool.len().min(count);
        let mut parts = std::thread::scope(|scope| {
            let others: Vec<_> = (1..workers)
                .map(|worker| scope.spawn(move || work(worker)))
                .collect();
            let mut parts = work(0);
            for other in others {
                parts.extend(
                    other
                        .join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                );
            }
            parts
        });
        parts.sort_by_key(|(index, _)| *index);
        parts.into_iter().map(|(_, part)| part).collect()
    }

    /// An idle session, or a place in the queue of one.
    fn session(&self, worker: usize) -> MutexGuard<'_, Session> {
        for place in 0..self.pool.len() {
            match self.pool[(worker + place) % self.pool.len()].try_lock() {
                Ok(session) => return session,
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        self.pool[worker]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn check_inputs(&self, rows: usize, feeds: &[Feed<'_>]) -> Result<(), Error> {
        let known = |feed: &Feed<'_>| self.inputs.iter().any(|port| port.name == feed.name);
        let fed = |port: &Port| feeds.iter().filter(|feed| feed.name == port.name).count() == 1;
        if !feeds.iter().all(known) || !self.inputs.iter().all(fed) {
            let expected = self
                .inputs
                .iter()
                .map(|port| format!("{} {}", port.name, port.shape()));
            let got: Vec<_> = feeds.iter().map(|feed| feed.name).collect();
            return Err(Error::Inputs {
                model: self.model.clone(),
                expected: expected.collect::<Vec<_>>().join(", "),
                got: if got.is_empty() {
                    "none".to_owned()
                } else {
                    got.join(", ")
                },
            });
        }
        for feed in feeds {
            let Some(port) = self.inputs.iter().find(|port| port.name == feed.name) else {
                continue;
            };
            self.check_input(rows, port, feed)?;
        }
        Ok(())
    }

    fn check_input(&self, rows: usize, port: &Port, feed: &Feed<'_>) -> Result<(), Error> {
        let shape = feed.value.shape();
        let wrong = |expected: String, got: String| Error::Input {
            model: self.model.clone(),
            input: port.name.clone(),
            expected,
            got,
        };
        let element = feed.value.element();
        let given = format!("{element} {shape:?}");
        if element != port.element {
            return Err(wrong(port.shape(), given));
        }
        if !feed.value.is_batched() {
            return if port.fits(shape) {
                Ok(())
            } else {
                Err(wrong(port.shape(), given))
            };
        }
        if shape.first() != Some(&rows) {
            return Err(wrong(format!("{rows} rows"), given));
        }
        let mut batch = shape.to_owned();
        batch[0] = self.microbatch;
        if !port.fits(&batch) {
            let got = format!(
                "{element} {batch:?} (rows in microbatches of {})",
                self.microbatch
            );
            return Err(wrong(port.shape(), got));
        }
        Ok(())
    }

    fn check_outputs(&self, outputs: &[&str]) -> Result<(), Error> {
        for (place, output) in outputs.iter().enumerate() {
            let wrong = |expected: String, got: String| Error::Output {
                model: self.model.clone(),
                output: (*output).to_owned(),
                expected,
                got,
            };
            let Some(port) = self.outputs.iter().find(|port| port.name == *output) else {
                let names: Vec<_> = self.outputs.iter().map(|port| port.name.as_str()).collect();
                return Err(wrong(
                    format!("one of {}", names.join(", ")),
                    "no such output".into(),
                ));
            };
            if port.element != Element::F32 {
                return Err(wrong("f32".to_owned(), port.element.to_string()));
            }
            if outputs[..place].contains(output) {
                return Err(wrong("each output once".to_owned(), "twice".to_owned()));
            }
        }
        Ok(())
    }

    /// Puts the microbatches of one output one after another, without the filling of the last.
    fn join(
        &self,
        rows: usize,
        output: &str,
        place: usize,
        parts: &[Vec<ArrayD<f32>>],
    ) -> Result<ArrayD<f32>, Error> {
        let wrong = |expected: String, got: String| Error::Output {
            model: self.model.clone(),
            output: output.to_owned(),
            expected,
            got,
        };
        let mut views = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            let part = &part[place];
            if part.shape().first() != Some(&self.microbatch) {
                let expected = format!("one entry a row, [{}, ...]", self.microbatch);
                return Err(wrong(expected, format!("{:?}", part.shape())));
            }
            let left = (rows - index * self.microbatch).min(self.microbatch);
            views.push(part.slice_axis(Axis(0), Slice::from(..left)));
        }
        ndarray::concatenate(Axis(0), &views).map_err(|error| {
            let expected = "the same shape from every microbatch".to_owned();
            wrong(expected, error.to_string())
        })
    }
}

/// The options of every session: nothing is left to a default that another version may change.
fn builder(environment: &Environment, device: Device) -> ort::Result<SessionBuilder> {
    let builder = Session::builder(environment)?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_parallel_execution(false)?
        .with_deterministic_compute(true)?
        .with_optimization_level(GraphOptimizationLevel::All)?;
    // Without a named provider ort lets ONNX Runtime choose the device that saves most energy.
    Ok(match device {
        Device::Cpu => {
            let is_cpu = |device: &ort::device::Device<'_>| {
                device.ep().is_ok_and(|name| name == "CPUExecutionProvider")
            };
            let cpu: Vec<_> = environment.devices().filter(is_cpu).collect();
            if cpu.is_empty() {
                return Err(ort::Error::new("the library lists no CPUExecutionProvider"));
            }
            builder.with_devices(cpu, None)?
        }
        Device::Cuda => builder.with_execution_providers([CUDA::default()
            .with_tf32(false)
            .with_conv_algorithm_search(ConvAlgorithmSearch::Heuristic)
            .build()
            .error_on_failure()])?,
    })
}
