//! The run around a plugin: seed, cancellation, progress, log.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use eidetic_sdk::{Context, LogLevel};
use sha2::{Digest, Sha256};

/// What a line of progress on a child's stdout begins with.
pub(crate) const PROGRESS: &str = "eidetic-progress ";

/// Seed of everything random in a run: what is the same in every cell of a suite and repetition,
/// so that mitigations are compared from the same noise.
pub(crate) fn run_seed(suite_seed: u64, seed: u64) -> u64 {
    let digest = Sha256::new()
        .chain_update(b"eidetic run seed\0")
        .chain_update(suite_seed.to_le_bytes())
        .chain_update(seed.to_le_bytes())
        .finalize();
    digest
        .iter()
        .take(8)
        .fold(0, |value, &byte| value << 8 | u64::from(byte))
}

/// The child's side of [`Context`].
pub(crate) struct HostContext<'a> {
    pub(crate) seed: u64,
    pub(crate) stop: &'a AtomicBool,
    pub(crate) last_permille: AtomicU64,
}

impl Context for HostContext<'_> {
    fn seed(&self) -> u64 {
        self.seed
    }

    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn progress(&self, done: u64, total: u64) {
        // At most a thousand lines, however often a plugin calls.
        let permille = (u128::from(done) * 1000 / u128::from(total.max(1))).min(1000) as u64;
        if self.last_permille.swap(permille, Ordering::SeqCst) != permille {
            // A parent that is gone is noticed elsewhere.
            let _ = writeln!(std::io::stdout(), "{PROGRESS}{permille}");
        }
    }

    fn log(&self, level: LogLevel, message: &str) {
        match level {
            LogLevel::Warn => tracing::warn!(target: "plugin", "{message}"),
            LogLevel::Info => tracing::info!(target: "plugin", "{message}"),
            LogLevel::Debug => tracing::debug!(target: "plugin", "{message}"),
        }
    }
}
