//! Write attacks, mitigations and models for Eidetic.
