//! A box of pixels hidden.

use eidetic_sdk::ndarray::{Array2, ArrayViewMut2, s};
use eidetic_sdk::random::Rng;
use rand::RngExt;

use crate::corruption::{Corruption, Mask, hide};

/// A hides one box inside the image, at a place drawn uniformly. Its sides are sqrt(p) times the
/// image's, rounded, and at least a pixel shorter: the whole image is never hidden.
///
/// B hides a second box of the same size. Were it of another, or were B scattered pixels, the
/// network could tell which box is A's; that one is never graded, so what it gives there would
/// mean nothing. For the same reason B's box is drawn from those that do not overlap A's, where
/// there are any (always for p up to 1/9), else from all.
pub(crate) struct Boxes {
    size: [usize; 2],
    sides: [usize; 2],
    second: bool,
}

impl Boxes {
    pub(crate) fn new(size: [usize; 2], p: f64, second: bool) -> Self {
        let side = |n: usize| ((p.sqrt() * n as f64).round() as usize).min(n.saturating_sub(1));
        Self {
            size,
            sides: size.map(side),
            second,
        }
    }

    /// Top left corners of all boxes, row by row.
    fn places(&self) -> Vec<[usize; 2]> {
        let [rows, columns] = [0, 1].map(|axis| 0..=self.size[axis] - self.sides[axis]);
        rows.flat_map(|y| columns.clone().map(move |x| [y, x]))
            .collect()
    }

    fn hide_one(&self, mask: &mut Mask, places: &[[usize; 2]], rng: &mut Rng) {
        let [y, x] = places[rng.random_range(0..places.len())];
        let [height, width] = self.sides;
        mask.slice_mut(s![y..y + height, x..x + width]).fill(0.0);
    }

    fn is_free(&self, mask: &Mask, [y, x]: [usize; 2]) -> bool {
        let [height, width] = self.sides;
        let inside = mask.slice(s![y..y + height, x..x + width]);
        inside.iter().all(|&keep| keep == 1.0)
    }
}

impl Corruption for Boxes {
    fn mask(&self, rng: &mut Rng) -> Mask {
        let mut mask = Array2::ones(self.size);
        self.hide_one(&mut mask, &self.places(), rng);
        mask
    }

    fn further(&self, mask: &Mask, rng: &mut Rng) -> Mask {
        let mut further = mask.clone();
        if self.second {
            let all = self.places();
            let free = |place: &[usize; 2]| self.is_free(mask, *place);
            let apart: Vec<[usize; 2]> = all.iter().copied().filter(free).collect();
            let places = if apart.is_empty() { &all } else { &apart };
            self.hide_one(&mut further, places, rng);
        }
        further
    }

    fn project(&self, mask: &Mask, plane: ArrayViewMut2<'_, f32>) {
        hide(mask, plane);
    }

    fn hides_pixels(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use eidetic_sdk::random::rng;

    use super::*;

    fn hidden(mask: &Mask) -> Vec<(usize, usize)> {
        let zero = mask.indexed_iter().filter(|(_, keep)| **keep == 0.0);
        zero.map(|(place, _)| place).collect()
    }

    #[test]
    fn a_box_has_its_share_of_the_image_and_comes_everywhere() {
        // sqrt(0.1) 16 = 5.06 and sqrt(0.1) 32 = 10.1.
        let boxes = Boxes::new([16, 32], 0.1, true);
        let (mut corners, mut hits) = (std::collections::BTreeSet::new(), Array2::zeros((16, 32)));
        for index in 0..5000 {
            let mask = boxes.mask(&mut rng(1, "test", index));
            let places = hidden(&mask);
            assert_eq!(places.len(), 5 * 10);
            let [(top, left), (bottom, right)] = [places[0], places[49]];
            assert_eq!((bottom - top, right - left), (4, 9));
            corners.insert((top, left));
            hits = hits + (1.0 - mask);
        }
        assert_eq!(corners.len(), 12 * 23);
        assert!(hits.iter().all(|&hits: &f32| hits > 0.0));
    }

    #[test]
    fn the_second_box_stands_apart_where_it_can() {
        let boxes = Boxes::new([15, 15], 1.0 / 9.0, true);
        for index in 0..500 {
            let mut stream = rng(2, "test", index);
            let mask = boxes.mask(&mut stream);
            let both = boxes.further(&mask, &mut stream);
            assert_eq!((hidden(&mask).len(), hidden(&both).len()), (25, 50));
            assert!(hidden(&mask).iter().all(|&place| both[place] == 0.0));
        }
    }

    #[test]
    fn where_it_cannot_stand_apart_it_overlaps() {
        let boxes = Boxes::new([8, 8], 0.5, true);
        let mut stream = rng(3, "test", 0);
        let mask = boxes.mask(&mut stream);
        assert_eq!(hidden(&mask).len(), 36);
        let both = boxes.further(&mask, &mut stream);
        assert!(hidden(&mask).iter().all(|&place| both[place] == 0.0));
        assert!(hidden(&both).len() < 64);
    }

    #[test]
    fn degenerate_boxes() {
        let mut stream = rng(4, "test", 0);
        for (size, p, count) in [
            ([4, 4], 0.0, 0),
            ([4, 4], 0.999, 9),
            ([1, 1], 0.9, 0),
            ([1, 9], 0.5, 0),
        ] {
            let boxes = Boxes::new(size, p, true);
            assert_eq!(hidden(&boxes.mask(&mut stream)).len(), count, "{size:?}");
        }
        let one = Boxes::new([9, 9], 0.1, false);
        let mask = one.mask(&mut stream);
        assert_eq!(one.further(&mask, &mut stream), mask);
    }
}
