//! The command line of Eidetic.
