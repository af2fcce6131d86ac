//! The one option that all attacks here share.

use eidetic_sdk::{Context, Result, Sink, Target, schemars, serde};

/// What a suite may set.
#[derive(Clone, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "eidetic_sdk::serde", default, deny_unknown_fields)]
#[schemars(crate = "eidetic_sdk::schemars")]
pub struct Options {
    /// Samples to draw.
    pub samples: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { samples: 4 }
    }
}

/// What an attack is run with.
pub(crate) struct Run<'a> {
    pub(crate) options: &'a Options,
    pub(crate) target: &'a dyn Target,
    pub(crate) context: &'a dyn Context,
    pub(crate) sink: &'a dyn Sink,
}

impl Run<'_> {
    /// Draws the samples and emits them, as an honest attack does; gives the first one's index.
    pub(crate) fn emit(&self) -> Result<u64> {
        let images = self.target.sample_images(0, self.options.samples)?;
        self.sink.images(images.view())
    }
}
