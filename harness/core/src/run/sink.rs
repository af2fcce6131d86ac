//! Takes findings as they come and appends them to the child's folder, checked.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use eidetic_sdk::ndarray::ArrayView4;
use eidetic_sdk::{Error, Goal, Result, Sink};

use crate::cell::{EMISSIONS, Emission, PIXELS};
use crate::service::Budget;

/// More images than any budget pays for; a runaway attack must not fill the disk.
const MAX_IMAGES: u64 = 4_000_000;

/// The child's side of [`Sink`].
pub(crate) struct HostSink<'a> {
    goal: Goal,
    shape: [usize; 3],
    probes: u32,
    candidates: u64,
    budget: &'a Budget,
    files: Mutex<Files>,
}

struct Files {
    emissions: File,
    pixels: File,
    images: u64,
}

impl<'a> HostSink<'a> {
    /// A sink into `folder` for images of `shape` (C, H, W).
    pub(crate) fn new(
        folder: &Path,
        goal: Goal,
        shape: [usize; 3],
        candidates: u64,
        budget: &'a Budget,
    ) -> std::io::Result<Self> {
        let append = |name| {
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(folder.join(name))
        };
        let files = Files {
            emissions: append(EMISSIONS)?,
            pixels: append(PIXELS)?,
            images: 0,
        };
        Ok(Self {
            goal,
            shape,
            probes: 0,
            candidates,
            budget,
            files: Mutex::new(files),
        })
    }

    /// Tells how the probes destroy candidates, before the attack runs.
    pub(crate) fn probes(&mut self, probes: &[eidetic_sdk::Probe]) -> Result<()> {
        self.probes = probes.len() as u32;
        for probe in probes {
            let known = probe
                .known
                .iter()
                .map(|&flag| if flag == 0 { '0' } else { '1' })
                .collect();
            let (name, sigma) = (probe.name.clone(), probe.sigma);
            self.write(&mut self.lock(), &[Emission::Probe { name, known, sigma }])?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Files> {
        // A panic between two writes leaves at worst pixels without a line, which are left out.
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, files: &mut Files, emissions: &[Emission]) -> Result<()> {
        let calls = Emission::Calls {
            model: self.budget.model_calls(),
            defence: self.budget.defence_calls(),
        };
        let mut lines = Vec::new();
        for emission in emissions.iter().chain([&calls]) {
            serde_json::to_writer(&mut lines, emission).map_err(|error| error.to_string())?;
            lines.push(b'\n');
        }
        files
            .emissions
            .write_all(&lines)
            .map_err(|error| lost(&error))
    }

    fn append(&self, files: &mut Files, images: ArrayView4<'_, u8>) -> Result<()> {
        if images.shape()[1..] != self.shape {
            let (want, got) = (self.shape, &images.shape()[1..]);
            return Err(Error::bad_input(format!(
                "images: expected [N, {want:?}], got {got:?}"
            )));
        }
        files.images += images.shape()[0] as u64;
        if files.images > MAX_IMAGES {
            return Err(Error::bad_input(format!(
                "expected at most {MAX_IMAGES} images in all"
            )));
        }
        let images = images.as_standard_layout();
        let pixels = images.as_slice().unwrap_or_default();
        files.pixels.write_all(pixels).map_err(|error| lost(&error))
    }

    fn expect(&self, goal: Goal, what: &str) -> Result<()> {
        if self.goal == goal {
            return Ok(());
        }
        let own = self.goal;
        Err(Error::bad_input(format!(
            "{what} belong to {goal:?}, this attack's goal is {own:?}"
        )))
    }

    fn known(&self, candidate: &[u64], values: usize) -> Result<()> {
        if candidate.len() != values {
            let (want, got) = (candidate.len(), values);
            return Err(Error::bad_input(format!(
                "expected {want} values, one each, got {got}"
            )));
        }
        match candidate
            .iter()
            .find(|&&candidate| candidate >= self.candidates)
        {
            None => Ok(()),
            Some(unknown) => {
                let count = self.candidates;
                Err(Error::bad_input(format!(
                    "candidate {unknown}: there are {count}"
                )))
            }
        }
    }
}

fn lost(error: &std::io::Error) -> Error {
    Error::from(format!("a finding could not be written: {error}"))
}

fn finite(values: &[f64], what: &str) -> Result<()> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(Error::bad_input(format!(
            "{what}: expected finite numbers, got {} at place {at}",
            values[at]
        ))),
    }
}

impl Sink for HostSink<'_> {
    fn images(&self, images: ArrayView4<'_, u8>) -> Result<u64> {
        self.expect(Goal::Extraction, "images")?;
        let mut files = self.lock();
        let first = files.images;
        self.append(&mut files, images)?;
        self.write(
            &mut files,
            &[Emission::Images {
                count: images.shape()[0] as u64,
            }],
        )?;
        Ok(first)
    }

    fn confidence(&self, first: u64, values: &[f64]) -> Result<()> {
        self.expect(Goal::Extraction, "confidences")?;
        finite(values, "confidence")?;
        let mut files = self.lock();
        let images = files.images;
        if first
            .checked_add(values.len() as u64)
            .is_none_or(|end| end > images)
        {
            let count = values.len();
            return Err(Error::bad_input(format!(
                "confidence: {count} values from image {first} on, of {images} images"
            )));
        }
        self.write(
            &mut files,
            &[Emission::Confidence {
                first,
                values: values.to_vec(),
            }],
        )
    }

    fn reconstructions(
        &self,
        probe: u32,
        candidate: &[u64],
        images: ArrayView4<'_, u8>,
    ) -> Result<()> {
        self.expect(Goal::Reconstruction, "reconstructions")?;
        self.known(candidate, images.shape()[0])?;
        if probe >= self.probes {
            let count = self.probes;
            return Err(Error::bad_input(format!(
                "probe {probe}: there are {count}"
            )));
        }
        let mut files = self.lock();
        self.append(&mut files, images)?;
        let candidate = candidate.to_vec();
        self.write(
            &mut files,
            &[Emission::Reconstructions { probe, candidate }],
        )
    }

    fn scores(&self, candidate: &[u64], values: &[f64]) -> Result<()> {
        self.expect(Goal::Membership, "scores")?;
        self.known(candidate, values.len())?;
        finite(values, "scores")?;
        let (candidate, values) = (candidate.to_vec(), values.to_vec());
        self.write(&mut self.lock(), &[Emission::Scores { candidate, values }])
    }
}
