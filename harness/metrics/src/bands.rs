//! AMS and UMS: the shares of a set of generated images that match, and are matched, in a band.

use crate::error::refuse_non_finite;
use crate::images::squared_limit;
use crate::matching::Pairs;
use crate::neighbours::same_dim;
use crate::{Error, Images, Measured, Proportion, Reason};

/// A closed range of a similarity or distance. Bands that share an edge both hold it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Band {
    low: f64,
    high: f64,
}

impl Band {
    /// [low, high]; either may be infinite.
    ///
    /// # Errors
    /// NaN, or `low` above `high`.
    pub fn new(low: f64, high: f64) -> Result<Self, Error> {
        if low <= high {
            return Ok(Self { low, high });
        }
        let expected = "at least the lower edge, and neither NaN";
        Err(Error::Parameter {
            name: "upper edge of a band",
            expected,
            got: high,
        })
    }

    /// Cumulative for a distance, where less is better: everything up to `high`.
    ///
    /// # Errors
    /// NaN.
    pub fn at_most(high: f64) -> Result<Self, Error> {
        Self::new(f64::NEG_INFINITY, high)
    }

    /// Cumulative for a similarity, where more is better: everything from `low` on.
    ///
    /// # Errors
    /// NaN.
    pub fn at_least(low: f64) -> Result<Self, Error> {
        Self::new(low, f64::INFINITY)
    }

    /// The lower edge.
    pub fn low(&self) -> f64 {
        self.low
    }

    /// The upper edge.
    pub fn high(&self) -> f64 {
        self.high
    }

    /// Whether `value` lies in the band, its edges included.
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// AMS (Chen et al., SIDE): the share of generated images whose best match lies in `band`.
/// `best` holds one value an image: its smallest distance, or its largest similarity.
///
/// ```
/// use eidetic_metrics::{Band, ams};
///
/// let nearest_l2 = [0.02, 0.10, 0.25, 0.40];
/// assert_eq!(ams(&nearest_l2, Band::new(0.05, 0.25)?)?.share().value(), Some(0.5));
/// assert_eq!(ams(&nearest_l2, Band::at_most(0.25)?)?.hits(), 3);
/// # Ok::<(), eidetic_metrics::Error>(())
/// ```
///
/// # Errors
/// A value is not finite.
pub fn ams(best: &[f64], band: Band) -> Result<Proportion, Error> {
    refuse_non_finite("best values", best)?;
    Ok(Proportion::count(
        best.iter().map(|&value| band.contains(value)),
    ))
}

/// How many different training images were matched by a number of generated ones.
///
/// Its quotient is no share: one generated image may match many training images, so it is not
/// bounded by 1. It has no interval over images either, since the number of different matches
/// grows with the number of images in its own way; repeat over seeds for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Distinct {
    /// Different training images (or groups) that were matched.
    pub distinct: u64,
    /// Generated images that were looked at.
    pub generated: u64,
}

impl Distinct {
    /// `distinct / generated`, comparable only between equal numbers of generated images;
    /// missing without any.
    pub fn per_generated(&self) -> Measured<f64> {
        Reason::unless_enough("generated images", 1, self.generated as usize)
            .map(|()| self.distinct as f64 / self.generated as f64)
    }
}

/// UMS (Chen et al., SIDE) from any similarity or distance, one generated image at a time: per
/// band, the training images j with gamma(x_i, y_j) in the band for some i, over the number of
/// generated images. Holds one bit a training image and band.
///
/// ```
/// use eidetic_metrics::{Band, Ums};
///
/// let mut ums = Ums::new(3, &[Band::at_least(0.6)?, Band::new(0.5, 0.6)?]);
/// ums.add(&[0.9, 0.55, 0.1])?;
/// ums.add(&[0.8, 0.70, 0.2])?;
/// assert_eq!(ums.finish().map(|of| of.distinct).collect::<Vec<_>>(), [2, 1]);
/// # Ok::<(), eidetic_metrics::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Ums {
    bands: Vec<Band>,
    matched: Vec<Vec<bool>>,
    training: usize,
    generated: u64,
}

impl Ums {
    /// For `training` images and these bands.
    pub fn new(training: usize, bands: &[Band]) -> Self {
        let matched = vec![vec![false; training]; bands.len()];
        Self {
            bands: bands.to_vec(),
            matched,
            training,
            generated: 0,
        }
    }

    /// Counts one generated image, given its value against every training image.
    ///
    /// # Errors
    /// Another number of values than training images, or one that is not finite; nothing is
    /// counted then.
    pub fn add(&mut self, values: &[f64]) -> Result<(), Error> {
        if values.len() != self.training {
            let (expected, got) = (self.training, values.len());
            return Err(Error::Length {
                what: "values against training images",
                expected,
                got,
            });
        }
        refuse_non_finite("values against training images", values)?;
        for (band, matched) in self.bands.iter().zip(&mut self.matched) {
            for (matched, &value) in matched.iter_mut().zip(values) {
                *matched |= band.contains(value);
            }
        }
        self.generated += 1;
        Ok(())
    }

    /// The counts, in the order of the bands.
    pub fn finish(self) -> impl Iterator<Item = Distinct> {
        let generated = self.generated;
        self.matched.into_iter().map(move |matched| Distinct {
            distinct: matched.iter().filter(|&&matched| matched).count() as u64,
            generated,
        })
    }
}

/// UMS in [`l2`] for each of `bands`.
///
/// # Errors
/// The two sets differ in dimension.
pub fn ums_l2(
    generated: Images<'_>,
    training: Images<'_>,
    bands: &[Band],
) -> Result<Vec<Distinct>, Error> {
    let ones = vec![1.0; generated.len()];
    ums_scaled_l2(generated, training, Scales::Generated(&ones), bands)
}

/// What [`ums_scaled_l2`] divides the distance of generated image i and training image j by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scales<'a> {
    /// By the i-th of one a generated image.
    Generated(&'a [f64]),
    /// By the j-th of one a training image.
    Training(&'a [f64]),
}

impl<'a> Scales<'a> {
    pub(crate) fn as_slice(&self) -> &'a [f64] {
        match self {
            Self::Generated(scales) | Self::Training(scales) => scales,
        }
    }
}

/// UMS for each of `bands`, of distances divided by `scales`. By [`nl2_scales`](crate::nl2_scales)
/// it is UMS in nl2: of [`nearest`](crate::nearest) centred on the generated image, of
/// [`nearest_others`](crate::nearest_others) on the matched one.
///
/// ```
/// use eidetic_metrics::{Band, Images, Scales, ums_scaled_l2};
///
/// // l2 of 0.2 and 0.4.
/// let (generated, training) = (Images::new(&[0], 1)?, Images::new(&[51, 102], 1)?);
/// let bands = [Band::at_most(1.0)?];
/// let centred_on = |scales| ums_scaled_l2(generated, training, scales, &bands);
/// assert_eq!(centred_on(Scales::Generated(&[0.25]))?[0].distinct, 1);
/// assert_eq!(centred_on(Scales::Training(&[0.25, 0.5]))?[0].distinct, 2);
/// # Ok::<(), eidetic_metrics::Error>(())
/// ```
///
/// # Errors
/// The two sets differ in dimension, there is not one scale an image, or a scale is not a
/// positive finite number.
pub fn ums_scaled_l2(
    generated: Images<'_>,
    training: Images<'_>,
    scales: Scales<'_>,
    bands: &[Band],
) -> Result<Vec<Distinct>, Error> {
    same_dim(generated, training)?;
    let (what, expected) = match scales {
        Scales::Generated(_) => ("scales of generated images", generated.len()),
        Scales::Training(_) => ("scales of training images", training.len()),
    };
    let divisors = scales.as_slice();
    if divisors.len() != expected {
        let got = divisors.len();
        return Err(Error::Length {
            what,
            expected,
            got,
        });
    }
    if let Some(&got) = divisors
        .iter()
        .find(|&&scale| !(scale > 0.0 && scale.is_finite()))
    {
        return Err(Error::Parameter {
            name: "scale",
            expected: "positive and finite",
            got,
        });
    }
    let dim = training.dim();
    let furthest = bands
        .iter()
        .map(|band| band.high)
        .fold(f64::NEG_INFINITY, f64::max);
    // A hair above the furthest band: the division decides, this only skips.
    let limits: Vec<_> = divisors
        .iter()
        .map(|&scale| squared_limit(furthest * scale * (1.0 + 1e-9), dim))
        .collect();
    let pairs = Pairs {
        generated,
        training,
        scales,
        limits: &limits,
    };
    let counts = bands.chunks(64).flat_map(|bands| pairs.matched(bands));
    let generated = generated.len() as u64;
    Ok(counts
        .map(|distinct| Distinct {
            distinct,
            generated,
        })
        .collect())
}
