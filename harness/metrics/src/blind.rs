//! The blind baseline: can members be told from non-members without any model?
//!
//! Where a classifier of the pixels alone does better than chance, the split is broken, and what a
//! membership attack reaches on it says nothing of the model (Das, Zhang and Tramer 2024, "Blind
//! Baselines Beat Membership Inference Attacks for Foundation Models"; CopyMark).

use std::collections::HashSet;

use crate::candidates::same_length;
use crate::{Error, Estimate, Images, Measured, Roc};

mod ridge;

use ridge::Ridge;

/// Images of a half that are fitted on at most: the first.
const MAX_FITTED: usize = 4096;

/// AUC of ridge regression on the pixels, member (+1) against non-member (-1), chance 0.5: fitted
/// on either half and judged on the other, the mean of the two, with a 95 % interval.
///
/// Pixels are standardised by the half that is fitted on; the penalty is as many times 1 as there
/// are pixels that vary there, so that a principal direction is damped by half where it has 1/n of
/// the variance of n images. One image a group of duplicates counts, the first. `half[i]` says in
/// which half image i lies. At most 4,096 images a half are fitted on.
///
/// The scores of the halves come from two fits, on scales of their own, so areas are averaged and
/// not scores pooled. Where there is nothing to find, both areas rest on nearly the same product,
/// that of the differences of means in the two halves, and go up and down together. So the
/// interval takes them as fully correlated: its ends are the means of the ends of DeLong's
/// intervals, and it is no narrower than that of one half.
///
/// Missing where a half has fewer than two groups of members or of non-members, or where nothing
/// in the images varies.
///
/// # Errors
/// The lists differ in length.
pub fn blind_auc(
    images: Images<'_>,
    member: &[bool],
    half: &[bool],
    group: &[u32],
) -> Result<Measured<Estimate>, Error> {
    for (what, got) in [
        ("flags of members", member.len()),
        ("halves of images", half.len()),
        ("groups of images", group.len()),
    ] {
        same_length(what, images.len(), got)?;
    }
    let mut seen = HashSet::new();
    let first: Vec<usize> = (0..images.len())
        .filter(|&i| seen.insert(group[i]))
        .collect();
    let of = |wanted: bool| -> Vec<usize> {
        let each = first.iter().copied();
        each.filter(|&i| half[i] == wanted).collect()
    };
    let (one, other) = (of(false), of(true));
    let judged = |fitted: &[usize], judged: &[usize]| -> Result<Measured<Estimate>, Error> {
        let fitted = &fitted[..fitted.len().min(MAX_FITTED)];
        let ridge = Ridge::fit(images, fitted, |i| member[i]);
        let scores = |wanted: bool| -> Vec<f64> {
            let each = judged.iter().filter(|&&i| member[i] == wanted);
            each.map(|&i| ridge.predict(images.row(i))).collect()
        };
        Ok(Roc::new(&scores(true), &scores(false))?.and_then(|roc| roc.auc()))
    };
    let (a, b) = (judged(&one, &other)?, judged(&other, &one)?);
    Ok(a.and_then(|a| {
        b.map(|b| Estimate {
            value: f64::midpoint(a.value, b.value),
            low: f64::midpoint(a.low, b.low),
            high: f64::midpoint(a.high, b.high),
        })
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::Bootstrap;
    use crate::bootstrap::below;

    const DIM: usize = 12;

    /// Images of a random brightness each and noise on top; `more` is added to members' pixels.
    fn drawn(rng: &mut ChaCha8Rng, images: usize, more: u32) -> (Vec<u8>, Vec<bool>) {
        let member: Vec<bool> = (0..images).map(|i| i.is_multiple_of(2)).collect();
        let mut pixels = Vec::new();
        for &member in &member {
            let level = 40 + below(rng, 80) + u32::from(member) * more;
            pixels.extend((0..DIM).map(|_| (level + below(rng, 60)) as u8));
        }
        (pixels, member)
    }

    fn blind(pixels: &[u8], member: &[bool]) -> Measured<Estimate> {
        let half: Vec<bool> = (0..member.len()).map(|i| i % 4 < 2).collect();
        let group: Vec<u32> = (0..member.len() as u32).collect();
        let images = Images::new(pixels, pixels.len() / member.len()).unwrap();
        blind_auc(images, member, &half, &group).unwrap()
    }

    #[test]
    fn brighter_members_are_told() {
        let mut rng = Bootstrap::new(1).rng(0);
        let (pixels, member) = drawn(&mut rng, 400, 25);
        let of = blind(&pixels, &member).value().unwrap();
        assert!(of.low > 0.6 && of.value < 0.95, "{of:?}");
        // More pixels than images: the other form of the same solution.
        let wide: Vec<u8> = pixels
            .chunks(DIM)
            .flat_map(|image| image.repeat(40))
            .collect();
        let wide = blind(&wide, &member).value().unwrap();
        assert!((wide.value - of.value).abs() < 0.02, "{wide:?} {of:?}");
    }

    #[test]
    fn a_fair_split_is_flagged_as_rarely_as_it_should() {
        // 2.5 % by its interval; of 400, more than 22 would come up once in 500 times. Halves
        // taken as independent would flag about 8 %.
        let (mut flagged, mut mean) = (0, 0.0);
        for run in 0..400 {
            let mut rng = Bootstrap::new(2).rng(run);
            let (pixels, member) = drawn(&mut rng, 120, 0);
            let of = blind(&pixels, &member).value().unwrap();
            flagged += u32::from(of.low > 0.5);
            mean += of.value / 400.0;
        }
        assert!(flagged <= 22, "{flagged}");
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
    }

    #[test]
    fn duplicates_count_once() {
        let mut rng = Bootstrap::new(3).rng(0);
        let (pixels, member) = drawn(&mut rng, 80, 10);
        let of = blind(&pixels, &member);
        let twice = |i: usize| i % 80;
        let images = Images::new(&pixels, DIM).unwrap();
        let rows: Vec<u32> = (0..160).map(|i| twice(i) as u32).collect();
        let pixels = images.select(&rows).unwrap();
        let again = blind_auc(
            Images::new(&pixels, DIM).unwrap(),
            &(0..160).map(|i| member[twice(i)]).collect::<Vec<_>>(),
            &(0..160).map(|i| twice(i) % 4 < 2).collect::<Vec<_>>(),
            &rows,
        );
        assert_eq!(again.unwrap(), of);
    }

    #[test]
    fn nothing_to_tell_by() {
        let member = [true, false].repeat(8);
        let reason = blind(&[9; 64], &member).reason().unwrap().to_string();
        assert_eq!(reason, "no spread: the scores are all the same");
        let few = blind(&[1, 2, 3, 4], &[true, false, true, false]);
        assert!(few.reason().unwrap().to_string().contains("too few"));
        let images = Images::new(&[0; 4], 2).unwrap();
        let none = blind_auc(images, &[true; 2], &[true; 2], &[0, 1]).unwrap();
        assert!(none.reason().is_some());
        assert!(blind_auc(images, &[true; 2], &[true; 2], &[0]).is_err());
    }
}
