//! The perfect memorizer: the closed-form optimal denoiser of its training set.
//!
//! Its samples are training images, so it is the control that every attack has to find out; over
//! aux instead of the members it is the clean model, which none may.

mod closed_form;
mod memorizer;

pub use memorizer::Memorizer;

eidetic_sdk::export_plugins!(model Memorizer);
