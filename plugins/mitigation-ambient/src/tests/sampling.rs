//! The sampling stage.

use eidetic_sdk::sampler::{RowNoise, Sampler, SamplerKind, draw};

use super::*;

#[test]
fn a_sample_keeps_its_mask_whatever_the_batch_and_the_level() {
    for options in ALL {
        let (ambient, _) = make(options, SHAPE);
        let linear = Linear::new(SHAPE);
        let x = random([4, 2, 6, 5], 3);
        let call = |rows: &[usize], ids: &[u64], sigma: f32| {
            let x = x.select(Axis(0), rows);
            let sigma = vec![sigma; rows.len()];
            let mut out = Array4::zeros(x.dim());
            let batch = Batch::unconditional(x.view(), &sigma, ids);
            ambient.denoise(&linear, batch, out.view_mut()).unwrap();
            (linear.seen.lock().unwrap().pop().unwrap(), out)
        };
        let (input, out) = call(&[0, 1, 2, 3], &[8, 9, 8, 1 << 40], 3.0);
        let mask = |input: &Array4<f32>, row: usize| input.slice(s![row, 2, .., ..]).to_owned();
        assert_eq!(mask(&input, 0), mask(&input, 2));
        assert_ne!(mask(&input, 0), mask(&input, 1));
        assert_ne!(mask(&input, 0), mask(&input, 3));
        let (alone, out_alone) = call(&[1], &[9], 0.1);
        assert_eq!(alone.index_axis(Axis(0), 0), input.index_axis(Axis(0), 1));
        assert_eq!(out_alone.index_axis(Axis(0), 0), out.index_axis(Axis(0), 1));
        // Pixels: x where the mask is 1, else 0. The output is all that the network gave.
        if !options.contains("fourier") {
            let shown = &x * &input.slice(s![.., 2..3, .., ..]);
            assert_eq!(shown, input.slice(s![.., ..2, .., ..]));
        }
        let mut whole = Array4::zeros(x.dim());
        Linear::times(&linear.matrix, input.view(), whole.view_mut());
        assert_eq!(whole, out);
    }
}

#[test]
fn a_whole_sample_sees_one_mask_a_row() {
    let (ambient, _) = make(ALL[0], SHAPE);
    let linear = Linear::new(SHAPE);
    let wrapped = Wrapped(&*ambient, &linear);
    assert_eq!(wrapped.info().unwrap(), linear.with_extra(0));
    let info = wrapped.info().unwrap();
    let mut out = Array4::zeros(info.image_dim(2));
    let mut sampler = Sampler::for_model(SamplerKind::Heun, &info);
    sampler.clip_sample = true;
    let mut noise = RowNoise::new(3, "sample", &[4, 5]);
    draw(&sampler, &wrapped, &[4, 5], &[], &mut noise, out.view_mut()).unwrap();
    let seen = linear.seen.lock().unwrap();
    assert_eq!(seen.len(), 35);
    let masks = |input: &Array4<f32>| input.slice(s![.., 2, .., ..]).to_owned();
    assert!(seen.iter().all(|input| masks(input) == masks(&seen[0])));
}

/// A mitigation around a denoiser, as the host puts it there.
struct Wrapped<'a>(&'a dyn Mitigation, &'a dyn Denoiser);

impl Denoiser for Wrapped<'_> {
    fn info(&self) -> Result<ModelInfo> {
        Ok(self.0.wrapped_info(self.1.info()?))
    }
    fn denoise(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        self.0.denoise(self.1, batch, out)
    }
}

#[test]
fn the_gradient_is_that_of_differences() {
    for options in ALL {
        let (ambient, _) = make(options, SHAPE);
        let linear = Linear::new(SHAPE);
        let (x, cotangent) = (random([2, 2, 6, 5], 3), random([2, 2, 6, 5], 4));
        let (sigma, ids) = ([0.5, 2.0], [12, 5]);
        let mut got = Array4::from_elem(x.dim(), 9.0);
        let batch = Batch::unconditional(x.view(), &sigma, &ids);
        ambient
            .denoise_vjp(&linear, batch, cotangent.view(), got.view_mut())
            .unwrap();
        let value = |x: &Array4<f32>| {
            let mut out = Array4::zeros(x.dim());
            let batch = Batch::unconditional(x.view(), &sigma, &ids);
            ambient.denoise(&linear, batch, out.view_mut()).unwrap();
            let pairs = out.iter().zip(&cotangent);
            pairs
                .map(|(&d, &v)| f64::from(d) * f64::from(v))
                .sum::<f64>()
        };
        for place in 0..x.len() {
            let (mut up, mut down) = (x.clone(), x.clone());
            up.as_slice_mut().unwrap()[place] += 0.5;
            down.as_slice_mut().unwrap()[place] -= 0.5;
            let want = value(&up) - value(&down);
            let got = f64::from(got.as_slice().unwrap()[place]);
            assert!((got - want).abs() < 2e-5, "{options} {place}: {got} {want}");
        }
    }
}
