//! Quality: the features of generated images against those of the holdout.
//!
//! Figures by name, `E` the embedder's:
//!
//! - `kid_E`, the utility: unbiased MMD^2 with the cubic kernel; 0 for images like the holdout's.
//! - `fd_E`: the Frechet distance (called FID only of Inception-v3's pool3).
//! - `precision_E`, `recall_E`, `density_E`, `coverage_E`: of the 5 nearest neighbours.
//! - `ct_E`, `authenticity_E` (AuthPct as a share) and `fls_E`: of members, holdout and generated
//!   images, secondary: Stein et al. 2023 found that they do not detect memorization properly.
//!
//! - `similarity_above_0.5_E`, `similarity_above_0.75_E`, `similarity_p95_E`: of each generated image
//!   the largest cosine with a member, and as its control with as many holdout images. The levels
//!   are those of SSCD (Pizzi et al. 2022; Somepalli et al. 2023); on other embedders read a share
//!   beside its control.
//!
//! The reference of quality is the holdout, since against the members copying would pay.

use eidetic_metrics::{
    Bootstrap, EmbeddingIndex, Embeddings, Features, Measured, Moments, PRDC_NEIGHBOURS, Prdc,
    Proportion, auth_pct, c_t, fls, frechet, kid, percentile, prdc,
};

use super::Error;
use super::figure::{Figure, Side, bootstrapped, metric, uncontrolled, wilson, with_interval};
use crate::cell::Metric;
use crate::embed::{FeatureTable, INCEPTION};
use crate::files::sha256_hex;

/// Goes up whenever the value of a figure changes.
const REVISION: u32 = 1;
/// Above the higher an image is a copy by SSCD, above the lower it may be one.
const SIMILARITY_LEVELS: [f64; 2] = [0.5, 0.75];
/// Seed of the bootstraps of these figures.
const SEED: u64 = 1;

/// The features of three sets of images.
pub struct QualityOf<'a> {
    /// What was generated.
    pub generated: &'a FeatureTable,
    /// The reference.
    pub holdout: &'a FeatureTable,
    /// What may have been copied.
    pub members: &'a FeatureTable,
}

/// Digest, 16 hexadecimal digits, of an embedder as it runs, see
/// [`Embedder::id`](crate::embed::Embedder::id), and of the revision of the figures.
pub fn quality_protocol(embedder_id: &str) -> String {
    sha256_hex(format!("eidetic quality {REVISION}\n{embedder_id}\n").as_bytes())[..16].to_owned()
}

/// The id of a cell's quality: of protocol, findings and reference.
pub fn quality_id(embedder_id: &str, findings_sha256: &str, reference: &str) -> String {
    let protocol = quality_protocol(embedder_id);
    let text = format!("{protocol}\n{findings_sha256}\n{reference}\n");
    sha256_hex(text.as_bytes())[..32].to_owned()
}

/// The name of the utility, and every figure, sorted by name; similarities alone have a control. The
/// same features give the same figures, ends of intervals included, whatever cell they are of.
///
/// # Errors
/// [`Error::Metric`] where the three differ in dimension.
pub fn quality_metrics(embedder: &str, of: &QualityOf<'_>) -> Result<(String, Vec<Metric>), Error> {
    let generated = features(of.generated)?;
    let (holdout, members) = (features(of.holdout)?, features(of.members)?);
    let mut metrics = Vec::new();
    let mut push = |name: &str, n: usize, figure: Figure| {
        metrics.push(uncontrolled(format!("{name}_{embedder}"), n, figure));
    };
    let n = generated.len();
    let distance = kid(generated, holdout)?.map(|kid| kid.estimate);
    push("kid", n, with_interval(distance, "jackknife"));
    let distance = frechet(&Moments::of(generated), &Moments::of(holdout))?;
    let fd = if embedder == INCEPTION { "fid" } else { "fd" };
    push(fd, n, bare(distance));
    let balls = prdc(generated, holdout, PRDC_NEIGHBOURS, &Bootstrap::new(SEED))?;
    let share = |part: fn(&Prdc) -> Proportion| wilson(balls.as_ref().map(part));
    push("precision", n, share(|of| of.precision));
    push("recall", holdout.len(), share(|of| of.recall));
    push("coverage", holdout.len(), share(|of| of.coverage));
    push(
        "density",
        n,
        with_interval(balls.map(|of| of.density), "bootstrap"),
    );
    push("authenticity", n, wilson(auth_pct(generated, members)?));
    push("ct", n, bare(c_t(generated, members, holdout)?));
    push("fls", n, bare(fls(generated, members, holdout)?));
    metrics.extend(similarity(embedder, of)?);
    metrics.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((format!("kid_{embedder}"), metrics))
}

/// How near generated images come to members.
fn similarity(embedder: &str, of: &QualityOf<'_>) -> Result<Vec<Metric>, Error> {
    let (members, holdout) = (of.members, of.holdout);
    let to_members = most_similar(of.generated, &members.values, members.dim);
    let control = match holdout.values.get(..members.values.len()) {
        Some(control) => most_similar(of.generated, control, holdout.dim),
        None => {
            let (got, needed) = (holdout.len(), members.len());
            Err(format!(
                "too few images in holdout: {got}, expected at least {needed}"
            ))
        }
    };
    let n = of.generated.len();
    let mut rows = Vec::new();
    for level in SIMILARITY_LEVELS {
        let share = |cosines: &Result<Vec<f64>, String>| -> Figure {
            let above = |cosines: &Vec<f64>| Proportion::count(cosines.iter().map(|&c| c > level));
            wilson(Measured::Value(
                cosines.as_ref().map(above).map_err(String::clone)?,
            ))
        };
        let name = format!("similarity_above_{level:?}_{embedder}");
        rows.push(metric(name, n, share(&to_members), share(&control)));
    }
    let p95 = |cosines: &Result<Vec<f64>, String>| -> Result<Figure, Error> {
        let cosines = match cosines {
            Ok(cosines) => cosines,
            Err(reason) => return Ok(Err(reason.clone())),
        };
        let bootstrap = Bootstrap::new(SEED);
        Ok(bootstrapped(percentile(cosines, 95.0)?, || {
            bootstrap.percentile(cosines, 95.0)
        })?)
    };
    let name = format!("similarity_p95_{embedder}");
    rows.push(metric(name, n, p95(&to_members)?, p95(&control)?));
    Ok(rows)
}

/// The largest cosine of each generated image with a reference, ascending, so that no interval
/// depends on the order of the images; or why there is none.
fn most_similar(
    generated: &FeatureTable,
    reference: &[f32],
    dim: usize,
) -> Result<Vec<f64>, String> {
    let of = |values| Embeddings::new(values, dim).map_err(|error| error.to_string());
    let index = EmbeddingIndex::new(of(reference)?);
    let found = index.most_similar(of(&generated.values)?, 1);
    let found = found.map_err(|error| error.to_string())?;
    let mut cosines: Vec<f64> = (0..found.len()).map(|i| found.cosines(i)[0]).collect();
    cosines.sort_unstable_by(f64::total_cmp);
    Ok(cosines)
}

fn features(table: &FeatureTable) -> Result<Features<'_>, Error> {
    Ok(Features::new(&table.values, table.dim)?)
}

fn bare(value: Measured<f64>) -> Figure {
    match value {
        Measured::Value(value) => Ok(Side::bare(value)),
        Measured::Missing(reason) => Err(reason.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn table(rows: &[[f32; 2]]) -> FeatureTable {
        FeatureTable {
            values: rows.concat(),
            dim: 2,
        }
    }

    /// Eight directions a set, those of the holdout turned by a little.
    fn set(count: usize, turn: f64) -> FeatureTable {
        let row = |i: usize| {
            let angle = i as f64 * 0.7 + turn;
            [angle.cos() as f32, angle.sin() as f32]
        };
        table(&(0..count).map(row).collect::<Vec<_>>())
    }

    fn named<'a>(metrics: &'a [Metric], name: &str) -> &'a Metric {
        let found = metrics.iter().find(|metric| metric.name == name);
        found.unwrap_or_else(|| panic!("no {name}"))
    }

    #[test]
    fn copies_of_members_are_told_from_holdout() {
        let (members, holdout) = (set(8, 0.0), set(8, 0.2));
        let of = QualityOf {
            generated: &members,
            holdout: &holdout,
            members: &members,
        };
        let (utility, metrics) = quality_metrics("e", &of).unwrap();
        assert_eq!(utility, "kid_e");
        assert!(metrics.is_sorted_by(|a, b| a.name < b.name));
        assert_eq!(metrics.len(), 12);
        let p95 = named(&metrics, "similarity_p95_e");
        assert!((p95.value.unwrap() - 1.0).abs() < 1e-7);
        // Turned by 0.2, some other direction may be nearer still, but none is the same.
        assert!(p95.control.unwrap() < 0.9999);
        let above = named(&metrics, "similarity_above_0.75_e");
        assert_eq!((above.value, above.n), (Some(1.0), 8));
        assert_eq!(named(&metrics, "authenticity_e").value, Some(0.0));
        let kid = named(&metrics, "kid_e");
        assert!(kid.low < kid.value && kid.value < kid.high && kid.control.is_none());
        // Equal sets: no distance at all.
        let same = QualityOf {
            holdout: &members,
            ..of
        };
        let (_, metrics) = quality_metrics(INCEPTION, &same).unwrap();
        let fid = named(&metrics, "fid_inception-v3-pool3");
        assert!(fid.value.unwrap().abs() < 1e-12);
    }

    #[test]
    fn what_cannot_be_told_is_missing_with_its_reason() {
        let (few, members, holdout) = (set(1, 0.0), set(9, 0.0), set(8, 0.2));
        let of = QualityOf {
            generated: &few,
            holdout: &holdout,
            members: &members,
        };
        let (_, metrics) = quality_metrics("e", &of).unwrap();
        for name in ["kid_e", "fd_e", "precision_e", "recall_e", "density_e"] {
            let metric = named(&metrics, name);
            assert!(
                metric.value.is_none() && metric.reason.contains("too few"),
                "{name}"
            );
        }
        let similarity = named(&metrics, "similarity_above_0.5_e");
        assert_eq!((similarity.value, similarity.control), (Some(1.0), None));
        assert!(
            similarity
                .reason
                .contains("too few images in holdout: 8, expected at least 9")
        );
        let blank = table(&[[0.0, 0.0]; 8]);
        let of = QualityOf {
            generated: &blank,
            ..of
        };
        let (_, metrics) = quality_metrics("e", &of).unwrap();
        let similarity = named(&metrics, "similarity_p95_e");
        assert!(similarity.value.is_none() && !similarity.reason.is_empty());
        assert!(named(&metrics, "fd_e").value.is_some());
        let other = FeatureTable {
            values: vec![0.0; 24],
            dim: 3,
        };
        let of = QualityOf {
            generated: &other,
            ..of
        };
        assert!(quality_metrics("e", &of).is_err());
    }

    #[test]
    fn ids_follow_from_all_that_they_are_of() {
        let id = quality_id("embedder", "findings", "reference");
        assert_eq!(id.len(), 32);
        assert_eq!(quality_protocol("embedder").len(), 16);
        for other in [
            quality_id("another", "findings", "reference"),
            quality_id("embedder", "another", "reference"),
            quality_id("embedder", "findings", "another"),
        ] {
            assert_ne!(id, other);
        }
    }
}
