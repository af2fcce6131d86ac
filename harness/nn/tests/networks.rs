//! Networks against their PyTorch mirrors (benchmarks/speed/training/unet.py).
#![allow(clippy::unwrap_used)]

mod common;

use common::agrees;
use eidetic_nn::{Denoiser, Embedding, Mlp, Network, UNet, Weights};

fn denoiser(network: Network, shape: [usize; 3], extra: usize, classes: usize) -> Denoiser {
    Denoiser {
        network,
        shape,
        extra_channels: extra,
        masked: false,
        classes,
        sigma_data: 0.5,
    }
}

fn unet(channels: &[usize], blocks: usize, attention: usize) -> Network {
    Network::Unet(UNet {
        channels: channels.to_vec(),
        blocks,
        attention: vec![attention],
        embedding: Embedding::Sinusoidal,
        dropout: 0.0,
    })
}

#[test]
fn the_unet_of_the_speed_table_has_as_many_weights_as_pytorchs() {
    let denoiser = denoiser(unet(&[32, 64, 128], 2, 2), [1, 28, 28], 0, 0);
    // What torch_step.py prints.
    assert_eq!(denoiser.initial(0).unwrap().count(), 1_271_137);
}

#[test]
fn a_unet_with_classes_and_attention_has_pytorchs_gradients() {
    let denoiser = denoiser(unet(&[8, 16], 1, 1), [2, 8, 8], 0, 3);
    let output = denoiser.graph(4, Weights::Inputs).unwrap();
    agrees("unet", &output, |rows| denoiser.loss(rows));
}

#[test]
fn a_perceptron_with_extra_channels_has_pytorchs_gradients() {
    let mlp = Mlp {
        width: 16,
        depth: 2,
        embedding: Embedding::Fourier,
    };
    let denoiser = denoiser(Network::Mlp(mlp), [1, 4, 4], 1, 0);
    let output = denoiser.graph(4, Weights::Inputs).unwrap();
    agrees("mlp", &output, |rows| denoiser.loss(rows));
}
