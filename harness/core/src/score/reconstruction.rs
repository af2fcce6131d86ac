//! Reconstruction: what was destroyed and made whole, of candidates that are members against
//! holdout.
//!
//! Every figure is over the destroyed region alone, see [`super::rebuilt`]. A candidate without a
//! reconstruction has the largest error there is, l2 = 1, and counts in no share. Figures by name,
//! `<probe>` being the probe's:
//!
//! - `auc`, the headline: of the negative mean l2 over the probes (DeLong; bootstrap among
//!   duplicates); control 0.5.
//! - `<probe>_auc`: of the negative l2 under one probe, likewise.
//! - `<probe>_l2_below_0.05`, ..: the share of members (Wilson); its control that of holdout.
//! - `<probe>_l2_p50`: the median over members; its control that of holdout.
//! - `<probe>_nn_ratio_below_0.333`: the share of members whose l2 to their own original is less
//!   than a third of that to the nearest other member, one a group of duplicates (Wilson); its
//!   control that of holdout images among as many of their own.
//! - `<probe>_similarity_above_0.9`, `_0.95`, `_0.99`: the share of members whose cosine to their
//!   original, each less its mean, is above (Wilson); its control that of holdout.
//! - `.._excess` of each of these two kinds: members' share less holdout's (Newcombe's interval of
//!   independent shares); control 0.
//! - `answered`: candidates that every probe has a reconstruction of (Wilson).
//! - `blind_auc`, see [`super::blind`].

use eidetic_metrics::{
    Band, Bootstrap, Measured, NN_RATIO_MEMORIZED, Proportion, ams, difference, percentile,
};

use super::blind::blind;
use super::figure::{Figure, Side, metric, wilson, with_interval};
use super::halves::groups;
use super::membership::{CHANCE, RESAMPLES, answered, auc, candidates, curve};
use super::rebuilt::{Rebuilt, References, rebuilt};
use super::revision::BOOTSTRAP_SEED;
use super::scoring::Scored;
use super::{Error, Truth};
use crate::cell::{Metric, Reconstructed};
use crate::dataset::{Dataset, Split};

const L2_LEVELS: [f64; 4] = [0.02, 0.05, 0.1, 0.15];
/// Those of the noise probe (Ambient Tweedie).
const SIMILARITY_LEVELS: [f64; 3] = [0.9, 0.95, 0.99];

pub(super) fn score(
    found: &Reconstructed,
    dataset: &Dataset,
    split: &Split,
    truth: &Truth,
) -> Result<Scored, Error> {
    let references = References::new(split);
    let by_probe = rebuilt(found, dataset, split, truth, &references)?;
    let bootstrap = Bootstrap {
        resamples: RESAMPLES,
        seed: BOOTSTRAP_SEED,
    };
    let group = groups(truth.index(), split);
    let area = |errors: &[f64]| auc(&negative(errors), truth, &group, &bootstrap);
    let n = truth.len();
    let given = |i: usize| by_probe.iter().all(|of| of[i].is_some());
    let mut per_image = candidates(truth, &group);
    let mut metrics = vec![answered((0..n).map(given), truth), blind(dataset, split)?];
    let mut mean = vec![0.0; n];
    for (probe, rebuilt) in truth.probes().iter().zip(&by_probe) {
        let name = &probe.name;
        let rebuilt: Vec<Rebuilt> = rebuilt
            .iter()
            .map(|of| of.unwrap_or(Rebuilt::NONE))
            .collect();
        let errors: Vec<f64> = rebuilt.iter().map(|of| of.l2).collect();
        for (mean, error) in mean.iter_mut().zip(&errors) {
            *mean += error / truth.probes().len() as f64;
        }
        let (figure, _) = area(&errors)?;
        metrics.push(metric(format!("{name}_auc"), n, figure, CHANCE));
        distances(name, &errors, truth, &mut metrics)?;
        shares(name, &rebuilt, truth, &references, &mut metrics);
        let column = |of: fn(&Rebuilt) -> f64| rebuilt.iter().map(of).collect();
        for (what, column) in [
            ("nn_ratio", column(|of| of.nn_ratio)),
            ("similarity", column(|of| of.similarity)),
            ("l2", errors),
        ] {
            per_image.value.insert(format!("{what}_{name}"), column);
        }
    }
    let (figure, roc) = area(&mean)?;
    metrics.push(metric("auc", n, figure, CHANCE));
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

/// What `of` holds of members, or of holdout.
fn side<T: Copy>(of: &[T], truth: &Truth, wanted: bool) -> Vec<T> {
    let each = of.iter().zip(truth.member());
    each.filter(|&(_, &member)| member == wanted)
        .map(|(&of, _)| of)
        .collect()
}

fn distances(
    probe: &str,
    errors: &[f64],
    truth: &Truth,
    metrics: &mut Vec<Metric>,
) -> Result<(), Error> {
    let n = truth.len();
    let (members, holdout) = (side(errors, truth, true), side(errors, truth, false));
    for level in L2_LEVELS {
        let band = Band::at_most(level.next_down())?;
        let below = |values: &[f64]| -> Result<Figure, Error> {
            Ok(wilson(Measured::Value(ams(values, band)?)))
        };
        let name = format!("{probe}_l2_below_{level:?}");
        metrics.push(metric(name, n, below(&members)?, below(&holdout)?));
    }
    let name = format!("{probe}_l2_p50");
    metrics.push(metric(name, n, median(&members)?, median(&holdout)?));
    Ok(())
}

fn median(values: &[f64]) -> Result<Figure, Error> {
    Ok(match percentile(values, 50.0)? {
        Measured::Value(value) => Ok(Side::bare(value)),
        Measured::Missing(reason) => Err(reason.to_string()),
    })
}

fn shares(
    probe: &str,
    rebuilt: &[Rebuilt],
    truth: &Truth,
    references: &References,
    metrics: &mut Vec<Metric>,
) {
    let mut push = |name: String, hit: &dyn Fn(&Rebuilt) -> bool, missing: &[Option<String>; 2]| {
        let share = |member: bool, missing: &Option<String>| match missing {
            Some(reason) => Err(reason.clone()),
            None => Ok(Proportion::count(
                side(rebuilt, truth, member).iter().map(hit),
            )),
        };
        let (members, holdout) = (share(true, &missing[0]), share(false, &missing[1]));
        let figure = |share: &Result<Proportion, String>| match share {
            Ok(share) => wilson(Measured::Value(*share)),
            Err(reason) => Err(reason.clone()),
        };
        let n = truth.len();
        metrics.push(metric(&name, n, figure(&members), figure(&holdout)));
        let excess = members.and_then(|members| {
            let between = holdout.map(|holdout| difference(members, holdout))?;
            with_interval(between, "newcombe")
        });
        let nothing = Ok(Side::bare(0.0));
        metrics.push(metric(format!("{name}_excess"), n, excess, nothing));
    };
    push(
        format!("{probe}_nn_ratio_below_0.333"),
        &|of| of.nn_ratio < NN_RATIO_MEMORIZED,
        &references.missing,
    );
    for level in SIMILARITY_LEVELS {
        push(
            format!("{probe}_similarity_above_{level:?}"),
            &|of| of.similarity > level,
            &[None, None],
        );
    }
}
