//! A complete attack plugin to copy.
