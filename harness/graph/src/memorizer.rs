//! The perfect memorizer as a graph.

use crate::builder::GraphBuilder;
use crate::error::Error;
use crate::proto::{AttributeProto, ModelProto, TensorProto};
use crate::shape::{Dim, Element};

/// The exact minimiser of the denoising loss over `images`, f32 `[N, C, H, W]`:
/// D*(x; sigma) = sum_i softmax_i(-|x - x_i|^2 / (2 sigma^2)) x_i.
///
/// Inputs `sample` f32 `[batch, C, H, W]` and `sigma` f32 `[batch]`, output `out_sample` f32
/// `[batch, C, H, W]`. With x~ and x_i~ centred on the mean image, the logits are
/// (x~ . x_i~ - |x_i~|^2 / 2) / sigma^2: what -|x - x_i|^2 / (2 sigma^2) is but for a term that all
/// i share. Everything between the casts is f64: a logit is a difference of large numbers over
/// sigma^2, and in f32 its error moves D by more than 1e-4 where two images are near each other.
///
/// # Errors
/// [`Error::Graph`] for no images, or a number of values that is no multiple of C * H * W.
pub fn memorizer(images: &[f32], shape: [usize; 3]) -> Result<ModelProto, Error> {
    let pixels: usize = shape.iter().product();
    if images.is_empty() || pixels == 0 || !images.len().is_multiple_of(pixels) {
        return Err(Error::Graph {
            graph: "memorizer".to_owned(),
            what: format!(
                "expected images of {pixels} pixels, got {} values",
                images.len()
            ),
        });
    }
    let count = images.len() / pixels;
    let mean = mean_image(images, pixels);
    let half_norms: Vec<f64> = images
        .chunks_exact(pixels)
        .map(|image| {
            let centred = image.iter().zip(&mean).map(|(&x, m)| f64::from(x) - m);
            0.5 * centred.map(|x| x * x).sum::<f64>()
        })
        .collect();

    let mut graph = GraphBuilder::new("memorizer");
    let batch = Dim::Named("batch".to_owned());
    let dims: Vec<Dim> = std::iter::once(batch.clone())
        .chain(shape.map(Dim::Fixed))
        .collect();
    let sample = graph.input("sample", Element::F32, &dims);
    let sigma = graph.input("sigma", Element::F32, &[batch]);
    let images = graph.constant(TensorProto::f32("images", &[count, pixels], images));
    let mean = graph.constant(TensorProto::f64("mean", &[pixels], &mean));
    let half_norms = graph.constant(TensorProto::f64("half_norms", &[count], &half_norms));
    let column = graph.constant(TensorProto::i64("column", &[2], &[-1, 1]));
    // 0 stands for the batch, as the input has it.
    let whole = [&[0], shape.map(|size| size as i64).as_slice()].concat();
    let whole = graph.constant(TensorProto::i64("whole", &[4], &whole));

    let images = graph.cast(images, Element::F64);
    let images = graph.op("Sub", &[images, mean]);
    let columns = graph.op_with(
        "Transpose",
        &[images],
        vec![AttributeProto::ints("perm", &[1, 0])],
    );

    let flat = graph.op_with("Flatten", &[sample], vec![AttributeProto::int("axis", 1)]);
    let flat = graph.cast(flat, Element::F64);
    let centred = graph.op("Sub", &[flat, mean]);
    let sigma = graph.op("Reshape", &[sigma, column]);
    let sigma = graph.cast(sigma, Element::F64);
    let variance = graph.op("Mul", &[sigma, sigma]);
    let dots = graph.op("MatMul", &[centred, columns]);
    let distances = graph.op("Sub", &[dots, half_norms]);
    let logits = graph.op("Div", &[distances, variance]);
    let weights = graph.op_with("Softmax", &[logits], vec![AttributeProto::int("axis", -1)]);
    let mixed = graph.op("MatMul", &[weights, images]);
    let denoised = graph.op("Add", &[mixed, mean]);
    let denoised = graph.cast(denoised, Element::F32);
    let out_sample = graph.op("Reshape", &[denoised, whole]);
    graph.output("out_sample", out_sample, Element::F32, &dims);
    graph.build()
}

fn mean_image(images: &[f32], pixels: usize) -> Vec<f64> {
    let mut mean = vec![0.0; pixels];
    for image in images.chunks_exact(pixels) {
        for (sum, &x) in mean.iter_mut().zip(image) {
            *sum += f64::from(x);
        }
    }
    let count = (images.len() / pixels) as f64;
    mean.iter_mut().for_each(|sum| *sum /= count);
    mean
}
