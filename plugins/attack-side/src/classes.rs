//! From synthetic samples to classes.

use eidetic_sdk::ndarray::Array4;
use eidetic_sdk::{Context, LogLevel, Result};

use crate::features::{Features, with_contrast};
use crate::kept::Kept;
use crate::kmeans::clusters;
use crate::options::Options;
use crate::runtime::runtime;

/// Samples of n_syn for one cluster, at least.
const PER_CLUSTER: u64 = 20;

/// The samples that can be used, and the class of each; a warning where no class is left.
///
/// # Errors
/// A network that fails.
pub(crate) fn classes(
    options: &Options,
    images: &Array4<u8>,
    threads: usize,
    context: &dyn Context,
) -> Result<(Vec<usize>, Kept)> {
    let Options { n_syn, thin, .. } = *options;
    let tau = options.tau();
    let samples = with_contrast(images);
    let (samples, kept) = match &options.labeller {
        Some(network) if !samples.is_empty() => {
            let logits = network.run(&runtime()?, threads, images, &samples)?;
            (samples, Kept::labelled(&logits, thin))
        }
        _ => {
            let features = match &options.embedder {
                Some(network) if !samples.is_empty() => {
                    let vectors = network.run(&runtime()?, threads, images, &samples)?;
                    Features::embedded(&vectors, &samples)
                }
                _ => Features::pixels(images, &samples),
            };
            let count = options.clusters.min(n_syn / PER_CLUSTER);
            let mut stream = context.rng("side clusters", 0);
            let found = clusters(&features, count as usize, &mut stream);
            let kept = Kept::of(&features, &found, tau, thin);
            (features.sample, kept)
        }
    };
    let (classes, formed, usable) = (kept.classes, kept.formed, samples.len());
    let (one, many, also) = match options.labeller {
        Some(_) => ("class", "classes", String::new()),
        None => (
            "cluster",
            "clusters",
            format!(" and a mean cosine of at least {tau}"),
        ),
    };
    if classes == 0 {
        let lower = match options.labeller {
            Some(_) => "`thin`",
            None => "`tau` or `thin`",
        };
        let message = format!(
            "nothing to guide to, so sampling goes on without guidance, as at lambda 0: expected a \
             {one} of at least {thin} samples{also}, got none among {formed} of {usable} samples \
             ({n_syn} drawn, flat ones left out); lower {lower}, or raise `n_syn`"
        );
        context.log(LogLevel::Warn, &message);
        return Ok((samples, kept));
    }
    let message = format!("kept {classes} of {formed} {many} of {usable} samples");
    context.log(LogLevel::Info, &message);
    Ok((samples, kept))
}
