//! The present network and its average, without gradient.

use std::sync::{Arc, Mutex, PoisonError};

use eidetic_runtime::{Feed, ModelSource, Runtime, SessionOptions, Sessions};
use ndarray::{ArrayD, ArrayViewD, IxDyn};

use crate::error::Error;
use crate::parameters::Parameters;
use crate::task::{Networks, Rows, Task, Which};

/// The graph of [`Task::forward`], opened when it is first asked for.
pub(crate) struct Forward<'a> {
    task: &'a dyn Task,
    runtime: &'a Runtime,
    options: SessionOptions,
    open: Mutex<Option<Arc<Open>>>,
}

struct Open {
    sessions: Sessions,
    output: String,
}

impl<'a> Forward<'a> {
    pub(crate) fn new(task: &'a dyn Task, runtime: &'a Runtime, options: SessionOptions) -> Self {
        let open = Mutex::new(None);
        Self {
            task,
            runtime,
            options,
            open,
        }
    }

    pub(crate) fn with<'b>(&'b self, weights: &'b Parameters, ema: &'b Parameters) -> Present<'b> {
        Present {
            forward: self,
            weights,
            ema,
        }
    }

    fn open(&self) -> Result<Arc<Open>, Error> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = &*open {
            return Ok(Arc::clone(open));
        }
        let graph = self.task.forward(self.options.microbatch)?;
        let [output] = graph.outputs() else {
            return Err(Error::Shape {
                what: "the forward graph".to_owned(),
                expected: "one output".to_owned(),
                got: graph.outputs().len().to_string(),
            });
        };
        let output = graph.name_of(*output).to_owned();
        let bytes = eidetic_graph::encode(&graph.model()?);
        let sessions = self
            .runtime
            .open(ModelSource::Bytes(&bytes), &self.options)?;
        Ok(Arc::clone(open.insert(Arc::new(Open { sessions, output }))))
    }
}

pub(crate) struct Present<'a> {
    forward: &'a Forward<'a>,
    weights: &'a Parameters,
    ema: &'a Parameters,
}

impl Networks for Present<'_> {
    fn run(&self, which: Which, rows: &Rows) -> Result<ArrayD<f32>, Error> {
        let open = self.forward.open()?;
        let parameters = match which {
            Which::Present => self.weights,
            Which::Average => self.ema,
        };
        let first = rows.floats.values().next();
        let count = first.and_then(|values| values.shape().first().copied());
        let count = count.unwrap_or_default();
        let mut feeds: Vec<Feed<'_>> = Vec::new();
        for (name, values) in &rows.floats {
            feeds.push(Feed::rows(name, values.view()));
        }
        for (name, values) in &rows.integers {
            feeds.push(Feed::rows_i64(name, values.view()));
        }
        for each in &parameters.list {
            let values = ArrayViewD::from_shape(IxDyn(&each.shape), &each.values);
            let values = values.map_err(|error| Error::Shape {
                what: each.name.clone(),
                expected: "as many elements as its sizes say".to_owned(),
                got: error.to_string(),
            })?;
            feeds.push(Feed::constant(&each.name, values));
        }
        let out = open.sessions.run(count, &feeds, &[&open.output])?;
        out.into_iter().next().ok_or_else(|| Error::Shape {
            what: open.output.clone(),
            expected: "an output".to_owned(),
            got: "none".to_owned(),
        })
    }
}
