//! The harness: datasets, models, plugins, suites, runs, scores and boards.
