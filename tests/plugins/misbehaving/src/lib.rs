//! Plugins that do everything wrong, and a few small honest ones beside them.

mod crashes;
mod inference;
mod macros;
mod mitigations;
mod models;
mod options;
mod refusals;

pub use crashes::{
    Aborts, EmitsThenAborts, EmitsThenPanics, Errors, Exits, Hangs, LeavesChild, LeavesPolitely,
    Overflows, Panics, Segfaults, Shouts,
};
pub use inference::{FillIn, OneStep, Slope};
pub use mitigations::{AcceptPanics, NanDenoise, RejectsAll, TrainsOnly};
pub use models::{NanModel, OtherShape, PanickingModel, SamplesOnly, SenselessModel};
pub use refusals::{
    Greedy, Honest, NanScore, NanScores, NeedsGradient, Oversteps, Stubborn, TooManyConfidences,
    UnknownCandidate, WrongShape,
};

eidetic_sdk::export_plugins!(
    attack Aborts,
    attack EmitsThenAborts,
    attack EmitsThenPanics,
    attack Errors,
    attack Exits,
    attack FillIn,
    attack Greedy,
    attack Hangs,
    attack Honest,
    attack LeavesChild,
    attack LeavesPolitely,
    attack NanScore,
    attack NanScores,
    attack NeedsGradient,
    attack OneStep,
    attack Overflows,
    attack Oversteps,
    attack Panics,
    attack Segfaults,
    attack Shouts,
    attack Slope,
    attack Stubborn,
    attack TooManyConfidences,
    attack UnknownCandidate,
    attack WrongShape,
    mitigation AcceptPanics,
    mitigation NanDenoise,
    mitigation RejectsAll,
    mitigation TrainsOnly,
    model NanModel,
    model OtherShape,
    model PanickingModel,
    model SamplesOnly,
    model SenselessModel,
);
