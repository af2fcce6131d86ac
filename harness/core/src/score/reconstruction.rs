//! Reconstruction: l2 on what was destroyed, of candidates that are members against holdout.
//!
//! The region is the masked pixels of every channel, or the whole image where nothing is masked
//! and noise is all that was done to it. A candidate without a reconstruction has the largest error there
//! is, l2 = 1. Figures by name, `<probe>` being the probe's:
//!
//! - `auc`, the headline: of the negative mean l2 over the probes (DeLong); control 0.5.
//! - `<probe>_auc`: of the negative l2 under one probe (DeLong); control 0.5.
//! - `<probe>_l2_below_0.05`, ..: the share of members (Wilson); its control that of holdout.
//! - `<probe>_l2_p50`: the median over members; its control that of holdout.
//! - `answered`: candidates that every probe has a reconstruction of (Wilson).

use eidetic_metrics::{Band, Images, Measured, ams, l2, percentile, squared_distance};
use eidetic_sdk::Probe;

use super::figure::{Figure, Side, metric, wilson};
use super::membership::{CHANCE, answered, auc, candidates, curve, roc};
use super::scoring::Scored;
use super::truth::known;
use super::{Error, Truth};
use crate::cell::Reconstructed;
use crate::dataset::Dataset;

const L2_LEVELS: [f64; 4] = [0.02, 0.05, 0.1, 0.15];
/// Black for white.
const WORST_L2: f64 = 1.0;

pub(super) fn score(
    found: &Reconstructed,
    dataset: &Dataset,
    truth: &Truth,
) -> Result<Scored, Error> {
    let errors = errors(found, dataset, truth)?;
    let (n, member) = (truth.len(), truth.member());
    let given = |i: usize| errors.iter().all(|of| of[i].is_some());
    let mut per_image = candidates(truth);
    let mut metrics = vec![answered((0..n).map(given), truth)];
    let mut mean = vec![0.0; n];
    for (probe, errors) in truth.probes().iter().zip(&errors) {
        let name = &probe.name;
        let errors: Vec<f64> = errors.iter().map(|l2| l2.unwrap_or(WORST_L2)).collect();
        for (mean, error) in mean.iter_mut().zip(&errors) {
            *mean += error / truth.probes().len() as f64;
        }
        let roc = roc(&negative(&errors), member, |_| true)?;
        metrics.push(metric(format!("{name}_auc"), n, auc(roc.as_ref()), CHANCE));
        let of = |wanted: bool| -> Vec<f64> {
            (0..n)
                .filter(|&i| member[i] == wanted)
                .map(|i| errors[i])
                .collect()
        };
        let (members, holdout) = (of(true), of(false));
        for level in L2_LEVELS {
            let band = Band::at_most(level.next_down())?;
            let below = |values: &[f64]| -> Result<Figure, Error> {
                Ok(wilson(Measured::Value(ams(values, band)?)))
            };
            let name = format!("{name}_l2_below_{level:?}");
            metrics.push(metric(name, n, below(&members)?, below(&holdout)?));
        }
        let name = format!("{name}_l2_p50");
        metrics.push(metric(name, n, median(&members)?, median(&holdout)?));
        let column = format!("l2_{}", probe.name);
        per_image.value.insert(column, errors);
    }
    let roc = roc(&negative(&mean), member, |_| true)?;
    metrics.push(metric("auc", n, auc(roc.as_ref()), CHANCE));
    curve(&mut per_image, roc.value().as_ref(), "roc");
    per_image.value.insert("l2".into(), mean);
    Ok(Scored {
        headline: "auc",
        metrics,
        unique_extracted: None,
        per_image,
    })
}

fn negative(errors: &[f64]) -> Vec<f64> {
    errors.iter().map(|error| -error).collect()
}

fn median(values: &[f64]) -> Result<Figure, Error> {
    Ok(match percentile(values, 50.0)? {
        Measured::Value(value) => Ok(Side::bare(value)),
        Measured::Missing(reason) => Err(reason.to_string()),
    })
}

/// l2 on what was destroyed, by probe and candidate; none without a reconstruction.
fn errors(
    found: &Reconstructed,
    dataset: &Dataset,
    truth: &Truth,
) -> Result<Vec<Vec<Option<f64>>>, Error> {
    let images = Images::new(&found.images, dataset.dim())?;
    for (what, got) in [
        ("probes of reconstructions", found.probe.len()),
        ("candidates of reconstructions", found.candidate.len()),
    ] {
        if got != images.len() {
            let expected = images.len();
            return Err(Error::Count {
                what,
                expected,
                got,
            });
        }
    }
    let mut errors = vec![vec![None; truth.len()]; truth.probes().len()];
    for (i, image) in images.rows().enumerate() {
        let (probe, candidate) = (found.probe[i], found.candidate[i]);
        let out_of_range = |what, bound, got| Error::OutOfRange { what, bound, got };
        let of = truth
            .probes()
            .get(probe as usize)
            .ok_or_else(|| out_of_range("probes", truth.probes().len(), probe.into()))?;
        let slot = errors[probe as usize]
            .get_mut(candidate as usize)
            .ok_or_else(|| out_of_range("candidates", truth.len(), candidate))?;
        if slot.is_some() {
            let probe = of.name.clone();
            return Err(Error::Twice { probe, candidate });
        }
        let candidate = candidate as usize;
        let original = dataset.image(truth.index()[candidate]);
        *slot = Some(destroyed_l2(of, candidate, original, image, dataset.shape));
    }
    Ok(errors)
}

fn destroyed_l2(
    probe: &Probe,
    candidate: usize,
    original: &[u8],
    image: &[u8],
    [channels, height, width]: [usize; 3],
) -> f64 {
    let plane = height * width;
    let masked = known(probe, candidate, plane).filter(|known| known.contains(&0));
    let Some(known) = masked else {
        return l2(squared_distance(original, image), original.len());
    };
    let destroyed = |image: &[u8]| -> Vec<u8> {
        (0..channels * plane)
            .filter(|i| known[i % plane] == 0)
            .map(|i| image[i])
            .collect()
    };
    let (original, image) = (destroyed(original), destroyed(image));
    l2(squared_distance(&original, &image), original.len())
}
