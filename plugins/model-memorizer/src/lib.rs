//! The perfect memorizer: the closed-form optimal denoiser of its training set.
