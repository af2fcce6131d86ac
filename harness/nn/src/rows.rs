//! A denoiser's training rows as the inputs of its loss graph.

use ndarray::{Array, ArrayD, ArrayView3, Axis, IxDyn, s};
use rand::RngExt;

use crate::denoiser::{Denoiser, Network, names};
use crate::error::Error;
use crate::objective::Graded;
use crate::random::{Rng, rng};
use crate::step::Group;
use crate::task::Draw;

/// The rows `(group, place in it)` of what an objective made, one after another: image and extra
/// channels, mirrored where the row they came from is, and w(sigma) in the weight. Without shares.
pub(crate) fn assemble(
    denoiser: &Denoiser,
    graded: &[Graded],
    rows: &[(usize, usize)],
    labels: Option<&[i64]>,
    flips: &[bool],
) -> Result<Group, Error> {
    let [channels, height, width] = denoiser.shape;
    let taken = channels + denoiser.extra_channels;
    let pixels = height * width;
    let mut sample = Vec::with_capacity(rows.len() * taken * pixels);
    let mut target = Vec::with_capacity(rows.len() * channels * pixels);
    let mut weight = Vec::with_capacity(rows.len() * channels * pixels);
    let mut sigmas = Vec::with_capacity(rows.len());
    for &(from, place) in rows {
        let each = &graded[from];
        let (flip, sigma) = (flips[each.row[place]], each.sigma[place]);
        let row = Axis(0);
        extend(&mut sample, each.x.index_axis(row, place), flip);
        extend(&mut sample, each.extra.index_axis(row, place), flip);
        extend(&mut target, each.target.index_axis(row, place), flip);
        let start = weight.len();
        extend(&mut weight, each.weight.index_axis(row, place), flip);
        let shown = denoiser.loss_weight(sigma);
        let weights = &mut weight[start..];
        if denoiser.masked {
            // The masks are the channels of the sample behind the image, as many or one for all.
            let hidden = denoiser.hidden_loss_weight();
            let masks = &sample[sample.len() - denoiser.extra_channels * pixels..];
            for (value, mask) in weights.iter_mut().zip(masks.iter().cycle()) {
                *value *= mask * shown + (1.0 - mask) * hidden;
            }
        } else {
            weights.iter_mut().for_each(|value| *value *= shown);
        }
        sigmas.push(sigma);
    }
    let mut group = Group::default();
    let image = [rows.len(), channels, height, width];
    for (name, shape, values) in [
        (
            names::SAMPLE,
            vec![rows.len(), taken, height, width],
            sample,
        ),
        (names::TARGET, image.to_vec(), target),
        (names::WEIGHT, image.to_vec(), weight),
        (names::SIGMA, vec![rows.len()], sigmas),
    ] {
        group
            .floats
            .insert(name.to_owned(), array(name, &shape, values)?);
    }
    if let Some(labels) = labels {
        let label = |&(from, place): &(usize, usize)| labels[graded[from].row[place]];
        let labels = rows.iter().map(label).collect();
        let labels = array(names::CLASS_LABELS, &[rows.len()], labels)?;
        group
            .integers
            .insert(names::CLASS_LABELS.to_owned(), labels);
    }
    Ok(group)
}

/// Dropout masks that the loss graph takes, with the sizes of one row.
pub(crate) struct Masks {
    rate: f32,
    sizes: Vec<(String, Vec<usize>)>,
}

/// The masks of a step, row after row.
pub(crate) struct StepMasks<'a> {
    masks: &'a Masks,
    streams: Vec<Rng>,
}

impl Masks {
    pub(crate) fn of(denoiser: &Denoiser) -> Result<Self, Error> {
        let rate = match &denoiser.network {
            Network::Unet(network) => network.dropout,
            Network::Mlp(_) => 0.0,
        };
        let loss = denoiser.loss(1)?;
        let inputs = loss.inputs().iter();
        let masks = inputs.filter(|&&input| loss.name_of(input).starts_with("dropout."));
        let size = |&input| {
            (
                loss.name_of(input).to_owned(),
                loss.shape(input)[1..].to_vec(),
            )
        };
        Ok(Self {
            rate,
            sizes: masks.map(size).collect(),
        })
    }

    pub(crate) fn draw(&self, draw: &Draw) -> StepMasks<'_> {
        let stream = |(name, _): &(String, Vec<usize>)| rng(draw.seed, name, draw.step);
        StepMasks {
            masks: self,
            streams: self.sizes.iter().map(stream).collect(),
        }
    }
}

impl StepMasks<'_> {
    /// Adds the masks of the next rows: 0 with the rate's probability, else 1 / (1 - rate).
    pub(crate) fn add(&mut self, group: &mut Group) -> Result<(), Error> {
        let rate = f64::from(self.masks.rate);
        let kept = (1.0 / (1.0 - rate)) as f32;
        for ((name, sizes), stream) in self.masks.sizes.iter().zip(&mut self.streams) {
            let shape = [&[group.share.len()], sizes.as_slice()].concat();
            let mut value = || match stream.random_bool(rate) {
                true => 0.0,
                false => kept,
            };
            let count = shape.iter().product();
            let values = (0..count).map(|_| value()).collect();
            group
                .floats
                .insert(name.clone(), array(name, &shape, values)?);
        }
        Ok(())
    }
}

fn extend(values: &mut Vec<f32>, image: ArrayView3<'_, f32>, flip: bool) {
    match flip {
        true => values.extend(image.slice(s![.., .., ..;-1])),
        false => values.extend(image),
    }
}

fn array<T>(name: &str, shape: &[usize], values: Vec<T>) -> Result<ArrayD<T>, Error> {
    let count = values.len();
    Array::from_shape_vec(IxDyn(shape), values).map_err(|_| Error::Shape {
        what: name.to_owned(),
        expected: format!("{shape:?}"),
        got: format!("{count} elements"),
    })
}
