//! Counts model calls and refuses those beyond the limit.

use std::sync::atomic::{AtomicU64, Ordering};

use eidetic_sdk::{Error, ErrorCode, Result};

/// One image through one forward pass is one call. What an output stage causes by rejecting is
/// counted apart and not against the attacker.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    model: AtomicU64,
    defence: AtomicU64,
}

impl Budget {
    /// A budget of `limit` calls.
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            model: AtomicU64::new(0),
            defence: AtomicU64::new(0),
        }
    }

    /// Calls charged to the attack.
    pub fn model_calls(&self) -> u64 {
        self.model.load(Ordering::SeqCst)
    }

    /// Calls that rejections caused.
    pub fn defence_calls(&self) -> u64 {
        self.defence.load(Ordering::SeqCst)
    }

    /// Calls left to the attack.
    pub fn left(&self) -> u64 {
        self.limit.saturating_sub(self.model_calls())
    }

    /// Charges `calls` before they are made, all or none.
    ///
    /// # Errors
    /// `Budget`, where fewer are left.
    pub fn charge(&self, calls: u64) -> Result<()> {
        let charged = self
            .model
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |spent| {
                spent
                    .checked_add(calls)
                    .filter(|&total| total <= self.limit)
            });
        charged.map(drop).map_err(|spent| {
            let left = self.limit.saturating_sub(spent);
            let limit = self.limit;
            Error::new(
                ErrorCode::Budget,
                format!("{calls} model calls asked for, {left} of {limit} left"),
            )
            .with_help("raise limits.model_calls in the suite, or ask for less")
        })
    }

    /// Adds calls that a rejection caused.
    pub fn defend(&self, calls: u64) {
        self.defence.fetch_add(calls, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn charges_all_or_none() {
        let budget = Budget::new(10);
        budget.charge(7).unwrap();
        let refused = budget.charge(4).unwrap_err();
        assert_eq!(refused.code, ErrorCode::Budget);
        assert_eq!(refused.message, "4 model calls asked for, 3 of 10 left");
        budget.charge(3).unwrap();
        assert!(budget.charge(u64::MAX).is_err());
        budget.defend(100);
        assert_eq!(
            (budget.model_calls(), budget.defence_calls(), budget.left()),
            (10, 100, 0)
        );
    }
}
