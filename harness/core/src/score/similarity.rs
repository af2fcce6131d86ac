//! The distribution of the score against members and against holdout, as a table.

use eidetic_metrics::Histogram;

use super::Error;
use crate::cell::{PerImage, Scores};

/// Bins of nn_ratio, so that 1/3 is an edge.
const RATIO_BINS: usize = 30;
/// Bins of l2, 0.02 each.
const L2_BINS: usize = 50;
/// Bins between the lowest and the highest score of a membership attack.
const SCORE_BINS: usize = 30;

/// `similarity.csv`: `metric,low,high,members,holdout`, a row a bin of each score that the
/// findings have. Of extraction it counts images by nn_ratio and l2 against members and against
/// holdout; of membership and reconstruction it counts candidates that are members and that are
/// holdout, by score and by l2. A bin holds its lower edge, and the last its upper one. Columns
/// of a missing control are empty.
///
/// # Errors
/// [`Error::Metric`] for per-image scores that are not finite, as in a damaged record.
pub fn similarity_csv(scores: &Scores) -> Result<String, Error> {
    let of = &scores.per_image;
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["metric", "low", "high", "members", "holdout"])?;
    for (name, edges) in scored(of) {
        let values = &of.value[name];
        let (members, holdout) = match of.index.get("member") {
            Some(member) => {
                let part = |wanted: u64| -> Vec<f64> {
                    let of = values.iter().zip(member).filter(|(_, is)| **is == wanted);
                    of.map(|(value, _)| *value).collect()
                };
                (part(1), Some(part(0)))
            }
            None => (
                values.clone(),
                of.value.get(&format!("{name}_control")).cloned(),
            ),
        };
        let members = Histogram::new(&members, &edges)?;
        let holdout = holdout
            .map(|values| Histogram::new(&values, &edges))
            .transpose()?;
        for (bin, count) in members.counts.iter().enumerate() {
            let control = holdout.as_ref().map(|of| of.counts[bin].to_string());
            writer.write_record([
                name,
                &edges[bin].to_string(),
                &edges[bin + 1].to_string(),
                &count.to_string(),
                &control.unwrap_or_default(),
            ])?;
        }
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| csv::Error::from(error.into_error()))?;
    // Names and numbers are text, and so is what csv writes of them.
    Ok(String::from_utf8(bytes).expect("text in, text out"))
}

/// The columns that are counted, with the edges of their bins.
fn scored(of: &PerImage) -> Vec<(&str, Vec<f64>)> {
    let even = |bins: usize| (0..=bins).map(|i| i as f64 / bins as f64).collect();
    let mut scored = Vec::new();
    for name in of.value.keys().map(String::as_str) {
        if name == "nn_ratio" {
            scored.push((name, even(RATIO_BINS)));
        } else if name == "l2" || (name.starts_with("l2_") && name != "l2_control") {
            scored.push((name, even(L2_BINS)));
        } else if name == "score" {
            scored.push((name, between(&of.value[name])));
        }
    }
    scored
}

/// Even edges from the least to the largest of `values`; fewer where they are too close to part.
fn between(values: &[f64]) -> Vec<f64> {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let at = |i: usize| {
        let share = i as f64 / SCORE_BINS as f64;
        low * (1.0 - share) + high * share
    };
    let mut edges: Vec<f64> = (0..=SCORE_BINS).map(at).collect();
    edges[SCORE_BINS] = high;
    edges.dedup_by(|next, last| *next <= *last);
    if edges.len() < 2 {
        edges = vec![low.next_down(), low.next_up()];
    }
    edges
}
