//! The plugin boundary of Eidetic: ABI-stable types and traits.
