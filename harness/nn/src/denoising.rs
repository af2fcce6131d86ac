//! The task of a denoiser: to give images back from noise.

use std::sync::Arc;

use eidetic_graph::Graph;
use ndarray::{Array1, Array4, ArrayD, ArrayView4, Axis, Ix4};
use rand::RngExt;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

use crate::denoiser::{Denoiser, Network, names};
use crate::error::Error;
use crate::layers::Weights;
use crate::objective::{Denoisers, Examples, Objective, Plan};
use crate::order;
use crate::parameters::Parameters;
use crate::random::rng;
use crate::rows::{Masks, assemble};
use crate::task::{Batch, Decision, Draw, Networks, Privacy, Rows, Task, Which};

/// What is drawn for each row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Drawing {
    /// Mean of ln sigma: -1.2 (Karras et al. 2022, table 1).
    pub ln_sigma_mean: f64,
    /// Standard deviation of ln sigma: 1.2 (the same).
    pub ln_sigma_std: f64,
    /// Share of rows whose label becomes the null class, for guidance without a classifier (Ho and
    /// Salimans 2022): 0.
    pub label_dropout: f64,
    /// Whether each row is mirrored left to right with probability one half: not.
    pub flip: bool,
}

impl Default for Drawing {
    fn default() -> Self {
        Self {
            ln_sigma_mean: -1.2,
            ln_sigma_std: 1.2,
            label_dropout: 0.0,
            flip: false,
        }
    }
}

/// Images to train on.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingImages {
    /// `[N, C, H, W]` in [-1, 1].
    pub images: Array4<f32>,
    /// `[N]`, from 0 and below the number of classes, where the denoiser has classes.
    pub labels: Option<Vec<i64>>,
    /// Stable identity of each image, `[N]`.
    pub index: Vec<u64>,
}

/// Training of a [`Denoiser`] with an [`Objective`].
pub struct Denoising {
    denoiser: Denoiser,
    drawing: Drawing,
    data: TrainingImages,
    objective: Arc<dyn Objective>,
    plan: Plan,
    masks: Masks,
}

impl Denoising {
    /// Checks that denoiser, images and objective fit each other.
    ///
    /// # Errors
    /// [`Error::Configuration`] for values without sense, [`Error::Shape`] for images, labels or
    /// identities that do not fit.
    pub fn new(
        denoiser: Denoiser,
        drawing: Drawing,
        data: TrainingImages,
        objective: Arc<dyn Objective>,
    ) -> Result<Self, Error> {
        let plan = objective.plan();
        check_drawing(&drawing)?;
        check_plan(&plan, &denoiser)?;
        check_data(&data, &denoiser)?;
        let masks = Masks::of(&denoiser)?;
        Ok(Self {
            denoiser,
            drawing,
            data,
            objective,
            plan,
            masks,
        })
    }

    /// What is trained.
    pub fn denoiser(&self) -> &Denoiser {
        &self.denoiser
    }

    /// Labels of the rows, some of them made the null class.
    fn labels(&self, draw: &Draw, rows: &[usize]) -> Option<Vec<i64>> {
        let labels = self.data.labels.as_ref()?;
        let classes = (self.denoiser.classes > 0).then_some(self.denoiser.classes as i64)?;
        let mut rng = rng(draw.seed, "null class", draw.step);
        let draw = |&row: &usize| match rng.random_bool(self.drawing.label_dropout) {
            true => classes,
            false => labels[row],
        };
        Some(rows.iter().map(draw).collect())
    }
}

impl Task for Denoising {
    fn initial(&self, seed: u64) -> Result<Parameters, Error> {
        self.denoiser.initial(seed)
    }

    fn loss(&self, rows: usize) -> Result<Graph, Error> {
        self.denoiser.loss(rows)
    }

    fn forward(&self, rows: usize) -> Result<Graph, Error> {
        let mut denoiser = self.denoiser.clone();
        if let Network::Unet(network) = &mut denoiser.network {
            network.dropout = 0.0;
        }
        denoiser.graph(rows, Weights::Inputs)
    }

    fn batch(&self, draw: &Draw, networks: &dyn Networks) -> Result<Batch, Error> {
        let count = self.data.index.len();
        let drawn = match self.plan.poisson {
            true => order::poisson(draw, count),
            false => order::epochs(draw, count),
        };
        if drawn.is_empty() {
            return Ok(Batch::default());
        }
        let draws = self.plan.draws_per_example;
        let each = |&row: &usize| std::iter::repeat_n(row, draws);
        let rows: Vec<usize> = drawn.iter().flat_map(each).collect();
        let x0 = self.data.images.select(Axis(0), &rows);
        let mut stream = rng(draw.seed, "noise", draw.step);
        let noise = Array4::from_shape_simple_fn(x0.dim(), || stream.sample(StandardNormal));
        let sigma = self.drawing.sigmas(draw, rows.len());
        let index: Vec<u64> = rows.iter().map(|&row| self.data.index[row]).collect();
        let labels = self.labels(draw, &rows);
        let examples = Examples {
            seed: draw.seed,
            step: draw.step,
            index: &index,
            x0: x0.view(),
            sigma: &sigma,
            noise: noise.view(),
            labels: labels.as_deref(),
        };
        let denoisers = InTraining {
            denoiser: &self.denoiser,
            networks,
        };
        let graded = self.objective.batch(&examples, &denoisers)?;
        let (rows, channels, height, width) = x0.dim();
        for each in &graded {
            each.check([rows, channels, height, width], &self.plan)?;
        }
        let mut stream = rng(draw.seed, "flip", draw.step);
        let flips: Vec<bool> = (0..rows)
            .map(|_| self.drawing.flip && stream.random_bool(0.5))
            .collect();
        // An example is a row of the drawn batch; under privacy each is a group of its own.
        let (groups, share) = match self.privacy() {
            Some(_) => (drawn.len(), 1.0 / draws as f64),
            None => (1, 1.0 / (draw.batch * draws) as f64),
        };
        let mut taken: Vec<Vec<(usize, usize)>> = vec![Vec::new(); groups];
        for (from, each) in graded.iter().enumerate() {
            for (place, row) in each.row.iter().enumerate() {
                taken[(row / draws).min(groups - 1)].push((from, place));
            }
        }
        taken.retain(|rows| !rows.is_empty());
        let mut batch = Batch::default();
        let mut masks = self.masks.draw(draw);
        for rows in &taken {
            let (labels, flips) = (labels.as_deref(), flips.as_slice());
            let mut group = assemble(&self.denoiser, &graded, rows, labels, flips)?;
            group.share = vec![share as f32; rows.len()];
            masks.add(&mut group)?;
            batch.groups.push(group);
            let index = rows
                .iter()
                .map(|&(from, place)| index[graded[from].row[place]]);
            batch.index.extend(index);
        }
        Ok(batch)
    }

    fn after_step(&self, step: u64, batch: &Batch, losses: &[f32]) -> Result<Decision, Error> {
        let levels = batch
            .groups
            .iter()
            .filter_map(|group| group.floats.get(names::SIGMA));
        let sigma: Vec<f32> = levels.flatten().copied().collect();
        self.objective
            .after_step(step, &batch.index, &sigma, losses)
    }

    fn privacy(&self) -> Option<Privacy> {
        self.plan.clip_per_example.map(|clip| Privacy {
            clip,
            noise_multiplier: self.plan.noise_multiplier,
            rows: self.plan.draws_per_example,
        })
    }

    fn state(&self) -> Result<Vec<u8>, Error> {
        self.objective.state()
    }

    fn restore(&self, state: &[u8]) -> Result<(), Error> {
        self.objective.restore(state)
    }
}

impl Drawing {
    fn sigmas(&self, draw: &Draw, rows: usize) -> Vec<f32> {
        let mut stream = rng(draw.seed, "sigma", draw.step);
        let mut normal = || stream.sample::<f64, _>(StandardNormal);
        (0..rows)
            .map(|_| (self.ln_sigma_mean + self.ln_sigma_std * normal()).exp() as f32)
            .collect()
    }
}

struct InTraining<'a> {
    denoiser: &'a Denoiser,
    networks: &'a dyn Networks,
}

impl Denoisers for InTraining<'_> {
    fn denoise(
        &self,
        which: Which,
        x: ArrayView4<'_, f32>,
        sigma: &[f32],
        labels: Option<&[i64]>,
    ) -> Result<Array4<f32>, Error> {
        let mut rows = Rows::default();
        let floats = &mut rows.floats;
        floats.insert(names::SAMPLE.to_owned(), x.into_dyn().to_owned());
        let sigma = Array1::from(sigma.to_vec()).into_dyn();
        floats.insert(names::SIGMA.to_owned(), sigma);
        if let (Some(labels), true) = (labels, self.denoiser.classes > 0) {
            let labels: ArrayD<i64> = Array1::from(labels.to_vec()).into_dyn();
            rows.integers.insert(names::CLASS_LABELS.to_owned(), labels);
        }
        let out = self.networks.run(which, &rows)?;
        let shape = format!("{:?}", out.shape());
        out.into_dimensionality::<Ix4>().map_err(|_| Error::Shape {
            what: names::OUT_SAMPLE.to_owned(),
            expected: "[B, C, H, W]".to_owned(),
            got: shape,
        })
    }
}

fn configuration(key: &'static str, expected: &str, got: impl ToString) -> Error {
    Error::Configuration {
        key,
        expected: expected.to_owned(),
        got: got.to_string(),
    }
}

fn check_drawing(drawing: &Drawing) -> Result<(), Error> {
    let (mean, std) = (drawing.ln_sigma_mean, drawing.ln_sigma_std);
    if !(-20.0..=20.0).contains(&mean) {
        return Err(configuration("ln_sigma_mean", "-20 to 20", mean));
    }
    if !(0.0..=5.0).contains(&std) {
        return Err(configuration("ln_sigma_std", "0 to 5", std));
    }
    match (0.0..=1.0).contains(&drawing.label_dropout) {
        true => Ok(()),
        false => Err(configuration(
            "label_dropout",
            "a share, 0 to 1",
            drawing.label_dropout,
        )),
    }
}

fn check_plan(plan: &Plan, denoiser: &Denoiser) -> Result<(), Error> {
    if plan.extra_channels != denoiser.extra_channels {
        let expected = format!("{}, as the denoiser has", denoiser.extra_channels);
        return Err(configuration(
            "extra_channels",
            &expected,
            plan.extra_channels,
        ));
    }
    if plan.masked != denoiser.masked {
        let expected = format!("{}, as the denoiser has it", denoiser.masked);
        return Err(configuration("masked", &expected, plan.masked));
    }
    if plan.draws_per_example == 0 {
        return Err(configuration("draws_per_example", "1 or more", 0));
    }
    let noise = plan.noise_multiplier;
    if !(noise >= 0.0 && noise.is_finite()) {
        return Err(configuration("noise_multiplier", "0 or more", noise));
    }
    match plan.clip_per_example {
        Some(clip) if !(clip > 0.0 && clip.is_finite()) => {
            Err(configuration("clip_per_example", "above 0", clip))
        }
        None if noise > 0.0 => {
            let expected = "a clip, which the noise is a multiple of";
            Err(configuration("clip_per_example", expected, "none"))
        }
        _ => Ok(()),
    }
}

fn check_data(data: &TrainingImages, denoiser: &Denoiser) -> Result<(), Error> {
    let wrong = |what: &str, expected: String, got: String| {
        let what = what.to_owned();
        Err(Error::Shape {
            what,
            expected,
            got,
        })
    };
    let count = data.index.len();
    let [channels, height, width] = denoiser.shape;
    let expected = [count, channels, height, width];
    if count == 0 || data.images.shape() != expected {
        let got = format!("{:?}", data.images.shape());
        return wrong(
            "training images",
            format!("{expected:?} of at least one"),
            got,
        );
    }
    if let Some(value) = data
        .images
        .iter()
        .find(|value| !(-1.0..=1.0).contains(*value))
    {
        return wrong(
            "training images",
            "values in [-1, 1]".to_owned(),
            value.to_string(),
        );
    }
    let mut sorted = data.index.clone();
    sorted.sort_unstable();
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        return wrong(
            "identities",
            "each once".to_owned(),
            format!("{} twice", pair[0]),
        );
    }
    let classes = denoiser.classes;
    match &data.labels {
        None if classes > 0 => wrong("labels", format!("{count} labels"), "none".to_owned()),
        Some(labels) if classes > 0 && labels.len() != count => wrong(
            "labels",
            format!("{count} labels"),
            labels.len().to_string(),
        ),
        Some(labels) if classes > 0 => {
            match labels
                .iter()
                .find(|&&label| !(0..classes as i64).contains(&label))
            {
                None => Ok(()),
                Some(label) => wrong("labels", format!("0 to {}", classes - 1), label.to_string()),
            }
        }
        _ => Ok(()),
    }
}
