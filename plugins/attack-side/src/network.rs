//! A network from a file: an embedder, or a classifier of clean images.

use std::fs;

use eidetic_runtime::{Device, Feed, ModelSource, Runtime, SessionOptions};
use eidetic_sdk::ndarray::{Array2, Array3, Array4, ArrayView3, Axis, Ix2, concatenate};
use eidetic_sdk::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::guide::Guide;

/// Images made at once, whose pixels take the most memory.
const AT_ONCE: usize = 64;

/// An ONNX file and how it sees an image: resized to a square (bilinear, pixel centres at halves,
/// no filter before shrinking), one channel repeated where it takes three, (level - mean) / std.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Its path, from the folder that the harness runs in. Input f32 `[N, 3, size, size]`, or with
    /// as many channels as the images have; no weights beside the file.
    pub file: String,
    /// SHA-256 of the file: what is found depends on it, and so must a cell's id.
    pub sha256: String,
    /// The output that counts, f32 `[N, numbers]`.
    pub output: String,
    /// Height and width of its input.
    #[schemars(range(min = 1))]
    pub size: usize,
    /// Channels that it takes: 1 or 3.
    #[serde(default = "three")]
    pub channels: usize,
    /// Whether its channels are blue, green, red.
    #[serde(default)]
    pub bgr: bool,
    /// What is taken from levels 0 to 255, a number a channel of the network's: 0.
    #[serde(default = "nothing")]
    pub mean: Vec<f32>,
    /// What they are divided by then, a number a channel: 255.
    #[serde(default = "whole")]
    pub std: Vec<f32>,
}

fn three() -> usize {
    3
}

fn nothing() -> Vec<f32> {
    vec![0.0; 3]
}

fn whole() -> Vec<f32> {
    vec![255.0; 3]
}

impl Network {
    /// Refuses values without sense, and a file that is not there or is another one.
    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |message: String| Err(Error::bad_options(message));
        let (channels, size) = (self.channels, self.size);
        if channels != 1 && channels != 3 {
            return wrong(format!("channels: expected 1 or 3, got {channels}"));
        }
        if !(1..=4096).contains(&size) {
            return wrong(format!("size: expected 1 to 4096, got {size}"));
        }
        let (mean, std) = (&self.mean, &self.std);
        if mean.len() < channels || !mean.iter().all(|x| x.is_finite()) {
            return wrong(format!("mean: expected {channels} numbers, got {mean:?}"));
        }
        let above = |x: &f32| *x > 0.0 && x.is_finite();
        if std.len() < channels || !std.iter().all(above) {
            let expected = format!("{channels} numbers above 0");
            return wrong(format!("std: expected {expected}, got {std:?}"));
        }
        self.read().map(drop)
    }

    fn read(&self) -> Result<Vec<u8>> {
        let file = &self.file;
        let bytes = fs::read(file)
            .map_err(|error| Error::bad_options(format!("file: cannot read {file}: {error}")))?;
        let digest = Sha256::digest(&bytes);
        let got: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        match got == self.sha256 {
            true => Ok(bytes),
            false => Err(Error::bad_options(format!(
                "sha256: expected that of {file}, {got}, got `{}`",
                self.sha256
            ))),
        }
    }

    /// Its output for the images `rows` of u8 `[N, C, H, W]`, `[rows, numbers]`.
    pub(crate) fn run(
        &self,
        runtime: &Runtime,
        threads: usize,
        images: &Array4<u8>,
        rows: &[usize],
    ) -> Result<Array2<f32>> {
        let failed = |error: &dyn std::error::Error| Error::from(format!("{}: {error}", self.file));
        let bytes = self.read()?;
        let options = SessionOptions {
            device: Device::Cpu,
            sessions: threads,
            microbatch: Guide::ROWS,
        };
        let sessions = runtime.open(ModelSource::Bytes(&bytes), &options);
        let sessions = sessions.map_err(|error| failed(&error))?;
        let [input] = sessions.inputs() else {
            let count = sessions.inputs().len();
            return Err(Error::from(format!(
                "{}: expected one input, got {count}",
                self.file
            )));
        };
        let mut parts = Vec::new();
        for rows in rows.chunks(AT_ONCE) {
            let mut seen = Array4::zeros((rows.len(), self.channels, self.size, self.size));
            for (mut seen, &row) in seen.axis_iter_mut(Axis(0)).zip(rows) {
                let image = images.index_axis(Axis(0), row);
                seen.assign(&self.see(image));
            }
            let seen = seen.into_dyn();
            let feeds = [Feed::rows(&input.name, seen.view())];
            let made = sessions.run(rows.len(), &feeds, &[&self.output]);
            let made = made.map_err(|error| failed(&error))?.pop();
            let made = made.ok_or_else(|| Error::from("the network gave nothing"))?;
            let got = format!("{:?}", made.shape());
            parts.push(made.into_dimensionality::<Ix2>().map_err(|_| {
                let (file, output) = (&self.file, &self.output);
                Error::from(format!("{file}: expected {output} [N, numbers], got {got}"))
            })?);
        }
        let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
        let made = concatenate(Axis(0), &views)?;
        match made.iter().find(|value| !value.is_finite()) {
            None => Ok(made),
            Some(value) => Err(Error::from(format!(
                "{}: expected finite numbers, got {value}",
                self.file
            ))),
        }
    }

    /// An image `[C, H, W]` as the network takes it.
    fn see(&self, image: ArrayView3<'_, u8>) -> Array3<f32> {
        let (channels, height, width) = image.dim();
        let rows = places(height, self.size);
        let columns = places(width, self.size);
        let shape = (self.channels, self.size, self.size);
        Array3::from_shape_fn(shape, |(channel, y, x)| {
            let from = if self.bgr {
                self.channels - 1 - channel
            } else {
                channel
            };
            let level = |y: usize, x: usize| f32::from(image[[from.min(channels - 1), y, x]]);
            let ((top, bottom, down), (left, right, along)) = (rows[y], columns[x]);
            let upper = level(top, left) * (1.0 - along) + level(top, right) * along;
            let lower = level(bottom, left) * (1.0 - along) + level(bottom, right) * along;
            let level = upper * (1.0 - down) + lower * down;
            (level - self.mean[channel]) / self.std[channel]
        })
    }
}

/// For each of `to` places the two of `from` between which it lies, and how far from the first.
fn places(from: usize, to: usize) -> Vec<(usize, usize, f32)> {
    let place = |at: usize| {
        let centre = (at as f64 + 0.5) * from as f64 / to as f64 - 0.5;
        let centre = centre.clamp(0.0, (from - 1) as f64);
        let first = centre.floor() as usize;
        let second = (first + 1).min(from - 1);
        (first, second, (centre - first as f64) as f32)
    };
    (0..to).map(place).collect()
}
