//! A model folder that runs: D(x; sigma) by ONNX Runtime.

use std::sync::OnceLock;

use eidetic_runtime::{ModelSource, Runtime, SessionOptions, Sessions};
use eidetic_sdk::batch::{Condition, condition_values};
use eidetic_sdk::{Batch, Model, ModelInfo};
use ndarray::{Array1, Array4, ArrayD, ArrayView1, ArrayView4, ArrayViewMut4, Ix1, s};

use super::convention::Point;
use super::error::Error;
use super::folder::ModelFolder;
use super::network::{CLASS_LABELS, NoiseInput, OUT_SAMPLE, SAMPLE};
use super::pass::Pass;
use super::vjp;

/// A denoiser in pixel space. A row's result depends on that row and its id alone, as far as the
/// network's does: a row stands in the microbatches where its id says. Give rows distinct ids.
#[derive(Debug)]
pub struct OnnxModel {
    folder: ModelFolder,
    info: ModelInfo,
    sessions: Sessions,
    runtime: Runtime,
    options: SessionOptions,
    /// The network of vector-Jacobian products, made when it is first needed.
    vjp: OnceLock<eidetic_sdk::Result<Sessions>>,
}

impl OnnxModel {
    /// Opens the network of a folder.
    ///
    /// # Errors
    /// [`Error::Runtime`] where ONNX Runtime or the device refuses it.
    pub fn open(
        folder: ModelFolder,
        runtime: &Runtime,
        options: &SessionOptions,
    ) -> Result<Self, Error> {
        let sessions = runtime
            .open(ModelSource::File(&folder.network()), options)
            .map_err(|error| Error::Runtime(Box::new(error)))?;
        Ok(Self {
            info: folder.info(),
            folder,
            sessions,
            runtime: runtime.clone(),
            options: options.clone(),
            vjp: OnceLock::new(),
        })
    }

    /// The folder it was opened from.
    pub fn folder(&self) -> &ModelFolder {
        &self.folder
    }

    fn point(&self, sigma: f32) -> Point {
        let prediction = self.folder.manifest().prediction;
        match (self.folder.noise_input(), self.folder.schedule()) {
            (NoiseInput::Timestep { whole: true, .. }, Some(schedule)) => {
                prediction.at_step(sigma, schedule)
            }
            (_, schedule) => prediction.at(sigma, schedule),
        }
    }

    /// The points of rows, and what the network takes as x: extra channels are masks, not noisy
    /// pixels, so only the image's own are scaled.
    fn input(&self, batch: &Batch<'_>) -> (Vec<Point>, Array4<f32>) {
        let sigma = batch.sigma.iter();
        let points: Vec<Point> = sigma.map(|&sigma| self.point(sigma)).collect();
        let channels = self.info.image.channels as usize;
        let mut input = batch.x.to_owned();
        for (mut row, point) in input.outer_iter_mut().zip(&points) {
            row.slice_mut(s![..channels, .., ..])
                .mapv_inplace(|x| (f64::from(x) * point.input) as f32);
        }
        (points, input)
    }

    /// `[rows, channels, H, W]`.
    fn dim(&self, rows: usize, channels: u32) -> [usize; 4] {
        let image = self.info.image;
        let [channels, height, width] =
            [channels, image.height, image.width].map(|size| size as usize);
        [rows, channels, height, width]
    }

    /// An output of the network, or of its vjp, if it has the shape that it should have.
    fn shaped(
        &self,
        name: &str,
        output: ArrayD<f32>,
        expected: [usize; 4],
    ) -> eidetic_sdk::Result<ArrayD<f32>> {
        if output.shape() == expected {
            return Ok(output);
        }
        Err(eidetic_sdk::Error::from(format!(
            "{}: output {name}: expected shape {expected:?}, got {:?}",
            self.folder.network().display(),
            output.shape()
        )))
    }

    /// Checks x, sigma and others `[B, ...]` by their names, channels and shapes.
    fn check(
        &self,
        batch: &Batch<'_>,
        others: &[(&str, u32, &[usize])],
    ) -> eidetic_sdk::Result<()> {
        let x = [("x", self.taken_channels(), batch.x.shape())];
        for (name, channels, got) in x.iter().chain(others) {
            let want = self.dim(batch.rows(), *channels);
            if *got != want {
                return Err(eidetic_sdk::Error::bad_input(format!(
                    "{name}: expected shape {want:?}, got {got:?}"
                )));
            }
        }
        match batch
            .sigma
            .iter()
            .position(|sigma| !(*sigma > 0.0 && sigma.is_finite()))
        {
            Some(row) => Err(eidetic_sdk::Error::bad_input(format!(
                "sigma of row {row}: expected a finite number above 0, got {}",
                batch.sigma[row]
            ))),
            None => Ok(()),
        }
    }

    fn taken_channels(&self) -> u32 {
        self.info.image.channels + self.info.extra_channels
    }

    /// The labels of rows, null ones replaced; `None` for a model without classes.
    fn labels(&self, batch: &Batch<'_>) -> eidetic_sdk::Result<Option<Array1<i64>>> {
        let bad = |message: String| Err(eidetic_sdk::Error::bad_input(message));
        let classes = self.folder.manifest().classes;
        let known = |condition: &Condition<'_>| classes.is_some() && condition.name == CLASS_LABELS;
        if let Some(other) = batch.conditions.iter().find(|condition| !known(condition)) {
            return bad(format!(
                "condition {:?}: the model takes no such condition",
                other.name
            ));
        }
        let Some(classes) = classes else {
            return Ok(None);
        };
        let null_class = self.folder.manifest().null_class;
        let Some(condition) = batch.condition(CLASS_LABELS) else {
            return match null_class {
                Some(null) => Ok(Some(Array1::from_elem(batch.rows(), null))),
                None => bad(format!("expected the condition {CLASS_LABELS}, got none")),
            };
        };
        let values = condition_values::<i64>(condition)?;
        let values: ArrayView1<'_, i64> = values.into_dimensionality::<Ix1>()?;
        let label = |(row, (&label, &null)): (usize, (&i64, &u8))| match (null, null_class) {
            (0, _) if (0..i64::from(classes)).contains(&label) => Ok(label),
            (0, _) => Err(eidetic_sdk::Error::bad_input(format!(
                "{CLASS_LABELS} of row {row}: expected 0 to {}, got {label}",
                classes - 1
            ))),
            (_, Some(null)) => Ok(null),
            (_, None) => Err(eidetic_sdk::Error::bad_input(format!(
                "{CLASS_LABELS} of row {row}: null, but the model has no null_class"
            ))),
        };
        let rows = values.iter().zip(condition.null.as_slice());
        Ok(Some(
            rows.enumerate()
                .map(label)
                .collect::<eidetic_sdk::Result<_>>()?,
        ))
    }
}

impl Model for OnnxModel {
    fn info(&self) -> ModelInfo {
        self.info.clone()
    }

    fn denoise(
        &self,
        batch: Batch<'_>,
        mut out: ArrayViewMut4<'_, f32>,
    ) -> eidetic_sdk::Result<()> {
        self.check(&batch, &[("out", self.info.image.channels, out.shape())])?;
        let labels = self.labels(&batch)?;
        if batch.rows() == 0 {
            return Ok(());
        }
        let (points, input) = self.input(&batch);
        let pass = Pass {
            images: &[(SAMPLE, input.view())],
            points: &points,
            labels: labels.as_ref(),
            row_id: batch.row_id,
            noise: self.folder.noise_input(),
        };
        let output = pass.run(&self.sessions, OUT_SAMPLE)?;
        let dim = self.dim(batch.rows(), self.info.image.channels);
        let output = self.shaped(OUT_SAMPLE, output, dim)?;
        let rows = out
            .outer_iter_mut()
            .zip(batch.x.outer_iter())
            .zip(output.outer_iter());
        for (((mut out, x), output), point) in rows.zip(&points) {
            // In f64: x and sigma F are large and nearly equal at large sigma.
            for ((out, &x), &output) in out.iter_mut().zip(&x).zip(&output) {
                let denoised = match point.skip {
                    0.0 => point.output * f64::from(output),
                    skip => skip * f64::from(x) + point.output * f64::from(output),
                };
                *out = denoised as f32;
            }
        }
        Ok(())
    }

    /// Of D = skip x + output F(input x): skip v + input output J^T v, where extra channels have no
    /// part in the first term and are not scaled by `input`. The network's own product J^T v comes
    /// from a second network, made at the first call.
    fn denoise_vjp(
        &self,
        batch: Batch<'_>,
        cotangent: ArrayView4<'_, f32>,
        mut out: ArrayViewMut4<'_, f32>,
    ) -> eidetic_sdk::Result<()> {
        let channels = self.info.image.channels;
        self.check(
            &batch,
            &[
                ("cotangent", channels, cotangent.shape()),
                ("out", self.taken_channels(), out.shape()),
            ],
        )?;
        let open = || vjp::open(&self.folder, &self.runtime, &self.options);
        let sessions = self.vjp.get_or_init(open).as_ref().map_err(Clone::clone)?;
        let labels = self.labels(&batch)?;
        if batch.rows() == 0 {
            return Ok(());
        }
        let (points, input) = self.input(&batch);
        let pass = Pass {
            images: &[(SAMPLE, input.view()), (vjp::COTANGENT, cotangent)],
            points: &points,
            labels: labels.as_ref(),
            row_id: batch.row_id,
            noise: self.folder.noise_input(),
        };
        let product = pass.run(sessions, vjp::GRADIENT)?;
        let dim = self.dim(batch.rows(), self.taken_channels());
        let product = self.shaped(vjp::GRADIENT, product, dim)?;
        let rows = out
            .outer_iter_mut()
            .zip(product.outer_iter())
            .zip(cotangent.outer_iter());
        for (((mut out, product), cotangent), point) in rows.zip(&points) {
            // The image's own channels come first; none of the cotangent is left for the others.
            let own = cotangent
                .iter()
                .map(|&v| (point.skip * f64::from(v), point.input));
            let terms = own.chain(std::iter::repeat((0.0, 1.0)));
            for ((out, &product), (skipped, scale)) in out.iter_mut().zip(&product).zip(terms) {
                *out = (skipped + scale * point.output * f64::from(product)) as f32;
            }
        }
        Ok(())
    }
}
