//! From synthetic samples to classes.

use eidetic_sdk::ndarray::Array4;
use eidetic_sdk::{Context, Error, LogLevel, Result};

use crate::features::{Features, with_contrast};
use crate::kept::Kept;
use crate::kmeans::clusters;
use crate::options::Options;
use crate::runtime::runtime;

/// Samples of n_syn for one cluster, at least.
const PER_CLUSTER: u64 = 20;

/// The samples that can be used, and the class of each.
///
/// # Errors
/// Where no class is left; a network that fails.
pub(crate) fn classes(
    options: &Options,
    images: &Array4<u8>,
    threads: usize,
    context: &dyn Context,
) -> Result<(Vec<usize>, Kept)> {
    let Options {
        n_syn, tau, thin, ..
    } = *options;
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
        let message = format!(
            "nothing to guide to: expected a {one} of at least {thin} samples{also}, got none \
             among {formed} of {usable} samples ({n_syn} drawn, flat ones left out)"
        );
        let help = match options.labeller {
            Some(_) => "lower `thin`, or raise `n_syn`",
            None => "lower `tau` or `thin`, or raise `n_syn`",
        };
        return Err(Error::from(message).with_help(help));
    }
    let message = format!("kept {classes} of {formed} {many} of {usable} samples");
    context.log(LogLevel::Info, &message);
    Ok((samples, kept))
}
