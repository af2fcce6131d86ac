//! The ball of estimates that count as memorized, and the push out of it.

use eidetic_sdk::pixels::to_unit;

/// { p : |p - n1| < ratio |p - n2| } for two training images: for ratio < 1 a ball around
/// c = (n1 - ratio^2 n2) / (1 - ratio^2) of radius ratio |n1 - n2| / (1 - ratio^2) (Apollonius).
pub(crate) struct Ball {
    /// p - c, for the estimate p.
    offset: Vec<f64>,
    /// |p - c|.
    distance: f64,
    radius: f64,
}

fn pixel(level: u8) -> f64 {
    f64::from(to_unit(level))
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

impl Ball {
    /// The ball of `n1` against `n2`, seen from `estimate`; all of one length, `ratio` below 1.
    /// None where the estimate lies outside, or is not finite.
    pub(crate) fn around(estimate: &[f32], n1: &[u8], n2: &[u8], ratio: f64) -> Option<Self> {
        let squared = ratio * ratio;
        let pairs = || n1.iter().zip(n2).map(|(&a, &b)| (pixel(a), pixel(b)));
        let radius = ratio / (1.0 - squared) * norm(pairs().map(|(a, b)| a - b));
        let centre = pairs().map(|(a, b)| (a - squared * b) / (1.0 - squared));
        let offset: Vec<f64> = estimate
            .iter()
            .zip(centre)
            .map(|(&p, c)| f64::from(p) - c)
            .collect();
        let distance = norm(offset.iter().copied());
        // The centre lies beyond n1, where only an estimate made for it could be: no direction
        // out of it is the shortest, and none is taken.
        (distance > 0.0 && distance < radius).then_some(Self {
            offset,
            distance,
            radius,
        })
    }

    /// Moves the estimate by `scale` times the shortest way out.
    pub(crate) fn push(&self, estimate: &mut [f32], scale: f64) {
        let step = scale * (self.radius / self.distance - 1.0);
        for (p, offset) in estimate.iter_mut().zip(&self.offset) {
            *p = (f64::from(*p) + step * offset) as f32;
        }
    }

    /// The cotangent's product with the push's derivative, in place. With u = (p - c) / |p - c|
    /// and r the radius, d push = 1 - scale + scale r / |p - c| (1 - u u^T), which is symmetric.
    pub(crate) fn pull_back(&self, cotangent: &mut [f32], scale: f64) {
        let along: f64 = cotangent
            .iter()
            .zip(&self.offset)
            .map(|(&v, offset)| f64::from(v) * offset)
            .sum::<f64>()
            / (self.distance * self.distance);
        let stretch = scale * self.radius / self.distance;
        for (v, offset) in cotangent.iter_mut().zip(&self.offset) {
            let across = f64::from(*v) - along * offset;
            *v = ((1.0 - scale) * f64::from(*v) + stretch * across) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    // At ratio 1/2, n1 = -1 and n2 = 1: c = -5/3, radius 4/3, so the ball is -3..-1/3.
    const N1: [u8; 1] = [0];
    const N2: [u8; 1] = [255];

    #[test]
    fn an_estimate_is_pushed_to_where_the_ratio_holds() {
        for (from, to) in [(-1.0, -1.0 / 3.0), (-0.5, -1.0 / 3.0), (-2.5, -3.0)] {
            let mut estimate = [from];
            let ball = Ball::around(&estimate, &N1, &N2, 0.5).unwrap();
            ball.push(&mut estimate, 1.0);
            assert!((f64::from(estimate[0]) - to).abs() < 1e-6, "{estimate:?}");
        }
    }

    #[test]
    fn half_the_scale_goes_half_the_way() {
        let mut estimate = [-1.0];
        let ball = Ball::around(&estimate, &N1, &N2, 0.5).unwrap();
        ball.push(&mut estimate, 0.5);
        assert!((f64::from(estimate[0]) + 2.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn outside_or_without_sense_there_is_no_ball() {
        for estimate in [-0.33, 0.0, 1.0, -3.01, f32::NAN, f32::INFINITY] {
            assert!(Ball::around(&[estimate], &N1, &N2, 0.5).is_none());
        }
        // Equal images leave no room between them.
        assert!(Ball::around(&[-1.0], &N1, &N1, 0.5).is_none());
    }

    #[test]
    fn a_pushed_image_has_the_ratio_of_the_ball() {
        let n1 = [10, 200, 30, 4];
        let n2 = [90, 10, 250, 60];
        for ratio in [0.1, 1.0 / 3.0, 0.4, 0.9] {
            let mut estimate = n1.map(|level| pixel(level) as f32 + 0.01);
            Ball::around(&estimate, &n1, &n2, ratio)
                .unwrap()
                .push(&mut estimate, 1.0);
            let to = |image: &[u8; 4]| {
                norm(
                    image
                        .iter()
                        .zip(&estimate)
                        .map(|(&a, &p)| pixel(a) - f64::from(p)),
                )
            };
            assert!((to(&n1) / to(&n2) - ratio).abs() < 1e-6);
        }
    }

    #[test]
    fn the_derivative_is_that_of_finite_differences() {
        let n1 = [10, 200, 30];
        let n2 = [90, 10, 250];
        let at = [-0.9f32, 0.5, -0.7];
        let cotangent = [0.3f32, -1.0, 0.5];
        for scale in [0.5, 1.0, 1.5] {
            let value = |estimate: [f32; 3]| {
                let mut pushed = estimate;
                Ball::around(&estimate, &n1, &n2, 0.4)
                    .unwrap()
                    .push(&mut pushed, scale);
                let terms = pushed.iter().zip(&cotangent);
                terms
                    .map(|(&p, &v)| f64::from(p) * f64::from(v))
                    .sum::<f64>()
            };
            let mut got = cotangent;
            Ball::around(&at, &n1, &n2, 0.4)
                .unwrap()
                .pull_back(&mut got, scale);
            for i in 0..3 {
                let (mut up, mut down) = (at, at);
                up[i] += 0.01;
                down[i] -= 0.01;
                let step = f64::from(up[i] - down[i]);
                let want = (value(up) - value(down)) / step;
                assert!((f64::from(got[i]) - want).abs() < 1e-3, "{scale} {i}");
            }
        }
    }
}
