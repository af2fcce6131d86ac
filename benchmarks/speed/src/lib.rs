//! What the benches share: the images they run on.

use std::fs::File;
use std::io::Read;

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;

/// Pixels of a Fashion-MNIST image, 28 x 28.
pub const FASHION_MNIST_DIM: usize = 28 * 28;

/// The pixels of the 10,000 committed images of Fashion-MNIST, row after row.
///
/// # Errors
/// The file of `benchmarks/datasets/fashion-mnist-10k` is not there or not an IDX file of
/// 10,000 images.
pub fn fashion_mnist() -> Result<Vec<u8>> {
    const FILE: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../datasets/fashion-mnist-10k/t10k-images-idx3-ubyte.gz"
    );
    // Magic 0x0803 (u8, three axes), then 10,000, 28 and 28, big-endian.
    const HEADER: [u8; 16] = [0, 0, 8, 3, 0, 0, 0x27, 0x10, 0, 0, 0, 28, 0, 0, 0, 28];
    let file =
        File::open(FILE).with_context(|| format!("the benches need the images of {FILE}"))?;
    let mut bytes = Vec::new();
    GzDecoder::new(file)
        .read_to_end(&mut bytes)
        .with_context(|| format!("reading {FILE}"))?;
    ensure!(
        bytes.starts_with(&HEADER) && bytes.len() == HEADER.len() + 10_000 * FASHION_MNIST_DIM,
        "expected an IDX file of 10,000 images of 28 x 28 bytes in {FILE}, got {} bytes that \
         start with {:?}",
        bytes.len(),
        &bytes[..bytes.len().min(HEADER.len())],
    );
    Ok(bytes.split_off(HEADER.len()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    #[test]
    fn the_images_are_there_and_not_blank() {
        let pixels = super::fashion_mnist().unwrap();
        assert_eq!(pixels.len(), 10_000 * super::FASHION_MNIST_DIM);
        let lit = pixels.iter().filter(|&&pixel| pixel > 0).count();
        assert!(lit > pixels.len() / 4, "{lit} pixels are not 0");
    }
}
