//! From an image of levels to the input of a network.

use super::manifest::{Channels, Preprocessing};
use super::resize::Resizer;

/// Makes inputs of images of one shape.
#[derive(Debug)]
pub(super) struct Preprocess {
    shape: [usize; 3],
    /// Height and width of the input.
    size: [usize; 2],
    resized: Option<Resized>,
    channels: Channels,
    /// What becomes of each level, a table a channel of the input.
    tables: [[f32; 256]; 3],
}

/// How an image gets its size.
#[derive(Debug)]
struct Resized {
    resizer: Resizer,
    width: usize,
    top: usize,
    left: usize,
}

impl Preprocess {
    /// For images `[C, H, W]`, C 1 or 3, all sizes at least 1.
    pub(super) fn new(of: &Preprocessing, shape: [usize; 3]) -> Self {
        let [_, height, width] = shape;
        let resized = of.size.zip(of.filter).map(|(size, filter)| {
            let to = match of.resize {
                Some(shorter) => keeping_aspect([height, width], shorter),
                None => size,
            };
            Resized {
                resizer: Resizer::new([height, width], to, filter),
                width: to[1],
                top: margin(to[0] - size[0]),
                left: margin(to[1] - size[1]),
            }
        });
        let table = |channel: usize| {
            std::array::from_fn(|level| {
                let level = level as f32;
                let level = if of.levels == 255 {
                    level
                } else {
                    level / 255.0
                };
                (level - of.mean[channel]) / of.std[channel]
            })
        };
        Self {
            shape,
            size: of.size.unwrap_or([height, width]),
            resized,
            channels: of.channels,
            tables: std::array::from_fn(table),
        }
    }

    /// Levels of one image.
    pub(super) fn pixels(&self) -> usize {
        self.shape.iter().product()
    }

    /// `[3, height, width]` of the input.
    pub(super) fn input_shape(&self) -> [usize; 3] {
        [3, self.size[0], self.size[1]]
    }

    /// Writes the input of one image `[C, H, W]` to `input`, `[3, height, width]`.
    pub(super) fn write(&self, image: &[u8], input: &mut [f32]) {
        let [channels, height, width] = self.shape;
        let planes: Vec<Vec<u8>> = image
            .chunks_exact(height * width)
            .map(|plane| self.sized(plane))
            .collect();
        let outputs = input.chunks_exact_mut(self.size[0] * self.size[1]);
        for ((place, output), table) in outputs.enumerate().zip(&self.tables) {
            let plane = match (channels, self.channels) {
                (1, _) => 0,
                (_, Channels::Rgb) => place,
                (_, Channels::Bgr) => 2 - place,
            };
            for (value, &level) in output.iter_mut().zip(&planes[plane]) {
                *value = table[usize::from(level)];
            }
        }
    }

    fn sized(&self, plane: &[u8]) -> Vec<u8> {
        let Some(resized) = &self.resized else {
            return plane.to_vec();
        };
        let whole = resized.resizer.plane(plane);
        let [height, width] = self.size;
        if whole.len() == height * width {
            return whole;
        }
        whole
            .chunks_exact(resized.width)
            .skip(resized.top)
            .take(height)
            .flat_map(|row| &row[resized.left..resized.left + width])
            .copied()
            .collect()
    }
}

/// `torchvision.transforms.Resize(shorter)`: the other side is rounded down.
fn keeping_aspect([height, width]: [usize; 2], shorter: usize) -> [usize; 2] {
    if height <= width {
        [shorter, shorter * width / height]
    } else {
        [shorter * height / width, shorter]
    }
}

/// `torchvision.transforms.CenterCrop`: half of what is too much, halves to the even number.
fn margin(surplus: usize) -> usize {
    let half = surplus / 2;
    half + (surplus % 2) * (half % 2)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::resize::Filter;
    use super::*;

    fn preprocessing() -> Preprocessing {
        Preprocessing {
            size: Some([2, 2]),
            filter: Some(Filter::Nearest),
            resize: None,
            channels: Channels::Rgb,
            levels: 1,
            mean: [0.0, 0.5, 0.25],
            std: [1.0, 0.5, 2.0],
        }
    }

    fn input(of: &Preprocessing, shape: [usize; 3], image: &[u8]) -> Vec<f32> {
        let preprocess = Preprocess::new(of, shape);
        let mut input = vec![f32::NAN; preprocess.input_shape().iter().product()];
        preprocess.write(image, &mut input);
        input
    }

    #[test]
    fn a_grey_image_becomes_three_equal_channels_each_with_its_mean_and_std() {
        let expected = [
            [0.0, 1.0, 0.2, 0.4],
            [-1.0, 1.0, -0.6, -0.2],
            [-0.125, 0.375, -0.025, 0.075],
        ];
        let got = input(&preprocessing(), [1, 2, 2], &[0, 255, 51, 102]);
        for (got, expected) in got.iter().zip(expected.as_flattened()) {
            assert!((got - expected).abs() < 1e-6, "{got} {expected}");
        }
    }

    #[test]
    fn blue_comes_first_where_it_should_with_the_mean_of_that_place() {
        let mut of = preprocessing();
        (of.channels, of.levels) = (Channels::Bgr, 255);
        (of.mean, of.std) = ([1.0, 2.0, 3.0], [1.0; 3]);
        of.size = Some([1, 1]);
        assert_eq!(input(&of, [3, 1, 1], &[10, 20, 30]), [29.0, 18.0, 7.0]);
        of.channels = Channels::Rgb;
        assert_eq!(input(&of, [3, 1, 1], &[10, 20, 30]), [9.0, 18.0, 27.0]);
    }

    #[test]
    fn the_middle_is_cut_out_of_what_keeps_its_aspect() {
        assert_eq!(keeping_aspect([300, 400], 256), [256, 341]);
        assert_eq!(keeping_aspect([400, 300], 256), [341, 256]);
        assert_eq!(keeping_aspect([28, 28], 256), [256, 256]);
        // round(0.5) = 0, round(1.5) = 2, round(2.5) = 2 in Python.
        assert_eq!([0, 1, 2, 3, 4, 5].map(margin), [0, 0, 1, 2, 2, 2]);

        let mut of = preprocessing();
        (of.resize, of.levels) = (Some(4), 255);
        (of.mean, of.std) = ([0.0; 3], [1.0; 3]);
        // 4 x 6, not resized: rows 1 and 2, columns 2 and 3.
        let image: Vec<u8> = (0..24).collect();
        let got = input(&of, [1, 4, 6], &image);
        assert_eq!(got[..4], [8.0, 9.0, 14.0, 15.0]);
    }

    #[test]
    fn without_a_size_an_image_goes_in_as_it_is() {
        let mut of = preprocessing();
        (of.size, of.filter) = (None, None);
        let preprocess = Preprocess::new(&of, [3, 5, 7]);
        assert_eq!(preprocess.input_shape(), [3, 5, 7]);
        let image: Vec<u8> = (0..105).collect();
        let got = input(&of, [3, 5, 7], &image);
        assert_eq!(got[36], (36.0 / 255.0 - 0.5) / 0.5);
    }
}
