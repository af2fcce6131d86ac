//! Random sampling: generate and filter.
