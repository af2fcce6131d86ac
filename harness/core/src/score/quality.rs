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
//! The reference is the holdout, since against the members copying would pay.

use eidetic_metrics::{
    Bootstrap, Features, Measured, Moments, PRDC_NEIGHBOURS, Prdc, Proportion, auth_pct, c_t,
    fls, frechet, kid, prdc,
};

use super::Error;
use super::figure::{Figure, Side, uncontrolled, wilson, with_interval};
use crate::cell::Metric;
use crate::embed::FeatureTable;
use crate::files::sha256_hex;

/// Goes up whenever the value of a figure changes.
const REVISION: u32 = 1;
/// The embedder on which alone a Frechet distance is called FID.
const INCEPTION: &str = "inception-v3-pool3";

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

/// The name of the utility, and every figure, sorted by name, none with a control. The same features
/// give the same figures, ends of intervals included, whatever cell they are of.
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
    let of = prdc(
        generated,
        holdout,
        PRDC_NEIGHBOURS,
        &Bootstrap::new(u64::from(REVISION)),
    )?;
    let share = |part: fn(&Prdc) -> Proportion| wilson(of.as_ref().map(part));
    push("precision", n, share(|of| of.precision));
    push("recall", holdout.len(), share(|of| of.recall));
    push("coverage", holdout.len(), share(|of| of.coverage));
    push(
        "density",
        n,
        with_interval(of.map(|of| of.density), "bootstrap"),
    );
    push("authenticity", n, wilson(auth_pct(generated, members)?));
    push("ct", n, bare(c_t(generated, members, holdout)?));
    push("fls", n, bare(fls(generated, members, holdout)?));
    metrics.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((format!("kid_{embedder}"), metrics))
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
