//! A model folder that runs: D(x; sigma) by ONNX Runtime.

use std::collections::BTreeMap;

use eidetic_runtime::{Feed, ModelSource, Runtime, SessionOptions, Sessions};
use eidetic_sdk::batch::{Condition, condition_values};
use eidetic_sdk::{Batch, Model, ModelInfo};
use ndarray::{Array1, Array4, ArrayD, ArrayView1, ArrayView4, ArrayViewMut4, Axis, Ix1, s};

use super::convention::{Noise, Point};
use super::error::Error;
use super::folder::ModelFolder;
use super::network::{CLASS_LABELS, NoiseInput, OUT_SAMPLE, SAMPLE, SIGMA, TIMESTEP};
use super::places::{slots, spread};

/// A denoiser in pixel space. A row's result depends on that row and its id alone, as far as the
/// network's does: a row stands in the microbatches where its id says. Give rows distinct ids.
#[derive(Debug)]
pub struct OnnxModel {
    folder: ModelFolder,
    info: ModelInfo,
    sessions: Sessions,
}

/// The noise levels of rows as the network takes them.
enum Levels {
    Real(Array1<f32>),
    Whole(Array1<i64>),
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

    /// The network's output `[B, C, H, W]` for its own input and noise levels.
    fn network(
        &self,
        input: ArrayView4<'_, f32>,
        points: &[Point],
        labels: Option<&Array1<i64>>,
    ) -> eidetic_sdk::Result<ArrayD<f32>> {
        let levels = Levels::of(points);
        let (name, scalar) = match self.folder.noise_input() {
            NoiseInput::Sigma => (SIGMA, false),
            NoiseInput::Timestep { scalar, .. } => (TIMESTEP, scalar),
        };
        if !scalar {
            return self.run(input.view(), levels.rows(name), labels);
        }
        // One call for each distinct timestep, in ascending order, its rows in the batch's order.
        let mut output = None;
        for (_, rows) in levels.groups() {
            let labels = labels.map(|labels| labels.select(Axis(0), &rows));
            let input = input.select(Axis(0), &rows);
            let level = levels.constant(name, rows[0]);
            let part = self.run(input.view(), level, labels.as_ref())?;
            let mut dims = part.shape().to_vec();
            dims[0] = points.len();
            let output = output.get_or_insert_with(|| ArrayD::zeros(dims));
            for (part, row) in part.outer_iter().zip(rows) {
                output.index_axis_mut(Axis(0), row).assign(&part);
            }
        }
        output.ok_or_else(|| eidetic_sdk::Error::bad_input("expected at least one row, got 0"))
    }

    fn run<'a>(
        &self,
        input: ArrayView4<'a, f32>,
        noise: Feed<'a>,
        labels: Option<&'a Array1<i64>>,
    ) -> eidetic_sdk::Result<ArrayD<f32>> {
        let rows = input.len_of(Axis(0));
        let mut feeds = vec![Feed::rows(SAMPLE, input.into_dyn()), noise];
        if let Some(labels) = labels {
            feeds.push(Feed::rows_i64(CLASS_LABELS, labels.view().into_dyn()));
        }
        let outputs = self.sessions.run(rows, &feeds, &[OUT_SAMPLE]);
        let mut outputs = outputs.map_err(|error| eidetic_sdk::Error::from(error.to_string()))?;
        let output = outputs.swap_remove(0);
        let image = self.info.image;
        let image = [image.channels, image.height, image.width].map(|size| size as usize);
        let expected = [&[rows], image.as_slice()].concat();
        if output.shape() == expected {
            return Ok(output);
        }
        Err(eidetic_sdk::Error::from(format!(
            "{}: output {OUT_SAMPLE}: expected shape {expected:?}, got {:?}",
            self.folder.network().display(),
            output.shape()
        )))
    }

    fn check(&self, batch: &Batch<'_>, out: &[usize]) -> eidetic_sdk::Result<()> {
        let image = self.info.image;
        let of = |channels: u32| {
            [batch.rows() as u32, channels, image.height, image.width].map(|size| size as usize)
        };
        let taken = of(image.channels + self.info.extra_channels);
        for (name, want, got) in [
            ("x", taken, batch.x.shape()),
            ("out", of(image.channels), out),
        ] {
            if got != want {
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
        self.check(&batch, out.shape())?;
        let labels = self.labels(&batch)?;
        if batch.rows() == 0 {
            return Ok(());
        }
        let Some(slots) = slots(batch.row_id, self.sessions.microbatch()) else {
            return self.denoise_in_place(batch.x, batch.sigma, labels.as_ref(), out);
        };
        let x = spread(batch.x, &slots);
        let sigma = spread(ArrayView1::from(batch.sigma), &slots).to_vec();
        let labels = labels.map(|labels| spread(labels.view(), &slots));
        let mut dim = out.raw_dim();
        dim[0] = x.len_of(Axis(0));
        let mut spread_out = Array4::zeros(dim);
        self.denoise_in_place(x.view(), &sigma, labels.as_ref(), spread_out.view_mut())?;
        for (slot, mut out) in slots.into_iter().zip(out.outer_iter_mut()) {
            out.assign(&spread_out.index_axis(Axis(0), slot));
        }
        Ok(())
    }
}

impl OnnxModel {
    /// D(x; sigma) of rows that stand where they are to stand in the microbatches.
    fn denoise_in_place(
        &self,
        x: ArrayView4<'_, f32>,
        sigma: &[f32],
        labels: Option<&Array1<i64>>,
        mut out: ArrayViewMut4<'_, f32>,
    ) -> eidetic_sdk::Result<()> {
        let points: Vec<Point> = sigma.iter().map(|&sigma| self.point(sigma)).collect();
        let channels = self.info.image.channels as usize;
        let mut input: Array4<f32> = x.to_owned();
        for (mut row, point) in input.outer_iter_mut().zip(&points) {
            // Extra channels are masks, not noisy pixels: only x is scaled.
            row.slice_mut(s![..channels, .., ..])
                .mapv_inplace(|x| (f64::from(x) * point.input) as f32);
        }
        let output = self.network(input.view(), &points, labels)?;
        let rows = out
            .outer_iter_mut()
            .zip(x.outer_iter())
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
}

impl Levels {
    /// All points of one network are of one kind.
    fn of(points: &[Point]) -> Self {
        let whole = |point: &Point| match point.noise {
            Noise::Step(step) => Some(step as i64),
            Noise::Real(_) => None,
        };
        if let Some(steps) = points.iter().map(whole).collect() {
            return Self::Whole(steps);
        }
        let real = |point: &Point| match point.noise {
            Noise::Real(level) => level as f32,
            Noise::Step(step) => step as f32,
        };
        Self::Real(points.iter().map(real).collect())
    }

    fn rows<'a>(&'a self, name: &'a str) -> Feed<'a> {
        match self {
            Self::Real(levels) => Feed::rows(name, levels.view().into_dyn()),
            Self::Whole(levels) => Feed::rows_i64(name, levels.view().into_dyn()),
        }
    }

    /// Rows of one level, by ascending level. Timesteps are from 0, where the order of the bits of
    /// floats is that of the numbers.
    fn groups(&self) -> BTreeMap<u64, Vec<usize>> {
        let keys: Vec<u64> = match self {
            Self::Real(levels) => levels
                .iter()
                .map(|level| u64::from(level.to_bits()))
                .collect(),
            Self::Whole(levels) => levels.iter().map(|&level| level as u64).collect(),
        };
        let mut groups: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (row, key) in keys.into_iter().enumerate() {
            groups.entry(key).or_default().push(row);
        }
        groups
    }

    /// The level of one row, for all of a call.
    fn constant<'a>(&'a self, name: &'a str, row: usize) -> Feed<'a> {
        match self {
            Self::Real(levels) => Feed::constant(name, levels.index_axis(Axis(0), row).into_dyn()),
            Self::Whole(levels) => {
                Feed::constant_i64(name, levels.index_axis(Axis(0), row).into_dyn())
            }
        }
    }
}
