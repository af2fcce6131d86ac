//! Preconditioning under masks.
#![allow(clippy::unwrap_used)]

use eidetic_graph::evaluate;
use eidetic_nn::{Denoiser, Embedding, Mlp, Network, Weights, names};
use ndarray::{ArrayD, IxDyn};

fn denoiser(masked: bool, extra_channels: usize) -> Denoiser {
    Denoiser {
        network: Network::Mlp(Mlp {
            width: 8,
            depth: 1,
            embedding: Embedding::Sinusoidal,
        }),
        shape: [2, 2, 2],
        extra_channels,
        masked,
        classes: 0,
        sigma_data: 0.5,
    }
}

/// D of one row with weights that are not at their start, where F is 0.
fn denoise(denoiser: &Denoiser, sample: &[f32], sigma: f32) -> Vec<f64> {
    let mut weights = denoiser.initial(3).unwrap();
    for (place, each) in weights.list.iter_mut().enumerate() {
        let shift = |(at, value): (usize, &mut f32)| *value += ((at + place) % 7) as f32 / 20.0;
        each.values.iter_mut().enumerate().for_each(shift);
    }
    let graph = denoiser.graph(1, Weights::Values(&weights)).unwrap();
    let channels = 2 + denoiser.extra_channels;
    let wide = |values: &[f32], shape: &[usize]| {
        let values = values.iter().map(|&x| f64::from(x)).collect();
        ArrayD::from_shape_vec(IxDyn(shape), values).unwrap()
    };
    let feeds = [
        (names::SAMPLE, wide(sample, &[1, channels, 2, 2])),
        (names::SIGMA, wide(&[sigma], &[1])),
    ];
    let outputs = evaluate(&graph, &feeds).unwrap();
    outputs[0].iter().copied().collect()
}

#[test]
fn a_shown_pixel_is_preconditioned_as_ever_and_a_hidden_one_as_at_infinity() {
    let image: Vec<f32> = (0..8).map(|x| x as f32 / 4.0 - 1.0).collect();
    let ones = [image.as_slice(), &[1.0; 8]].concat();
    let plain = denoise(&denoiser(false, 2), &ones, 0.1);
    let masked = denoise(&denoiser(true, 2), &ones, 0.1);
    assert!(
        plain
            .iter()
            .zip(&masked)
            .all(|(a, b)| (a - b).abs() < 1e-12)
    );

    // Where the mask is 0, D = sd F: the same F as a plain denoiser's D at a sigma so large that
    // c_skip x is nothing, and c_out is sd.
    let mut hidden = vec![0.0; 8];
    hidden.extend([0.0; 8]);
    let small = denoise(&denoiser(true, 2), &hidden, 0.01);
    let plain = denoise(&denoiser(false, 2), &hidden, 0.01);
    let c_out = 0.01 * 0.5 / (0.01_f64 * 0.01 + 0.25).sqrt();
    for (small, plain) in small.iter().zip(&plain) {
        let f = plain / c_out;
        assert!((small - 0.5 * f).abs() < 1e-5 * f.abs(), "{small} {f}");
        assert!(f.abs() > 1e-3);
    }
}

#[test]
fn one_mask_serves_all_channels() {
    let image = [0.5_f32; 8];
    let one = [image.as_slice(), &[1.0, 0.0, 1.0, 0.0]].concat();
    let (one, two) = (denoiser(true, 1), one);
    let got = denoise(&one, &two, 0.01);
    // The skip connection is there at shown pixels of both channels alone.
    for (place, got) in got.iter().enumerate() {
        let skip = (got - 0.5).abs() < 0.2;
        assert_eq!(skip, place % 2 == 0, "{place}: {got}");
    }
    assert!(denoiser(true, 3).wanted().is_err());
    assert!(denoiser(true, 0).wanted().is_err());
}

#[test]
fn weights_meet_at_infinity() {
    let denoiser = denoiser(true, 1);
    let far = denoiser.loss_weight(1e6);
    assert!((far - denoiser.hidden_loss_weight()).abs() < 1e-6 * far);
    assert_eq!(denoiser.hidden_loss_weight(), 4.0);
}
