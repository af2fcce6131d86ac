//! The noise levels that a solver walks, down and now and then up again.

use eidetic_sdk::sampler::{Sampler, SamplerKind, sigmas};
use eidetic_sdk::{Error, ModelInfo, Result};

/// Levels of a model, and the way over them.
pub(crate) struct Levels {
    /// Descending, without the final 0.
    sigmas: Vec<f64>,
    /// Scale of the standard normal noise that a walk starts from.
    pub(crate) start: f64,
    /// Places in `sigmas` in the order of the walk; its length stands for 0.
    path: Vec<usize>,
}

impl Levels {
    /// `steps` levels (fewer where the model's schedule has fewer), walked with RePaint's jumps.
    ///
    /// # Errors
    /// A schedule without levels.
    pub(crate) fn new(
        info: &ModelInfo,
        steps: u64,
        jump_length: u64,
        resampling: u64,
    ) -> Result<Self> {
        let sampler = Sampler {
            steps: steps as usize,
            ..Sampler::for_model(SamplerKind::Ancestral, info)
        };
        sampler.check()?;
        let sigmas = sigmas(&sampler, &info.schedule);
        let Some(&first) = sigmas.first() else {
            let (low, high) = (sampler.sigma_min, sampler.sigma_max);
            return Err(Error::bad_input(format!(
                "no level of the model's schedule lies in {low}..={high}"
            )));
        };
        // A model with a schedule is variance preserving: it starts from N(0, 1) in its own terms.
        let start = match info.schedule.is_empty() {
            true => first,
            false => (1.0 + first * first).sqrt(),
        };
        Ok(Self {
            path: path(sigmas.len(), jump_length as usize, resampling as usize),
            sigmas,
            start,
        })
    }

    /// From which level to which, one move after another; 0 is the clean image.
    pub(crate) fn moves(&self) -> impl Iterator<Item = (f64, f64)> {
        let sigma = |&place: &usize| self.sigmas.get(place).copied().unwrap_or(0.0);
        self.path
            .windows(2)
            .map(move |pair| (sigma(&pair[0]), sigma(&pair[1])))
    }

    /// Moves downwards, each of which asks the model.
    pub(crate) fn downwards(&self) -> u64 {
        self.path
            .windows(2)
            .filter(|pair| pair[0] < pair[1])
            .count() as u64
    }
}

/// The schedule of RePaint's code (`get_schedule_jump`), its times counted from the noisiest level:
/// from every `jump_length`-th level, counted from the least noisy one, back up `jump_length`
/// levels, `resampling - 1` times each, but not above the first.
fn path(steps: usize, jump_length: usize, resampling: usize) -> Vec<usize> {
    let mut left = vec![resampling - 1; steps];
    let (mut at, mut path) = (0, vec![0]);
    while at < steps {
        at += 1;
        path.push(at);
        let Some(time) = (steps - 1).checked_sub(at) else {
            break;
        };
        let jumps = time % jump_length == 0 && time + jump_length < steps;
        if jumps && left[time] > 0 {
            left[time] -= 1;
            at -= jump_length;
            path.push(at);
        }
    }
    path
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use eidetic_sdk::ImageShape;

    use super::*;

    #[test]
    fn jumps_are_those_of_the_published_schedule() {
        // get_schedule_jump(t_T=7, n_sample=1, jump_length=2, jump_n_sample=2) gives the times
        // 6 5 4 (5 6) 5 4 3 2 (3 4) 3 2 1 0 (1 2) 1 0 -1, jumps in brackets one level at a time.
        let times = [6, 5, 4, 6, 5, 4, 3, 2, 4, 3, 2, 1, 0, 2, 1, 0, -1];
        let places: Vec<i64> = path(7, 2, 2).iter().map(|&at| 6 - at as i64).collect();
        assert_eq!(places, times);
    }

    #[test]
    fn without_resampling_it_walks_down() {
        for jump_length in [1, 3, 100] {
            assert_eq!(path(4, jump_length, 1), [0, 1, 2, 3, 4]);
        }
        assert_eq!(path(1, 1, 9), [0, 1]);
        // A jump of the whole way would end above the first level.
        assert_eq!(path(3, 3, 9), [0, 1, 2, 3]);
    }

    #[test]
    fn the_published_sizes_cost_what_they_do() {
        let image = ImageShape {
            channels: 1,
            height: 2,
            width: 2,
        };
        let info = ModelInfo::pixel_denoiser(image, 0.5);
        // 250 + 24 places x 9 jumps x 10 levels, and 50 + 4 x 2 x 10.
        let calls = |steps, resampling| Levels::new(&info, steps, 10, resampling).unwrap();
        assert_eq!(calls(250, 10).downwards(), 2410);
        assert_eq!(calls(50, 3).downwards(), 130);
        let moves: Vec<(f64, f64)> = calls(50, 3).moves().collect();
        assert_eq!((moves[0].0, moves.last().unwrap().1), (80.0, 0.0));
        assert_eq!(calls(50, 3).start, 80.0);
    }

    #[test]
    fn a_schedule_gives_its_own_levels_and_start() {
        let image = ImageShape {
            channels: 1,
            height: 2,
            width: 2,
        };
        let mut info = ModelInfo::pixel_denoiser(image, 0.5);
        (info.schedule, info.sigma_max) = (vec![0.1, 0.5, 3.0], 3.0);
        let levels = Levels::new(&info, 10, 1, 1).unwrap();
        let moves: Vec<(f64, f64)> = levels.moves().collect();
        assert_eq!(moves, [(3.0, 0.5), (0.5, 0.1), (0.1, 0.0)]);
        assert_eq!(levels.start, 10.0_f64.sqrt());
        info.schedule = vec![100.0];
        let error = Levels::new(&info, 10, 1, 1).err().unwrap();
        assert_eq!(
            error.message,
            "no level of the model's schedule lies in 0.002..=3"
        );
    }
}
