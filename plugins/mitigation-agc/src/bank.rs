//! The running mean of the loss at each noise level.

use eidetic_sdk::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::Options;

/// ln sigma where the first bin begins and the last ends.
const RANGE: (f64, f64) = (-4.8, 2.4);

/// What is remembered from step to step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bank {
    /// Running mean of each bin, from 0.
    means: Vec<f64>,
    /// Samples judged so far.
    seen: u64,
    /// Of these, left out.
    dropped: u64,
}

impl Bank {
    pub(crate) fn new(bins: u32) -> Self {
        Self {
            means: vec![0.0; bins as usize],
            seen: 0,
            dropped: 0,
        }
    }

    /// Rows that stay, judged by the means as they were; then all enter the means, in order.
    pub(crate) fn take(&mut self, options: &Options, sigma: &[f32], losses: &[f64]) -> Vec<usize> {
        let bins: Vec<usize> = sigma.iter().map(|&sigma| self.bin(sigma)).collect();
        let kept: Vec<usize> = (0..losses.len())
            .filter(|&row| options.ratio * losses[row] >= self.means[bins[row]])
            .collect();
        for (&bin, &loss) in bins.iter().zip(losses) {
            self.means[bin] = options.decay * self.means[bin] + (1.0 - options.decay) * loss;
        }
        self.seen += losses.len() as u64;
        self.dropped += (losses.len() - kept.len()) as u64;
        kept
    }

    fn bin(&self, sigma: f32) -> usize {
        let (low, high) = RANGE;
        let share = (f64::from(sigma).ln() - low) / (high - low);
        // A cast from float to integer saturates.
        ((share * self.means.len() as f64) as usize).min(self.means.len() - 1)
    }

    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| Error::from(error.to_string()))
    }

    pub(crate) fn from_bytes(bytes: &[u8], bins: u32) -> Result<Self> {
        let refused = |what: String| Error::bad_input(format!("state of agc: {what}"));
        let bank: Self =
            serde_json::from_slice(bytes).map_err(|error| refused(error.to_string()))?;
        let got = bank.means.len();
        if got != bins as usize {
            return Err(refused(format!("expected {bins} means, got {got}")));
        }
        if let Some(mean) = bank.means.iter().find(|mean| **mean < 0.0) {
            return Err(refused(format!("expected means of 0 or more, got {mean}")));
        }
        if bank.dropped > bank.seen {
            let (dropped, seen) = (bank.dropped, bank.seen);
            return Err(refused(format!(
                "expected at most {seen} dropped samples, got {dropped}"
            )));
        }
        Ok(bank)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn options(bins: u32) -> Options {
        Options {
            bins,
            ..Options::default()
        }
    }

    #[test]
    fn a_mean_by_hand() {
        let mut bank = Bank::new(1);
        let options = options(1);
        // Nothing is below a mean of 0; then 0.2 * 1 = 0.2, 0.8 * 0.2 + 0.2 * 2 = 0.56.
        assert_eq!(bank.take(&options, &[1.0, 1.0], &[1.0, 2.0]), [0, 1]);
        assert!((bank.means[0] - 0.56).abs() < 1e-15);
        // 2 * 0.27 < 0.56 <= 2 * 0.29; both are judged by 0.56 and both enter the mean.
        assert_eq!(bank.take(&options, &[9.0, 0.1], &[0.27, 0.29]), [1]);
        let mean = 0.8 * (0.8 * 0.56 + 0.2 * 0.27) + 0.2 * 0.29;
        assert!((bank.means[0] - mean).abs() < 1e-15);
        assert_eq!((bank.seen, bank.dropped), (4, 1));
        assert_eq!(bank.take(&options, &[1.0], &[0.0]), [] as [usize; 0]);
        assert_eq!(bank.take(&options, &[], &[]), [] as [usize; 0]);
    }

    #[test]
    fn levels_have_bins_of_their_own() {
        let bank = Bank::new(4);
        // Bins of ln sigma from -4.8, -3, -1.2 and 0.6 on.
        let levels = [-20.0f32, -4.9, -3.1, -2.9, -1.3, -1.1, 0.5, 0.7, 2.3, 5.0];
        let bins = levels.map(|ln| bank.bin(ln.exp()));
        assert_eq!(bins, [0, 0, 0, 1, 1, 2, 2, 3, 3, 3]);
        let mut bank = bank;
        // A loss of 1 at another level does not make one of 0.1 low.
        assert_eq!(bank.take(&options(4), &[1.0], &[1.0]), [0]);
        assert_eq!(bank.take(&options(4), &[0.01], &[0.05]), [0]);
        assert_eq!(bank.take(&options(4), &[1.0], &[0.05]), [] as [usize; 0]);
    }

    proptest! {
        #[test]
        fn a_bank_comes_back_whole_and_goes_on_as_before(
            rows in prop::collection::vec((0.001f32..50.0, 0.0f64..3.0), 1..60), split in 0usize..60
        ) {
            let options = options(7);
            let (sigma, losses): (Vec<f32>, Vec<f64>) = rows.into_iter().unzip();
            let split = split.min(losses.len());
            let mut through = Bank::new(7);
            through.take(&options, &sigma[..split], &losses[..split]);
            let bytes = through.to_bytes().unwrap();
            let mut resumed = Bank::from_bytes(&bytes, 7).unwrap();
            prop_assert_eq!(&resumed, &through);
            prop_assert_eq!(
                resumed.take(&options, &sigma[split..], &losses[split..]),
                through.take(&options, &sigma[split..], &losses[split..])
            );
            prop_assert_eq!(resumed, through);
            prop_assert!(Bank::from_bytes(&bytes[..bytes.len() - 1], 7).is_err());
        }
    }
}
