//! SIDE: a classifier of the model's own samples guides its sampler to where they crowd.
//!
//! The attack of Chen et al., Surrogate condItional Data Extraction (arXiv 2410.02467, version 7).
//! What a model has memorized it gives again and again, so its samples form clusters; a class is
//! made of each, and guidance to a class does for an unconditional model what a prompt does for a
//! conditional one:
//!
//! 1. Draw n_syn samples of the target. They cost what samples cost: score random sampling at the
//!    same budget beside this attack.
//! 2. Compare them by the correlation of their pixels, the cosine of what is left of an image when
//!    its own mean is taken away. Samples without contrast, which is also what a service returns
//!    where it refuses, are left out. An embedder's file may take the place of pixels; one lies in
//!    `benchmarks/embedders`.
//! 3. Cluster them by spherical k-means. Clusters are kept whose mean cosine to the centre is at
//!    least tau, if they are not thin. Where none is, there is nothing to guide to: the attack warns
//!    and samples without guidance, as at lambda 0, so that what it cost can still be compared.
//! 4. Label every sample with the nearest kept cluster. A classifier's file may take the place of
//!    clusters.
//! 5. Train a residual network p(c | x; sigma) on the samples with noise of 1000 levels, spaced and
//!    drawn as the sampler's own.
//! 6. Sample with D(x; sigma) + lambda sigma^2 grad_x ln p(c | x; sigma), c uniform over the kept
//!    clusters. The gradient is the classifier's graph, differentiated.
//!
//! The classifier can also be taught by one of clean samples (`teaching: distilled`), or be that one
//! itself and look at the model's estimate instead of the noisy x (`teaching: clean`): guidance by
//! an ordinary, time-independent classifier, as the paper's baseline "Carlini-Cond" is; how that one
//! meets noise is this crate's choice.
//!
//! A sample's confidence is ln p(c | x) at the sampler's smallest level of the class that it was
//! guided to: how surely it is of a place where samples crowd. It is there as soon as the sample
//! is, without holding any other, where a density of near duplicates would first need them all.
//!
//! A guided sample starts from the noise of the service's sample of that index, so at lambda 0 the
//! samples are those of random sampling (where the suite's sampler is this one). The synthetic
//! samples have indices of their own. `lambda` is one number a cell: a sweep is several entries of
//! a suite. Models that know classes are sampled without one. The classifier runs in the space of
//! the denoiser, and its calls are not the model's.
//!
//! Synthetic samples are held at ten bytes a pixel at most (50,000 of 28 x 28 take 0.4 GB), beside
//! an embedder's numbers twice; guided ones a batch at a time, at some fifty bytes a pixel (64 of
//! 28 x 28 take 2.5 MB), and are given to the harness before the next batch.
//!
//! The classifier runs by the ONNX Runtime that this process has loaded. Where it has none yet
//! (the model is a plugin itself), or this crate is a file of its own with its own copy of the
//! loader, the library is the one that `ORT_DYLIB_PATH` names, else it is looked for as the harness
//! does, without fetching one.
//!
//! Guided sampling with the default classifier took 1.15 times as long as the model's calls in it
//! alone on a U-Net of 0.32 M weights at 16 x 16 with one thread, and 1.20 with two (128 samples,
//! medians of 5 and of 3 runs on a busy machine; 1.30 with `patch` 1). Against plain sampling, run
//! in turn, it took 1.07 to 1.10 times the processor time with one thread, and 1.15 with two:
//!
//! ```text
//! cargo run --release -p eidetic-attack-side --example cost -- benchmarks/models/fm16-n128/unet/model.onnx 1 5
//! ```
//!
//! What the classifier leaks by itself has to be told from what the model leaks: run the attack on
//! the clean twin as well.

mod classes;
mod distilling;
mod features;
mod guide;
mod guided;
mod kept;
mod kmeans;
mod network;
mod options;
mod patches;
mod plugin;
mod runtime;
mod train;

pub use network::Network;
pub use options::{Classifier, Options, Solver, Teaching};
pub use plugin::Side;

eidetic_sdk::export_plugins!(attack Side);

#[cfg(test)]
mod tests;
