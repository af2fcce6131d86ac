use eidetic_harness::dataset::Dataset;
use eidetic_harness::score::{Error, grid_png, similarity_csv};

use crate::{extracted, score_images, tiny};

fn decode(bytes: &[u8]) -> (usize, usize, Vec<[u8; 3]>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes))
        .read_info()
        .unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgb);
    let pixels = pixels.chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect();
    (info.width as usize, info.height as usize, pixels)
}

/// Where images begin, below the heading, and how far they are apart.
const LEFT: usize = 14;
const TOP: usize = 36;
const STEP: usize = 114;

#[test]
fn colours_and_places() {
    // Two pixels of three channels, plane by plane: member red and blue, holdout all green.
    let member = [255, 0, 0, 0, 0, 255];
    let green = [0, 0, 255, 255, 0, 0];
    let (dataset, split) = tiny([3, 1, 2], [member, green].concat(), 1);
    let found = extracted(&member);
    let scores = score_images(&found, &dataset, &split);
    let bytes = grid_png(&found, &scores, &dataset).unwrap();
    assert_eq!(bytes, grid_png(&found, &scores, &dataset).unwrap());
    let (width, _, pixels) = decode(&bytes);
    let at = |image: usize, x: usize| pixels[TOP * width + LEFT + image * STEP + x];
    for image in [0, 1] {
        assert_eq!((at(image, 0), at(image, 55)), ([255, 0, 0], [255, 0, 0]));
        assert_eq!((at(image, 56), at(image, 111)), ([0, 0, 255], [0, 0, 255]));
    }
    assert_eq!((at(2, 0), at(2, 111)), ([0, 255, 0], [0, 255, 0]));
    assert_eq!(at(2, 112), [255; 3]);
}

#[test]
fn other_numbers_of_channels_are_grey_and_large_images_are_thinned_out() {
    let (dataset, split) = tiny([2, 1, 1], vec![10, 20, 30, 60], 1);
    let found = extracted(&[10, 20]);
    let scores = score_images(&found, &dataset, &split);
    let (width, _, pixels) = decode(&grid_png(&found, &scores, &dataset).unwrap());
    assert_eq!(pixels[TOP * width + LEFT], [15; 3]);
    assert_eq!(pixels[TOP * width + LEFT + 2 * STEP], [45; 3]);

    let large = [[7; 300_000], [9; 300_000]].concat();
    let (dataset, split) = tiny([1, 600, 500], large, 1);
    let found = extracted(&dataset.images[..300_000]);
    let scores = score_images(&found, &dataset, &split);
    let (width, height, _) = decode(&grid_png(&found, &scores, &dataset).unwrap());
    assert!(width < 700 && height < 300, "{width} x {height}");
}

#[test]
fn nothing_found_is_only_a_heading() {
    let (dataset, split) = tiny([1, 1, 1], vec![0, 1], 1);
    let found = extracted(&[]);
    let scores = score_images(&found, &dataset, &split);
    let (_, height, _) = decode(&grid_png(&found, &scores, &dataset).unwrap());
    assert_eq!(height, TOP);
    assert_eq!(
        similarity_csv(&scores).unwrap(),
        "metric,low,high,members,holdout\n"
    );
}

#[test]
fn scores_of_other_findings_are_refused() {
    let (dataset, split) = tiny([1, 1, 1], vec![0, 1], 1);
    let scores = score_images(&extracted(&[1]), &dataset, &split);
    let error = grid_png(&extracted(&[1, 2]), &scores, &dataset).unwrap_err();
    assert!(matches!(error, Error::Column { images: 2, .. }));
    let other = Dataset::new("other", [1, 1, 1], vec![], None, vec![], 0.0).unwrap();
    let error = grid_png(&extracted(&[1]), &scores, &other).unwrap_err();
    assert!(matches!(error, Error::OutOfRange { bound: 0, .. }));
}

#[test]
fn the_table_by_hand() {
    let (dataset, split) = tiny([1, 1, 1], vec![0, 100, 200, 50, 150, 250], 3);
    let scores = score_images(&extracted(&[10, 50, 200, 130]), &dataset, &split);
    let table = similarity_csv(&scores).unwrap();
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows.len(), 1 + 50 + 30);
    // l2 to members: 0, 0.039, 0.118, 0.196; to holdout: 0, 0.078, 0.157, 0.196.
    assert_eq!(rows[1], "l2,0,0.02,1,1");
    assert_eq!(rows[2], "l2,0.02,0.04,1,0");
    // nn_ratio to members: 0, 1/9, 3/7, 1; to holdout: 0, 1/4, 2/7, 1.
    assert!(rows[51].starts_with("nn_ratio,0,0.0333") && rows[51].ends_with(",1,1"));
    assert!(rows[80].starts_with("nn_ratio,0.96") && rows[80].ends_with(",1,1,1"));
    let (dataset, split) = tiny([1, 1, 1], vec![0, 100, 200, 50, 50, 50], 3);
    let scores = score_images(&extracted(&[10]), &dataset, &split);
    let table = similarity_csv(&scores).unwrap();
    assert_eq!(table.lines().nth(2), Some("l2,0.02,0.04,1,"));
}
