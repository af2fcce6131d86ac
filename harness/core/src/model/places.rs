//! Where rows stand in microbatches. ONNX Runtime does not promise equal bits for a row at another
//! place of a batch, so a row's place follows from its id and not from the rows around it.

use ndarray::{Array, ArrayView, Axis, RemoveAxis};

/// Slots of rows with these ids: a row stands at place `id % microbatch` of the first microbatch
/// in which that place is free. `None` where every row already stands so.
pub(super) fn slots(row_id: &[u64], microbatch: usize) -> Option<Vec<usize>> {
    let microbatch = microbatch.max(1);
    let mut taken = vec![0; microbatch];
    let slots: Vec<usize> = row_id
        .iter()
        .map(|&id| {
            let place = (id % microbatch as u64) as usize;
            let turn = taken[place];
            taken[place] += 1;
            turn * microbatch + place
        })
        .collect();
    let moved = slots.iter().enumerate().any(|(row, &slot)| row != slot);
    moved.then_some(slots)
}

/// Rows spread to their slots; slots between them repeat the first row.
pub(super) fn spread<T: Clone, D: RemoveAxis>(
    rows: ArrayView<'_, T, D>,
    slots: &[usize],
) -> Array<T, D> {
    let count = slots.iter().max().map_or(0, |last| last + 1);
    let mut source = vec![0; count];
    for (row, &slot) in slots.iter().enumerate() {
        source[slot] = row;
    }
    rows.select(Axis(0), &source)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use ndarray::arr1;

    use super::*;

    #[test]
    fn a_row_keeps_its_place_whatever_is_around_it() {
        assert_eq!(slots(&[0, 1, 2, 3, 4], 4), None);
        assert_eq!(slots(&[8, 9, 10], 4), None);
        assert_eq!(slots(&[6, 7, 8, 9], 4), Some(vec![2, 3, 0, 1]));
        assert_eq!(slots(&[5, 5, 1], 4), Some(vec![1, 5, 9]));
        let slots = slots(&[6, 7, 8], 4).unwrap();
        assert_eq!(
            spread(arr1(&[60, 70, 80]).view(), &slots),
            arr1(&[80, 60, 60, 70])
        );
    }
}
