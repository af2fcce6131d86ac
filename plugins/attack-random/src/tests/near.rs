//! Distances over tiles.

use eidetic_sdk::ndarray::Array3;

use super::*;

fn image(levels: [[u8; 5]; 4]) -> Array3<u8> {
    Array3::from_shape_fn((1, 4, 5), |(_, row, column)| levels[row][column])
}

fn near(limit_l2: f64, tiles: u64, channels: u32) -> Near {
    let shape = ImageShape {
        channels,
        height: 4,
        width: 5,
    };
    Near::new(limit_l2, tiles, shape).unwrap()
}

fn joins(near: &Near, a: &Array3<u8>, b: &Array3<u8>) -> bool {
    let arranged = |image: &Array3<u8>| {
        let mut row = Vec::new();
        near.arrange(image.view(), &mut row);
        assert_eq!(row.len(), near.dim());
        row
    };
    joined(near, &arranged(a), &arranged(b))
}

fn joined(near: &Near, a: &[u8], b: &[u8]) -> bool {
    assert_eq!(near.joins(a, b), near.joins(b, a));
    near.joins(a, b)
}

#[test]
fn the_farthest_tile_counts() {
    // 51 levels, a fifth, at four pixels of the tile of rows 2-3 and columns 2-4.
    let black = image([[0; 5]; 4]);
    let corner = image([[0; 5], [0; 5], [0, 0, 51, 51, 0], [0, 0, 51, 51, 0]]);
    for (tiles, distance) in [
        (1, 0.2 * (4.0 / 20.0_f64).sqrt()),
        (2, 0.2 * (4.0 / 6.0_f64).sqrt()),
        // Rows 1-2 and columns 2-3, or rows 3 and columns 2-3, of 4 and 2 pixels.
        (4, 0.2),
    ] {
        assert!(
            joins(&near(distance + 1e-9, tiles, 1), &black, &corner),
            "{tiles}"
        );
        assert!(
            !joins(&near(distance - 1e-9, tiles, 1), &black, &corner),
            "{tiles}"
        );
    }
}

#[test]
fn every_pixel_of_a_large_image_counts() {
    let shape = ImageShape {
        channels: 1,
        height: 20,
        width: 20,
    };
    for changed in [0, 127, 128, 255, 256, 399] {
        let mut other = vec![0; 400];
        other[changed] = 255;
        // One of 400 pixels: 1 / 20 apart.
        for (limit_l2, alike) in [(0.0501, true), (0.0499, false)] {
            let near = Near::new(limit_l2, 1, shape).unwrap();
            assert_eq!(joined(&near, &[0; 400], &other), alike, "pixel {changed}");
        }
    }
}

#[test]
fn one_tile_is_the_image_as_it_is() {
    let image = image([[0, 1, 2, 3, 4], [5; 5], [6; 5], [7, 8, 9, 10, 11]]);
    let mut row = Vec::new();
    near(0.1, 1, 1).arrange(image.view(), &mut row);
    assert!(row.iter().eq(&image));
}

#[test]
fn tiles_hold_every_pixel_of_every_channel_once() {
    let image = Array3::from_shape_fn((3, 4, 5), |(c, h, w)| (c * 20 + h * 5 + w) as u8);
    for tiles in 1..=4 {
        let mut row = Vec::new();
        near(0.1, tiles, 3).arrange(image.view(), &mut row);
        row.sort_unstable();
        assert!(row.into_iter().eq(0..60), "{tiles}");
    }
}

#[test]
fn more_tiles_than_pixels_are_refused() {
    let shape = ImageShape {
        channels: 1,
        height: 4,
        width: 5,
    };
    let error = Near::new(0.1, 5, shape).err().unwrap();
    assert_eq!(error.code, ErrorCode::Unsupported);
    assert_eq!(error.message, "5 x 5 tiles of an image of 4 x 5 pixels");
}
