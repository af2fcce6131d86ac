//! Extraction: every emitted image against the nearest members, and against the nearest holdout.
//!
//! Neighbours are sought among one representative a group of duplicates, so that neither a
//! natural duplicate nor a planted copy makes d2 = d1. Figures by name, each with its control:
//!
//! - `nn_ratio_below_0.333`, the headline: the share memorized (Wilson).
//! - `nn_ratio_below_0.333_top_10_percent`, where every image has a confidence: the same among
//!   the most confident tenth, ties at its end taken whole: the attack's precision (Wilson).
//! - `unique_extracted`: distinct groups matched by a memorized image.
//! - `ams_l2_below_0.05`, `ams_nl2_generated_1.0_to_1.4`, ..: AMS, cumulative and banded, of l2
//!   and of nl2 centred on the generated and on the matched image (Wilson). Levels are the
//!   lower edge in, the upper edge out, so that bands add up.
//! - `ums_l2_below_0.05`, `ums_nl2_matched_1.0_to_1.4`, ..: UMS in the same bands, of l2 and of
//!   nl2 centred on the generated image and on each training image. It has no interval over
//!   images, since resampling images repeats them and so loses distinct matches; repeat over
//!   seeds.
//! - `l2_p05`, `l2_mean`, ..: percentiles and mean (bootstrap).

use eidetic_metrics::{
    Band, Bootstrap, Distinct, ExtractionScore, Images, Measured, NL2_NEIGHBOURS,
    NN_RATIO_MEMORIZED, Scales, ams, extraction_scores, memorized, nearest, nearest_others,
    nl2_scales, percentile, ums_l2, ums_scaled_l2, unique_extracted,
};

use super::Error;
use super::figure::{Figure, NO_FINDINGS, Side, bootstrapped, metric, per_generated, wilson};
use super::revision::BOOTSTRAP_SEED;
use super::scoring::Scored;
use crate::cell::{Extracted, PerImage};
use crate::dataset::{Dataset, Split};

pub(super) const HEADLINE: &str = "nn_ratio_below_0.333";
const MOST_CONFIDENT: &str = "nn_ratio_below_0.333_top_10_percent";
/// The authors of AMG count below each of these.
const NL2_LEVELS: [f64; 3] = [1.0, 1.4, 1.6];
/// No levels of l2 are published for small images. 0.15 is Carlini's for 512 px; in
/// Fashion-MNIST two images within 0.05 are one garment, and half have another within 0.14.
const L2_LEVELS: [f64; 4] = [0.02, 0.05, 0.1, 0.15];

pub(super) fn score(found: &Extracted, dataset: &Dataset, split: &Split) -> Result<Scored, Error> {
    let generated = Images::new(&found.images, dataset.dim())?;
    if generated.len() != found.count {
        return Err(Error::Count {
            what: "images",
            expected: found.count,
            got: generated.len(),
        });
    }
    let confident = match &found.confidence {
        Some(confidence) => Some(most_confident(confidence, generated.len())?),
        None => None,
    };
    let members = split.representatives(&split.members);
    let holdout = split.representatives(&split.holdout);
    let bootstrap = Bootstrap::new(BOOTSTRAP_SEED);
    let against = |reference: &[u32]| Against::new(generated, dataset, reference);
    let rows = |against: &Against| against.rows(generated, confident.as_deref(), &bootstrap);

    let of = against(&members)?;
    let mut per_image = PerImage::default();
    of.columns(&mut per_image, "");
    if let Some(confidence) = &found.confidence {
        let confidence = confidence.clone();
        per_image.value.insert("confidence".into(), confidence);
    }
    let of_members = rows(&of)?;
    let mut of_control = match holdout.get(..members.len()) {
        Some(control) => {
            let control = against(control)?;
            control.columns(&mut per_image, "_control");
            rows(&control)?
        }
        None => {
            let (got, needed) = (holdout.len(), members.len());
            let reason = format!("too few groups in holdout: {got}, expected at least {needed}");
            let missing = |row: &Row| Row {
                figure: Err(reason.clone()),
                ..row.clone()
            };
            of_members.iter().map(missing).collect()
        }
    }
    .into_iter();
    let mut metrics = Vec::with_capacity(of_members.len());
    for row in of_members {
        // Both sides list their rows by the same code, in the same order.
        let control = of_control.next().expect("a control for each row");
        metrics.push(metric(row.name, row.n, row.figure, control.figure));
    }
    let unique = unique_extracted(&of.scores, NN_RATIO_MEMORIZED)?.value();
    Ok(Scored {
        headline: HEADLINE,
        metrics,
        unique_extracted: unique.map(|unique| unique.distinct),
        per_image,
    })
}

/// One side of a metric.
#[derive(Clone)]
struct Row {
    name: String,
    n: usize,
    figure: Figure,
}

/// The findings against one set of reference images.
struct Against {
    scores: Vec<ExtractionScore>,
    /// The image of the dataset that each finding matched.
    matched: Vec<u64>,
    pixels: Vec<u8>,
}

impl Against {
    fn new(generated: Images<'_>, dataset: &Dataset, reference: &[u32]) -> Result<Self, Error> {
        let pixels = dataset.select(reference);
        let training = Images::new(&pixels, dataset.dim())?;
        let scores = extraction_scores(generated, training)?;
        let matched = scores
            .iter()
            .map(|score| u64::from(reference[score.matched as usize]))
            .collect();
        Ok(Self {
            scores,
            matched,
            pixels,
        })
    }

    fn column(&self, of: impl Fn(&ExtractionScore) -> Measured<f64>) -> Measured<Vec<f64>> {
        self.scores.iter().map(of).collect()
    }

    fn named(&self) -> [(&'static str, Measured<Vec<f64>>); 4] {
        [
            ("l2", self.column(|score| Measured::Value(score.l2))),
            ("nn_ratio", self.column(|score| score.nn_ratio)),
            ("nl2_generated", self.column(|score| score.nl2_generated)),
            ("nl2_matched", self.column(|score| score.nl2_matched)),
        ]
    }

    fn columns(&self, per_image: &mut PerImage, suffix: &str) {
        for (name, column) in self.named() {
            if let Measured::Value(column) = column {
                per_image.value.insert(format!("{name}{suffix}"), column);
            }
        }
        let matched = self.matched.clone();
        per_image.index.insert(format!("matched{suffix}"), matched);
    }

    fn rows(
        &self,
        generated: Images<'_>,
        confident: Option<&[usize]>,
        bootstrap: &Bootstrap,
    ) -> Result<Vec<Row>, Error> {
        let n = self.scores.len();
        let mut rows = Vec::new();
        let mut push = |name: String, figure: Figure| rows.push(Row { name, n, figure });
        push(
            HEADLINE.to_owned(),
            wilson(memorized(&self.scores, NN_RATIO_MEMORIZED)?),
        );
        let unique = unique_extracted(&self.scores, NN_RATIO_MEMORIZED)?;
        push(
            "unique_extracted".to_owned(),
            match unique {
                Measured::Value(unique) => Ok(Side::bare(unique.distinct as f64)),
                Measured::Missing(reason) => Err(reason.to_string()),
            },
        );
        for (name, column) in self.named() {
            // Ascending, so that no interval depends on the order of the findings.
            let column = column.map(|mut column| {
                column.sort_unstable_by(f64::total_cmp);
                column
            });
            for (level, band) in bands(name)? {
                let share = match &column {
                    Measured::Value(column) => Measured::Value(ams(column, band)?),
                    Measured::Missing(reason) => Measured::Missing(*reason),
                };
                push(format!("ams_{name}_{level}"), wilson(share));
            }
            let percents: &[u32] = match name {
                "l2" | "nn_ratio" => &[5, 50, 95],
                _ => &[5],
            };
            for &percent in percents {
                let figure = summary(&column, |values| {
                    let percent = f64::from(percent);
                    bootstrapped(percentile(values, percent)?, || {
                        bootstrap.percentile(values, percent)
                    })
                })?;
                push(format!("{name}_p{percent:02}"), figure);
            }
            if name == "l2" {
                let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
                let figure = summary(&column, |values| {
                    bootstrapped(percentile(values, 50.0)?.map(|_| mean(values)), || {
                        bootstrap.mean(values)
                    })
                })?;
                push("l2_mean".to_owned(), figure);
            }
        }
        for (name, figure) in self.ums(generated)? {
            push(name, figure);
        }
        if let Some(confident) = confident {
            let chosen: Vec<_> = confident.iter().map(|&i| self.scores[i]).collect();
            rows.push(Row {
                name: MOST_CONFIDENT.to_owned(),
                n: chosen.len(),
                figure: wilson(memorized(&chosen, NN_RATIO_MEMORIZED)?),
            });
        }
        Ok(rows)
    }

    fn ums(&self, generated: Images<'_>) -> Result<Vec<(String, Figure)>, Error> {
        let training = Images::new(&self.pixels, generated.dim())?;
        let mut rows = Vec::new();
        for (name, column) in self.named() {
            let (levels, bands): (Vec<_>, Vec<_>) = bands(name)?.into_iter().unzip();
            if bands.is_empty() {
                continue;
            }
            let missing = |reason: String| vec![Err(reason); bands.len()];
            let figures: Vec<Figure> = match column {
                Measured::Missing(reason) => missing(reason.to_string()),
                Measured::Value(column) if column.is_empty() => missing(NO_FINDINGS.to_owned()),
                Measured::Value(_) => match distinct(name, generated, training, &bands)? {
                    Measured::Missing(reason) => missing(reason.to_string()),
                    Measured::Value(of) => of.into_iter().map(per_generated).collect(),
                },
            };
            let names = levels.iter().map(|level| format!("ums_{name}_{level}"));
            rows.extend(names.zip(figures));
        }
        Ok(rows)
    }
}

/// UMS in the distance `name`; for nl2 there have to be [`NL2_NEIGHBOURS`] others in `training`.
fn distinct(
    name: &str,
    generated: Images<'_>,
    training: Images<'_>,
    bands: &[Band],
) -> Result<Measured<Vec<Distinct>>, Error> {
    let scaled = |scales: Scales<'_>| ums_scaled_l2(generated, training, scales, bands);
    let of = match name {
        "nl2_generated" => nl2_scales(&nearest(generated, training, NL2_NEIGHBOURS)?)
            .map(|scales| scaled(Scales::Generated(&scales))),
        "nl2_matched" => nl2_scales(&nearest_others(training, NL2_NEIGHBOURS)?)
            .map(|scales| scaled(Scales::Training(&scales))),
        _ => Measured::Value(ums_l2(generated, training, bands)),
    };
    Ok(match of {
        Measured::Value(of) => Measured::Value(of?),
        Measured::Missing(reason) => Measured::Missing(reason),
    })
}

fn summary(
    column: &Measured<Vec<f64>>,
    of: impl FnOnce(&[f64]) -> Result<Figure, eidetic_metrics::Error>,
) -> Result<Figure, Error> {
    Ok(match column {
        Measured::Value(values) => of(values)?,
        Measured::Missing(reason) => Err(reason.to_string()),
    })
}

/// The bands of a distance: below each level, and from each level to the next.
fn bands(name: &str) -> Result<Vec<(String, Band)>, Error> {
    let levels: &[f64] = match name {
        "l2" => &L2_LEVELS,
        "nn_ratio" => &[],
        _ => &NL2_LEVELS,
    };
    let mut bands = Vec::new();
    for level in levels {
        // A band is closed: the largest number below the level leaves the level out.
        let band = Band::at_most(level.next_down())?;
        bands.push((format!("below_{level:?}"), band));
    }
    for edges in levels.windows(2) {
        let band = Band::new(edges[0], edges[1].next_down())?;
        bands.push((format!("{:?}_to_{:?}", edges[0], edges[1]), band));
    }
    Ok(bands)
}

/// The most confident tenth of the findings, at least one, and every other that is as confident
/// as its last.
fn most_confident(confidence: &[f64], images: usize) -> Result<Vec<usize>, Error> {
    if confidence.len() != images {
        return Err(Error::Count {
            what: "confidences",
            expected: images,
            got: confidence.len(),
        });
    }
    // Percentiles refuse what is not finite, with its place.
    let _ = percentile(confidence, 50.0)?;
    let mut ranked = confidence.to_vec();
    ranked.sort_unstable_by(|a, b| b.total_cmp(a));
    let Some(&last) = ranked.get(images.div_ceil(10).saturating_sub(1)) else {
        return Ok(Vec::new());
    };
    Ok((0..images).filter(|&i| confidence[i] >= last).collect())
}
