//! A picture of findings beside their nearest images: people look before they read.

use eidetic_metrics::NN_RATIO_MEMORIZED;

use super::Error;
use super::glyphs;
use crate::cell::{Extracted, Scores};
use crate::dataset::Dataset;

/// Findings that are shown.
const SHOWN: usize = 16;
/// Findings side by side.
const ACROSS: usize = 4;
/// Images of a finding: itself, the nearest member, the nearest holdout image.
const IMAGES: usize = 3;
/// Pixels that an image should have on its longer side; larger ones are thinned out.
const SIDE: usize = 112;
const MIN_WIDTH: usize = 104;
const GAP: usize = 2;
const GUTTER: usize = 14;
const DOT: usize = 2;
const CAPTION: usize = glyphs::HEIGHT * DOT + 8;

const PAPER: [u8; 3] = [255, 255, 255];
const INK: [u8; 3] = [60, 60, 60];
/// Findings that count as memorized.
const ALARM: [u8; 3] = [200, 0, 0];

/// A PNG of the findings that are nearest to a member by nn_ratio (by l2 where that is missing,
/// equal ones in the attack's order), up to 16, four side by side: the finding with its nn_ratio,
/// red where it counts as memorized; the nearest member and the nearest holdout image, each with
/// its l2 to the finding. Without a control its place stays empty; without findings there is
/// only the heading.
///
/// `scores` are those of `found`. One channel is shown as grey, three as colour, any other number
/// as the grey of their mean. The same input gives the same bytes.
///
/// # Errors
/// [`Error::Column`] and [`Error::OutOfRange`] where `scores` are not of these findings or this
/// dataset.
pub fn grid_png(found: &Extracted, scores: &Scores, dataset: &Dataset) -> Result<Vec<u8>, Error> {
    let rows = rows(found, scores, dataset)?;
    let across = rows.len().clamp(1, ACROSS);
    let shape = Shown::new(dataset.shape);
    let cell = shape.width.max(MIN_WIDTH);
    let triple = IMAGES * cell + (IMAGES - 1) * GAP;
    let line = shape.height + CAPTION + GUTTER;
    let lines = rows.len().div_ceil(across);
    let mut canvas = Canvas::new(
        GUTTER + across * (triple + GUTTER),
        GUTTER + CAPTION + lines * line,
    );
    for column in 0..across {
        for (i, heading) in ["found", "member", "holdout"].iter().enumerate() {
            let x = GUTTER + column * (triple + GUTTER) + i * (cell + GAP);
            canvas.text(x, GUTTER, heading, INK);
        }
    }
    for (place, row) in rows.iter().enumerate() {
        let x = GUTTER + (place % across) * (triple + GUTTER);
        let y = GUTTER + CAPTION + (place / across) * line;
        for (i, tile) in row.iter().enumerate() {
            let Some(tile) = tile else { continue };
            let x = x + i * (cell + GAP);
            canvas.image(x, y, tile.image, &shape);
            canvas.text(x, y + shape.height + 4, &tile.caption, tile.colour);
        }
    }
    canvas.png()
}

/// One image and what stands below it.
struct Tile<'a> {
    image: &'a [u8],
    caption: String,
    colour: [u8; 3],
}

fn rows<'a>(
    found: &'a Extracted,
    scores: &'a Scores,
    dataset: &'a Dataset,
) -> Result<Vec<[Option<Tile<'a>>; IMAGES]>, Error> {
    let images: Vec<&[u8]> = found.images.chunks(dataset.dim()).collect();
    if images.is_empty() {
        return Ok(Vec::new());
    }
    let value = |name: &'static str| {
        let column = scores.per_image.value.get(name).map(Vec::as_slice);
        of_length(name, column, images.len())
    };
    let index = |name: &'static str| {
        let column = scores.per_image.index.get(name).map(Vec::as_slice);
        of_length(name, column, images.len())
    };
    let needed = |name: &'static str| Error::Column {
        column: name,
        images: images.len(),
        got: "none".to_owned(),
    };
    let l2 = value("l2")?.ok_or_else(|| needed("l2"))?;
    let matched = index("matched")?.ok_or_else(|| needed("matched"))?;
    let ratio = value("nn_ratio")?;
    let control = index("matched_control")?.zip(value("l2_control")?);

    let near = |index: u64, l2: f64| {
        let out_of_range = || Error::OutOfRange {
            what: "images of the dataset",
            bound: dataset.len(),
            got: index,
        };
        let index = u32::try_from(index)
            .ok()
            .filter(|&i| (i as usize) < dataset.len());
        Ok::<_, Error>(Tile {
            image: dataset.image(index.ok_or_else(out_of_range)?),
            caption: format!("l2 {l2:.3}"),
            colour: INK,
        })
    };
    let mut order: Vec<usize> = (0..images.len()).collect();
    order.sort_by(|&a, &b| {
        let ratios = ratio.map_or(std::cmp::Ordering::Equal, |of| of[a].total_cmp(&of[b]));
        ratios.then(l2[a].total_cmp(&l2[b]))
    });
    order
        .into_iter()
        .take(SHOWN)
        .map(|i| {
            let ratio = ratio.map(|of| of[i]);
            let itself = Tile {
                image: images[i],
                caption: ratio.map_or_else(String::new, |ratio| format!("nn {ratio:.3}")),
                colour: if ratio.is_some_and(|ratio| ratio < NN_RATIO_MEMORIZED) {
                    ALARM
                } else {
                    INK
                },
            };
            let control = control
                .map(|(matched, l2)| near(matched[i], l2[i]))
                .transpose()?;
            Ok([Some(itself), Some(near(matched[i], l2[i])?), control])
        })
        .collect()
}

fn of_length<'a, T>(
    column: &'static str,
    values: Option<&'a [T]>,
    images: usize,
) -> Result<Option<&'a [T]>, Error> {
    match values {
        Some(values) if values.len() != images => Err(Error::Column {
            column,
            images,
            got: values.len().to_string(),
        }),
        values => Ok(values),
    }
}

/// How an image of the dataset is shown: each pixel `up` times, or one in `down`.
struct Shown {
    shape: [usize; 3],
    up: usize,
    down: usize,
    width: usize,
    height: usize,
}

impl Shown {
    fn new(shape: [usize; 3]) -> Self {
        let [_, height, width] = shape;
        let longer = height.max(width);
        let (up, down) = ((SIDE / longer).max(1), longer.div_ceil(2 * SIDE).max(1));
        Self {
            shape,
            up,
            down,
            width: width.div_ceil(down) * up,
            height: height.div_ceil(down) * up,
        }
    }

    fn colour(&self, image: &[u8], x: usize, y: usize) -> [u8; 3] {
        let [channels, height, width] = self.shape;
        let place = y / self.up * self.down * width + x / self.up * self.down;
        let channel = |c: usize| image[c * height * width + place];
        if channels == 3 {
            return [channel(0), channel(1), channel(2)];
        }
        let sum: usize = (0..channels).map(|c| usize::from(channel(c))).sum();
        // The mean of bytes is a byte.
        [(sum / channels) as u8; 3]
    }
}

/// RGB pixels.
struct Canvas {
    width: usize,
    pixels: Vec<[u8; 3]>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Self {
        let pixels = vec![PAPER; width * height];
        Self { width, pixels }
    }

    fn set(&mut self, x: usize, y: usize, colour: [u8; 3]) {
        // Text may be longer than the picture is wide.
        if x < self.width
            && let Some(pixel) = self.pixels.get_mut(y * self.width + x)
        {
            *pixel = colour;
        }
    }

    fn image(&mut self, left: usize, top: usize, image: &[u8], shown: &Shown) {
        for y in 0..shown.height {
            for x in 0..shown.width {
                self.set(left + x, top + y, shown.colour(image, x, y));
            }
        }
    }

    fn text(&mut self, left: usize, top: usize, text: &str, colour: [u8; 3]) {
        for (place, letter) in text.chars().enumerate() {
            for (row, bits) in glyphs::rows(letter).into_iter().enumerate() {
                for column in (0..5).filter(|column| bits >> (4 - column) & 1 == 1) {
                    let x = left + (place * glyphs::ADVANCE + column) * DOT;
                    for (dx, dy) in (0..DOT * DOT).map(|dot| (dot % DOT, dot / DOT)) {
                        self.set(x + dx, top + row * DOT + dy, colour);
                    }
                }
            }
        }
    }

    fn png(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let height = self.pixels.len() / self.width;
        let mut encoder = png::Encoder::new(&mut bytes, self.width as u32, height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Balanced);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(self.pixels.as_flattened())?;
        writer.finish()?;
        Ok(bytes)
    }
}
