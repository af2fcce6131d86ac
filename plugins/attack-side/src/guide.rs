//! What the sampler asks the classifier: ln p(class | x; sigma) and its gradient.

use eidetic_graph::{Graph, encode, gradient};
use eidetic_nn::names;
use eidetic_runtime::{Device, Feed, ModelSource, Runtime, SessionOptions, Sessions};
use eidetic_sdk::ndarray::{Array1, Array4, ArrayD, ArrayView4, ArrayViewD, Ix4, IxDyn};
use eidetic_sdk::{Error, Result};

use crate::patches::{fold, unfold};

const COTANGENT: &str = "cotangent.log_probability";
const GRADIENT: &str = "gradient.sample";

/// A classifier, differentiated with respect to its input and opened.
pub(crate) struct Guide {
    sessions: Sessions,
    patch: usize,
}

impl Guide {
    /// Rows in one pass. A row's bits may depend on its place in a pass, so samples are cut into
    /// batches at multiples of this.
    pub(crate) const ROWS: usize = 16;

    /// From a graph of [`Self::ROWS`] rows with the inputs and the output of
    /// [`eidetic_nn::Classifier::log_probability`], of images [folded](fold) by `patch`; `threads`
    /// passes run at once.
    pub(crate) fn new(
        runtime: &Runtime,
        graph: &Graph,
        patch: usize,
        threads: usize,
    ) -> Result<Self> {
        let value = |name: &str| {
            let missing = || Error::from(format!("the classifier has no value {name}"));
            graph.value(name).ok_or_else(missing)
        };
        let (output, sample) = (value(names::LOG_PROBABILITY)?, value(names::SAMPLE)?);
        let model = gradient(graph, &[output], &[sample]).and_then(|graph| graph.model());
        let model = encode(&model.map_err(|error| failed(&error))?);
        let options = SessionOptions {
            device: Device::Cpu,
            sessions: threads.max(1),
            microbatch: Self::ROWS,
        };
        let sessions = runtime.open(ModelSource::Bytes(&model), &options);
        let sessions = sessions.map_err(|error| failed(&error))?;
        Ok(Self { sessions, patch })
    }

    /// The gradient of ln p(class | x; sigma) with respect to x, of each row by itself.
    pub(crate) fn gradient(
        &self,
        x: ArrayView4<'_, f32>,
        sigma: &[f32],
        class: &[i64],
    ) -> Result<Array4<f32>> {
        let made = self.run(x, sigma, class, GRADIENT)?;
        let made = made.into_dimensionality::<Ix4>()?;
        Ok(unfold(made.view(), self.patch))
    }

    /// ln p(class | x; sigma) of each row.
    pub(crate) fn log_probability(
        &self,
        x: ArrayView4<'_, f32>,
        sigma: &[f32],
        class: &[i64],
    ) -> Result<Vec<f64>> {
        let made = self.run(x, sigma, class, names::LOG_PROBABILITY)?;
        Ok(made.iter().map(|&value| f64::from(value)).collect())
    }

    fn run(
        &self,
        x: ArrayView4<'_, f32>,
        sigma: &[f32],
        class: &[i64],
        output: &str,
    ) -> Result<ArrayD<f32>> {
        let rows = class.len();
        let each = IxDyn(&[rows]);
        let sigma = ArrayViewD::from_shape(each.clone(), sigma)?;
        let class = ArrayViewD::from_shape(each, class)?;
        let x = fold(x, self.patch).into_dyn();
        let ones = Array1::<f32>::ones(rows).into_dyn();
        let feeds = [
            Feed::rows(names::SAMPLE, x.view()),
            Feed::rows(names::SIGMA, sigma),
            Feed::rows_i64(names::CLASS_LABELS, class),
            Feed::rows(COTANGENT, ones.view()),
        ];
        let made = self.sessions.run(rows, &feeds, &[output]);
        let made = made.map_err(|error| failed(&error))?.pop();
        made.ok_or_else(|| Error::from("the classifier gave nothing"))
    }
}

pub(crate) fn failed(error: &dyn std::error::Error) -> Error {
    Error::from(format!("classifier: {error}"))
}
