//! Pictures in an NPY or NPZ array.

use std::path::Path;

use super::decode::planar;
use super::error::{fault, io_at};
use super::npy::{self, Layout, Stored};
use super::{Error, Pictures};

/// Names of the array of an NPZ file that is taken where there are several.
const ARRAYS: [&str; 2] = ["images", "arr_0"];

/// Reads the array of pictures of `shape`; each is named by its index.
pub(super) fn read(path: &Path, shape: [usize; 3]) -> Result<Pictures, Error> {
    let length = std::fs::metadata(path).map_err(io_at(path))?.len();
    let stored = match is_zip(path)? {
        false => Stored::npy(path, length)?,
        // Deflate makes at most 1032 bytes of one.
        true => Stored::npz(path, &chosen(path)?, length.saturating_mul(1032))?,
    };
    let found = stored.shape()?;
    let (count, channels, layout) = layout_of(&found, shape).ok_or_else(|| {
        let [c, h, w] = shape;
        let expected = format!(
            "shape [N, {c}, {h}, {w}], [N, {h}, {w}, {c}] or, grey, [N, {h}, {w}], as the dataset has"
        );
        fault(path, &expected, format!("shape {found:?}"))
    })?;
    if u32::try_from(count).is_err() || count == 0 {
        let expected = "from 1 to 4294967295 pictures";
        return Err(fault(path, expected, count));
    }
    let [c, h, w] = shape;
    let images = stored.images([count, channels, h, w], layout)?;
    let images = match channels == c {
        true => images,
        false => recoloured(path, &images, [channels, h, w], c)?,
    };
    Ok(Pictures {
        images,
        names: (0..count).map(|i| i.to_string()).collect(),
        skipped: Vec::new(),
    })
}

fn is_zip(path: &Path) -> Result<bool, Error> {
    let mut magic = [0; 2];
    let read = std::fs::File::open(path)
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut magic));
    read.map_err(io_at(path))?;
    Ok(magic == *b"PK")
}

/// The only array, or the one with a name of [`ARRAYS`].
fn chosen(path: &Path) -> Result<String, Error> {
    let names = npy::arrays(path)?;
    let known = ARRAYS
        .into_iter()
        .find(|known| names.iter().any(|name| name == known));
    match (&names[..], known) {
        ([only], _) => Ok(only.clone()),
        (_, Some(known)) => Ok(known.to_owned()),
        _ => {
            let expected = "one array, or one that is named images or arr_0";
            Err(fault(path, expected, format!("the arrays {names:?}")))
        }
    }
}

/// How many pictures an array of these axes holds, with how many channels, in which order. `None`
/// too where both orders fit and are not the same.
fn layout_of(axes: &[u64], [c, h, w]: [usize; 3]) -> Option<(usize, usize, Layout)> {
    let axes: Vec<usize> = axes
        .iter()
        .map(|&axis| axis.try_into().ok())
        .collect::<Option<_>>()?;
    let grey = matches!(c, 1 | 3);
    match axes[..] {
        [n, y, x] if [y, x] == [h, w] && grey => Some((n, 1, Layout::Nhw)),
        [n, a, b, d] => {
            let fits = |k: usize| {
                let first = [a, b, d] == [k, h, w];
                let last = [a, b, d] == [h, w, k];
                match (first, last) {
                    (true, true) if k > 1 => None,
                    (true, _) => Some((n, k, Layout::Nchw)),
                    (_, true) => Some((n, k, Layout::Nhwc)),
                    _ => None,
                }
            };
            let other = if c == 1 { 3 } else { 1 };
            fits(c).or_else(|| fits(other).filter(|_| grey))
        }
        _ => None,
    }
}

/// Grey pictures as `wanted` equal channels, or the other way round.
fn recoloured(
    path: &Path,
    images: &[u8],
    [channels, h, w]: [usize; 3],
    wanted: usize,
) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(images.len() / channels * wanted);
    for (i, image) in images.chunks_exact(channels * h * w).enumerate() {
        let interleaved: Vec<u8> = (0..h * w)
            .flat_map(|at| image.iter().skip(at).step_by(h * w).copied())
            .collect();
        let pixels = planar(&interleaved, channels, wanted)
            .map_err(|why| fault(path, "grey pictures", format!("picture {i}: {why}")))?;
        out.extend(pixels);
    }
    Ok(out)
}
