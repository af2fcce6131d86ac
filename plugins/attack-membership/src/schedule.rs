//! Published timesteps as noise levels: sigma_t = sqrt((1 - alpha_bar_t) / alpha_bar_t).

use eidetic_sdk::{Error, ModelInfo, Result};

/// Training steps of both schedules.
pub(crate) const STEPS: usize = 1000;

/// DDPM's linear schedule, beta from 1e-4 to 0.02 (Ho et al. 2020): sigma is 0.0100 at t 0, 0.342
/// at 100, 0.724 at 200.
pub(crate) fn linear(t: u32) -> f64 {
    sigma(t, |share| 1e-4 + (0.02 - 1e-4) * share)
}

/// Stable Diffusion's `scaled_linear`, linear in sqrt(beta) from 0.00085 to 0.012: sigma is 0.344
/// at t 100, 1.618 at 500, 8.347 at 900.
pub(crate) fn scaled_linear(t: u32) -> f64 {
    let (low, high) = (0.00085_f64.sqrt(), 0.012_f64.sqrt());
    sigma(t, |share| (low + (high - low) * share).powi(2))
}

fn sigma(t: u32, beta: impl Fn(f64) -> f64) -> f64 {
    let last = (STEPS - 1) as f64;
    let kept: f64 = (0..=t).map(|i| 1.0 - beta(f64::from(i) / last)).product();
    ((1.0 - kept) / kept).sqrt()
}

/// The level nearest to `sigma`, by ratio, at which a model can be asked.
///
/// # Errors
/// `Unsupported` for a level outside the model's range.
pub(crate) fn on(info: &ModelInfo, sigma: f64) -> Result<f64> {
    // The ends of a range may be rounded.
    const SLACK: f64 = 1.001;
    let (low, high) = (info.sigma_min, info.sigma_max);
    if sigma * SLACK < low || sigma > high * SLACK {
        return Err(Error::new(
            eidetic_sdk::ErrorCode::Unsupported,
            format!("sigma {sigma} lies outside the model's {low} to {high}"),
        )
        .with_help("give levels inside it as `sigmas`"));
    }
    let far = |level: &f64| (level / sigma).ln().abs();
    let nearest = info.schedule.iter().copied().filter(|&level| level > 0.0);
    Ok(nearest
        .min_by(|a, b| far(a).total_cmp(&far(b)))
        .unwrap_or(sigma))
}

/// Step 0 of a schedule: that of the linear one, or the model's lowest level where that is higher.
pub(crate) fn first(info: &ModelInfo) -> Result<f64> {
    on(info, linear(0).max(info.sigma_min))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use eidetic_sdk::ImageShape;

    fn model(schedule: Vec<f64>) -> ModelInfo {
        let image = ImageShape {
            channels: 1,
            height: 1,
            width: 1,
        };
        ModelInfo {
            schedule,
            ..ModelInfo::pixel_denoiser(image, 0.5)
        }
    }

    #[test]
    fn published_steps_are_the_levels_of_the_docs() {
        // By an independent loop over beta in Python.
        for (got, want) in [
            (linear(0), 0.010_000_500_037_502_575),
            (linear(90), 0.308_176_989_341_221_25),
            (linear(100), 0.342_259_699_013_031_6),
            (linear(200), 0.723_591_259_430_396_9),
            (scaled_linear(100), 0.343_931_226_448_885_6),
            (scaled_linear(495), 1.591_519_597_931_838_4),
            (scaled_linear(900), 8.346_596_614_723_838),
        ] {
            assert!((got / want - 1.0).abs() < 1e-12, "{got} against {want}");
        }
    }

    #[test]
    fn a_schedule_gives_its_nearest_level_and_a_range_its_own() {
        assert_eq!(on(&model(vec![]), 0.5).unwrap(), 0.5);
        assert_eq!(on(&model(vec![0.1, 0.4, 0.9]), 0.5).unwrap(), 0.4);
        // By ratio: 0.4 / 0.1 is more than 0.9 / 0.4.
        assert_eq!(on(&model(vec![0.1, 0.9]), 0.4).unwrap(), 0.9);
        assert_eq!(first(&model(vec![])).unwrap(), linear(0));
        let high = ModelInfo {
            sigma_min: 0.03,
            ..model(vec![0.03, 1.0])
        };
        assert_eq!(first(&high).unwrap(), 0.03);
    }

    #[test]
    fn a_level_outside_the_range_is_refused() {
        let error = on(&model(vec![]), 81.0).unwrap_err();
        assert_eq!(error.code, eidetic_sdk::ErrorCode::Unsupported);
        assert_eq!(
            error.message,
            "sigma 81 lies outside the model's 0.002 to 80"
        );
        assert!(on(&model(vec![]), 0.0019).is_err());
        assert!(on(&model(vec![]), 0.001_999).is_ok());
    }
}
