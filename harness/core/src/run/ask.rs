//! What an attack is asked about: candidates, whole or destroyed.

use eidetic_sdk::ndarray::{Array3, Array4, Axis};
use eidetic_sdk::sampler::RowNoise;
use eidetic_sdk::{Attack, Goal, ModelInfo, Probe};

use super::sink::HostSink;
use super::stop::{Stop, failed};
use crate::dataset::{Candidate, Dataset};
use crate::service::Ask;

/// What the attack is asked; probes are checked, applied and told to the sink.
pub(super) fn ask(
    goal: Goal,
    attack: &dyn Attack,
    dataset: &Dataset,
    candidates: &[Candidate],
    info: &ModelInfo,
    seed: u64,
    sink: &mut HostSink<'_>,
) -> Result<Ask, Stop> {
    let [c, h, w] = dataset.shape;
    let indices: Vec<u32> = candidates.iter().map(|candidate| candidate.index).collect();
    let shape = (indices.len(), c, h, w);
    let images = Array4::from_shape_vec(shape, dataset.select(&indices))?;
    match goal {
        Goal::Extraction => Ok(Ask::Nothing),
        Goal::Membership => Ok(Ask::Membership(images)),
        Goal::Reconstruction => {
            let probes = attack.probes(indices.len() as u64, info.image, seed)?;
            if probes.is_empty() {
                return Err(failed(
                    "expected at least one probe of a reconstruction attack",
                ));
            }
            sink.probes(&probes)?;
            let destroyed = probes
                .iter()
                .enumerate()
                .map(|(at, probe)| destroy(&images, probe, seed, at))
                .collect::<Result<Vec<_>, Stop>>()?;
            Ok(Ask::Reconstruction(destroyed))
        }
    }
}

/// Candidates as a probe leaves them: unknown pixels mid-grey, noise on all of them.
fn destroy(
    images: &Array4<u8>,
    probe: &Probe,
    seed: u64,
    at: usize,
) -> Result<(Array4<f32>, Array3<u8>, f32), Stop> {
    let (n, c, h, w) = images.dim();
    let name = &probe.name;
    if !(probe.sigma.is_finite() && probe.sigma >= 0.0) {
        let sigma = probe.sigma;
        return Err(failed(format!(
            "probe `{name}`: expected sigma >= 0, got {sigma}"
        )));
    }
    let known = match probe.known.len() {
        0 => Array3::ones((n, h, w)),
        len if len == h * w => {
            let one = Array3::from_shape_vec((1, h, w), probe.known.clone())?;
            one.broadcast((n, h, w))
                .ok_or_else(|| failed("a mask that fits no image"))?
                .to_owned()
        }
        len if len == n * h * w => Array3::from_shape_vec((n, h, w), probe.known.clone())?,
        len => {
            let (one, all) = (h * w, n * h * w);
            return Err(failed(format!(
                "probe `{name}`: expected a mask of 0, {one} or {all} flags, got {len}"
            )));
        }
    };
    let ids: Vec<u64> = (0..n as u64).collect();
    let mut noise = RowNoise::new(seed, &format!("probe {at}"), &ids);
    let mut values = vec![0.0; c * h * w];
    let mut destroyed = Array4::zeros((n, c, h, w));
    for row in 0..n {
        noise.fill(row, &mut values);
        let mut values = values.iter();
        for ((channel, y, x), pixel) in destroyed.index_axis_mut(Axis(0), row).indexed_iter_mut() {
            let clean = match known[[row, y, x]] {
                0 => 0.0,
                _ => eidetic_sdk::pixels::to_unit(images[[row, channel, y, x]]),
            };
            let noise = values.next().copied().unwrap_or(0.0) as f32;
            *pixel = clean + probe.sigma * noise;
        }
    }
    Ok((destroyed, known, probe.sigma))
}
