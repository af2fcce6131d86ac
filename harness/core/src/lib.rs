//! The harness: datasets, models, plugins, suites, runs, scores and boards.

pub mod board;
pub mod cell;
pub mod dataset;
pub mod embed;
pub mod files;
pub mod model;
pub mod pictures;
pub mod plan;
pub mod plugin;
pub mod run;
pub mod score;
pub mod service;
pub mod suggest;
pub mod suite;
pub mod train;
pub mod yaml;
