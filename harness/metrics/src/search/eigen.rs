//! Eigenvectors of a small symmetric matrix.

/// The eigenvalues of a symmetric matrix of `n` rows, descending, and their eigenvectors as rows
/// in that order, by cyclic Jacobi rotations (Golub and Van Loan, section 8.5).
pub(crate) fn symmetric(mut matrix: Vec<f64>, n: usize) -> (Vec<f64>, Vec<f64>) {
    const SWEEPS: usize = 30;
    let mut vectors = vec![0.0; n * n];
    for i in 0..n {
        vectors[i * n + i] = 1.0;
    }
    let total: f64 = matrix.iter().map(|x| x * x).sum();
    for _ in 0..SWEEPS {
        let diagonal: f64 = (0..n).map(|i| matrix[i * n + i].powi(2)).sum();
        if total - diagonal <= 1e-16 * total {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                let off = matrix[p * n + q];
                if off == 0.0 {
                    continue;
                }
                let theta = (matrix[q * n + q] - matrix[p * n + p]) / (2.0 * off);
                let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let cosine = 1.0 / tangent.hypot(1.0);
                let sine = tangent * cosine;
                for k in 0..n {
                    let (a, b) = (matrix[k * n + p], matrix[k * n + q]);
                    matrix[k * n + p] = cosine * a - sine * b;
                    matrix[k * n + q] = sine * a + cosine * b;
                }
                rotate(&mut matrix, n, p, q, cosine, sine);
                rotate(&mut vectors, n, p, q, cosine, sine);
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| {
        matrix[b * n + b]
            .total_cmp(&matrix[a * n + a])
            .then(a.cmp(&b))
    });
    let values = order.iter().map(|&i| matrix[i * n + i]).collect();
    let sorted = order
        .iter()
        .flat_map(|&i| vectors[i * n..(i + 1) * n].to_vec())
        .collect();
    (values, sorted)
}

/// Rows p < q become their combinations.
fn rotate(matrix: &mut [f64], n: usize, p: usize, q: usize, cosine: f64, sine: f64) {
    let (head, tail) = matrix.split_at_mut(q * n);
    for (a, b) in head[p * n..(p + 1) * n].iter_mut().zip(&mut tail[..n]) {
        (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
    }
}

#[cfg(test)]
mod tests {
    use super::symmetric;

    #[test]
    fn two_by_two_by_hand() {
        let (values, vectors) = symmetric(vec![2.0, 1.0, 1.0, 2.0], 2);
        assert!((values[0] - 3.0).abs() < 1e-14 && (values[1] - 1.0).abs() < 1e-14);
        assert!((vectors[0] - vectors[1]).abs() < 1e-14);
        assert!((vectors[2] + vectors[3]).abs() < 1e-14);
    }

    #[test]
    fn rows_are_orthonormal_eigenvectors() {
        let n = 13;
        let at = |i: usize, j: usize| 1.0 / (1.0 + (i + j) as f64) + ((i * j) % 5) as f64;
        let matrix: Vec<f64> = (0..n * n).map(|of| at(of / n, of % n)).collect();
        let (values, vectors) = symmetric(matrix.clone(), n);
        assert!(values.is_sorted_by(|a, b| a >= b));
        let rows: Vec<&[f64]> = vectors.chunks(n).collect();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        for (i, row) in rows.iter().enumerate() {
            for (j, other) in rows.iter().enumerate() {
                assert!((dot(row, other) - f64::from(u8::from(i == j))).abs() < 1e-12);
            }
            for (line, &x) in matrix.chunks(n).zip(*row) {
                assert!((dot(line, row) - values[i] * x).abs() < 1e-7);
            }
        }
    }

    #[test]
    fn zeros_and_nothing() {
        assert_eq!(symmetric(vec![0.0; 4], 2).0, [0.0, 0.0]);
        assert!(symmetric(Vec::new(), 0).0.is_empty());
    }
}
