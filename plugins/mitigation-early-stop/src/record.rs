//! What the checks found.

use eidetic_sdk::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::Options;

/// Both losses after `step` steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    pub(crate) step: u64,
    pub(crate) withheld: f64,
    pub(crate) training: f64,
}

/// All checks of a run, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    checks: Vec<Check>,
}

impl Record {
    pub(crate) fn add(&mut self, check: Check) {
        self.checks.push(check);
    }

    /// Checks since the first one with the lowest withheld loss.
    pub(crate) fn stale(&self) -> u64 {
        let mut best = (f64::INFINITY, 0);
        for (place, check) in self.checks.iter().enumerate() {
            if check.withheld < best.0 {
                best = (check.withheld, place);
            }
        }
        (self.checks.len() as u64).saturating_sub(best.1 as u64 + 1)
    }

    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| Error::from(error.to_string()))
    }

    pub(crate) fn from_bytes(bytes: &[u8], options: &Options) -> Result<Self> {
        let refused = |what: String| Error::bad_input(format!("state of early-stop: {what}"));
        let record: Self =
            serde_json::from_slice(bytes).map_err(|error| refused(error.to_string()))?;
        if options.patience.is_none() && !record.checks.is_empty() {
            let got = record.checks.len();
            return Err(refused(format!(
                "expected no checks without patience, got {got}"
            )));
        }
        let mut last = 0;
        for check in &record.checks {
            let every = options.every;
            if check.step <= last || !check.step.is_multiple_of(every) {
                return Err(refused(format!(
                    "expected a check at a multiple of {every} above {last}, got one at {}",
                    check.step
                )));
            }
            if let Some(loss) = [check.withheld, check.training]
                .into_iter()
                .find(|loss| *loss < 0.0)
            {
                return Err(refused(format!("expected losses of 0 or more, got {loss}")));
            }
            last = check.step;
        }
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn record(losses: &[f64]) -> Record {
        let check = |(place, &withheld): (usize, &f64)| Check {
            step: 100 * (place as u64 + 1),
            withheld,
            training: withheld / 3.0,
        };
        Record {
            checks: losses.iter().enumerate().map(check).collect(),
        }
    }

    #[test]
    fn checks_without_a_new_minimum_are_counted() {
        for (losses, stale) in [
            (&[][..], 0),
            (&[1.0], 0),
            (&[1.0, 0.5], 0),
            (&[1.0, 1.0], 1),
            (&[0.5, 1.0, 0.6], 2),
            (&[0.5, 1.0, 0.4, 0.4, 0.41, 0.4], 3),
        ] {
            assert_eq!(record(losses).stale(), stale, "{losses:?}");
        }
    }

    proptest! {
        #[test]
        fn a_record_comes_back_bit_for_bit(losses in prop::collection::vec(0.0f64..1e9, 0..20)) {
            let whole = record(&losses);
            let bytes = whole.to_bytes().unwrap();
            let back = Record::from_bytes(&bytes, &Options::default()).unwrap();
            prop_assert_eq!(back.to_bytes().unwrap(), bytes.clone());
            prop_assert_eq!(back, whole);
            prop_assert!(Record::from_bytes(&bytes[..bytes.len() - 1], &Options::default()).is_err());
        }
    }
}
