//! The averaged network in training, as it will be served: exported, and opened by ONNX Runtime.

use eidetic_nn::{Denoiser, Parameters, names};
use eidetic_runtime::{Feed, ModelSource, Runtime, SessionOptions, Sessions};
use eidetic_sdk::{Batch, Model, ModelInfo};
use ndarray::{Array1, ArrayViewMut4};

use super::objective::labels;

/// A denoiser with the weights of a moment.
pub(super) struct Served {
    info: ModelInfo,
    sessions: Sessions,
    classes: usize,
}

impl Served {
    pub(super) fn open(
        denoiser: &Denoiser,
        weights: &Parameters,
        info: ModelInfo,
        runtime: &Runtime,
        options: &SessionOptions,
    ) -> Result<Self, eidetic_nn::Error> {
        let bytes = eidetic_graph::encode(&denoiser.export(weights)?);
        Ok(Self {
            info,
            sessions: runtime.open(ModelSource::Bytes(&bytes), options)?,
            classes: denoiser.classes,
        })
    }
}

impl Model for Served {
    fn info(&self) -> ModelInfo {
        self.info.clone()
    }

    /// Rows stand in their microbatches in the order given: callers give blocks that begin at
    /// multiples of the microbatch, as the sampling service does.
    fn denoise(
        &self,
        batch: Batch<'_>,
        mut out: ArrayViewMut4<'_, f32>,
    ) -> eidetic_sdk::Result<()> {
        let sigma = Array1::from(batch.sigma.to_vec()).into_dyn();
        let labels = labels(&batch, self.classes)?.map(|labels| Array1::from(labels).into_dyn());
        let mut feeds = vec![
            Feed::rows(names::SAMPLE, batch.x.into_dyn()),
            Feed::rows(names::SIGMA, sigma.view()),
        ];
        let labels = labels.as_ref();
        feeds.extend(labels.map(|labels| Feed::rows_i64(names::CLASS_LABELS, labels.view())));
        let made = self
            .sessions
            .run(batch.rows(), &feeds, &[names::OUT_SAMPLE])
            .map_err(|error| eidetic_sdk::Error::from(error.to_string()))?;
        match made.first() {
            Some(made) if made.shape() == out.shape() => {
                out.assign(made);
                Ok(())
            }
            _ => Err(eidetic_sdk::Error::bad_input(format!(
                "out: expected the network's shape, got {:?}",
                out.shape()
            ))),
        }
    }
}
