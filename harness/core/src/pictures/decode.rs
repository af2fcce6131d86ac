//! One picture from the bytes of its file, PNG or JPEG by content.

use std::io::Cursor;

use png::{ColorType, Transformations};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// What a file may have beside its pixels (text, profiles, thumbnails), in bytes.
const OVERHEAD: usize = 1 << 20;

/// The most bytes that a file of a picture of this shape may have: twice what four channels of
/// 8 bits take, and [`OVERHEAD`].
pub(crate) fn file_limit([_, height, width]: [usize; 3]) -> usize {
    height
        .saturating_mul(width)
        .saturating_mul(8)
        .saturating_add(OVERHEAD)
}

/// Decodes a PNG or JPEG to `[C, H, W]`, u8, or says why it cannot be used.
///
/// Grey files do for C = 3, and colour files whose channels are equal for C = 1. Palettes and
/// grey levels of fewer than 8 bits are expanded, both exact. Refused: another size, 16 bits a
/// channel, a pixel that is not opaque, an animation, CMYK, anything truncated or damaged. Colour
/// profiles, gamma and orientation tags are not applied, as Pillow does not by itself. A JPEG's
/// levels depend on the decoder: they may differ by a few from libjpeg's. It has no checksum: one
/// that is cut off is refused, but levels that changed may go unnoticed.
///
/// No more memory is taken than a picture of that size needs: the header is read first.
pub(crate) fn decode(bytes: &[u8], shape: [usize; 3]) -> Result<Vec<u8>, String> {
    let (pixels, channels) = if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        png(bytes, shape)?
    } else if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
        jpeg(bytes, shape)?
    } else if bytes.is_empty() {
        return Err("expected a PNG or JPEG file, got 0 bytes".into());
    } else {
        let begin = &bytes[..bytes.len().min(4)];
        return Err(format!(
            "expected a PNG or JPEG file, got one that begins with {begin:02x?}"
        ));
    };
    planar(&pixels, channels, shape[0])
}

/// Pixels with their channels side by side, and the number of channels: 1 or 3.
type Interleaved = (Vec<u8>, usize);

fn png(bytes: &[u8], shape: [usize; 3]) -> Result<Interleaved, String> {
    let damaged = |error: png::DecodingError| format!("expected a whole PNG, got: {error}");
    let limits = png::Limits {
        bytes: file_limit(shape),
    };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::EXPAND);
    let header = decoder.read_header_info().map_err(damaged)?;
    let channels = channels_of(header.color_type);
    let size = [header.height as usize, header.width as usize];
    check_size(channels, size, shape)?;
    if header.bit_depth == png::BitDepth::Sixteen {
        return Err("expected 8 bits a channel, got 16".into());
    }
    let mut reader = decoder.read_info().map_err(damaged)?;
    if reader.info().is_animated() {
        return Err("expected one picture, got an animation".into());
    }
    let length = reader.output_buffer_size().unwrap_or(usize::MAX);
    if length > file_limit(shape) {
        return Err(format!("expected a picture of {shape:?}, got a larger one"));
    }
    let mut pixels = vec![0; length];
    reader.next_frame(&mut pixels).map_err(damaged)?;
    reader.finish().map_err(damaged)?;
    match reader.output_color_type().0.samples() {
        with_alpha @ (2 | 4) => Ok((opaque(&pixels, with_alpha)?, with_alpha - 1)),
        channels => Ok((pixels, channels)),
    }
}

/// The pixels without their last channel, which must be 255 everywhere.
fn opaque(pixels: &[u8], samples: usize) -> Result<Vec<u8>, String> {
    let clear = pixels
        .chunks_exact(samples)
        .filter(|pixel| pixel[samples - 1] != 255)
        .count();
    if clear > 0 {
        let all = pixels.len() / samples;
        return Err(format!(
            "expected opaque pixels, got {clear} of {all} with alpha below 255"
        ));
    }
    let colours = pixels.chunks_exact(samples);
    Ok(colours
        .flat_map(|pixel| &pixel[..samples - 1])
        .copied()
        .collect())
}

fn jpeg(bytes: &[u8], shape: [usize; 3]) -> Result<Interleaved, String> {
    let damaged = |error: &dyn std::fmt::Debug| format!("expected a whole JPEG, got: {error:?}");
    // The decoder makes up what is missing behind the last whole block.
    let last = |marker: [u8; 2]| bytes.windows(2).rposition(|two| two == marker);
    if last([0xff, 0xd9]) < last([0xff, 0xda]) || last([0xff, 0xd9]).is_none() {
        return Err(damaged(&"no end of image (truncated)"));
    }
    let options = DecoderOptions::default().set_strict_mode(true);
    let mut decoder = JpegDecoder::new_with_options(Cursor::new(bytes), options);
    decoder.decode_headers().map_err(|e| damaged(&e))?;
    let info = decoder.info().ok_or_else(|| damaged(&"no header"))?;
    let (channels, colours) = match info.components {
        1 => (1, ColorSpace::Luma),
        3 => (3, ColorSpace::RGB),
        n => return Err(format!("expected 1 or 3 components, got a JPEG of {n}")),
    };
    let size = [usize::from(info.height), usize::from(info.width)];
    check_size(channels, size, shape)?;
    decoder.set_options(options.jpeg_set_out_colorspace(colours));
    let pixels = decoder.decode().map_err(|e| damaged(&e))?;
    if pixels.len() != channels * size[0] * size[1] {
        return Err(damaged(&"too few pixels"));
    }
    Ok((pixels, channels))
}

/// Channels, height and width of a PNG or JPEG by its header.
pub(crate) fn shape_of(bytes: &[u8]) -> Option<[usize; 3]> {
    if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
        let mut decoder = JpegDecoder::new(Cursor::new(bytes));
        decoder.decode_headers().ok()?;
        let info = decoder.info()?;
        let channels = usize::from(info.components);
        return Some([channels, info.height.into(), info.width.into()]);
    }
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    let header = decoder.read_header_info().ok()?;
    let channels = channels_of(header.color_type);
    Some([channels, header.height as usize, header.width as usize])
}

/// Channels without alpha.
fn channels_of(colours: ColorType) -> usize {
    match colours {
        ColorType::Grayscale | ColorType::GrayscaleAlpha => 1,
        ColorType::Rgb | ColorType::Rgba | ColorType::Indexed => 3,
    }
}

fn check_size(channels: usize, size: [usize; 2], shape: [usize; 3]) -> Result<(), String> {
    if size == shape[1..] {
        return Ok(());
    }
    let [c, h, w] = shape;
    Err(format!(
        "expected {c} x {h} x {w} (channels, height, width), got {channels} x {} x {}",
        size[0], size[1]
    ))
}

/// Interleaved pixels of 1 or 3 channels as the planes of `wanted` channels.
pub(super) fn planar(pixels: &[u8], channels: usize, wanted: usize) -> Result<Vec<u8>, String> {
    match (channels, wanted) {
        (1, 1 | 3) => Ok(pixels.repeat(wanted)),
        (3, 3) => Ok((0..3)
            .flat_map(|channel| pixels.iter().skip(channel).step_by(3).copied())
            .collect()),
        (3, 1) => {
            let pixels = pixels.as_chunks::<3>().0;
            let coloured = pixels.iter().filter(|[r, g, b]| r != g || g != b).count();
            if coloured > 0 {
                let all = pixels.len();
                return Err(format!(
                    "expected 1 channel, got 3 that differ in {coloured} of {all} pixels"
                ));
            }
            Ok(pixels.iter().map(|[r, _, _]| *r).collect())
        }
        _ => Err(format!("expected {wanted} channels, got {channels}")),
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
