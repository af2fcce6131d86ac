use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use eidetic_harness::cell::{Findings, Inferred};
use eidetic_harness::dataset::{Dataset, Split, SplitConfig};
use eidetic_harness::score::{Truth, grid_png, score, similarity_csv};

use crate::{extracted, metric, pair, score_images};

static FASHION: LazyLock<Dataset> = LazyLock::new(|| {
    let folder = "../../benchmarks/datasets/fashion-mnist-10k";
    Dataset::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), None).unwrap()
});

fn split(members: u32) -> Split {
    let config = SplitConfig {
        members,
        holdout: 1000,
        aux: 0,
        seed: 0,
        plant_duplicates: 0,
    };
    Split::new(&FASHION, &config).unwrap()
}

#[test]
fn members_are_found_and_holdout_is_the_control() {
    let split = split(256);
    let members = extracted(&FASHION.select(&split.members[..64]));
    let scores = score_images(&members, &FASHION, &split);
    let (share, control) = pair(&scores, "nn_ratio_below_0.333");
    assert_eq!(share, 1.0);
    assert!(control < 0.05, "{control}");
    let matched: Vec<u64> = split.members[..64].iter().map(|&i| i.into()).collect();
    assert_eq!(scores.per_image.index["matched"], matched);

    let holdout = extracted(&FASHION.select(&split.control()[..64]));
    let scores = score_images(&holdout, &FASHION, &split);
    let (share, control) = pair(&scores, "nn_ratio_below_0.333");
    assert!(share < 0.05, "{share}");
    assert_eq!(control, 1.0);
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    // 600 members, so that nl2 is there too, over noisy findings.
    let split = split(600);
    let mut found = extracted(&FASHION.select(&split.members[..24]));
    for (i, pixel) in found.images.iter_mut().enumerate() {
        *pixel = pixel.wrapping_add((i % 7) as u8);
    }
    let outputs = [1, 2].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| {
            let scores = score_images(&found, &FASHION, &split);
            let picture = grid_png(&found, &scores, &FASHION).unwrap();
            let table = similarity_csv(&scores).unwrap();
            let json = serde_json::to_vec(&scores).unwrap();
            (json, picture, table, scores)
        })
    });
    let [
        (one, picture, table, scores),
        (two, other_picture, other_table, _),
    ] = outputs;
    assert!(one == two && picture == other_picture && table == other_table);
    for name in ["nl2_generated", "nl2_matched"] {
        let below = |level: &str| pair(&scores, &format!("ams_{name}_{level}")).0;
        let bands = below("1.0_to_1.4") + below("1.4_to_1.6");
        assert!((below("below_1.0") + bands - below("below_1.6")).abs() < 1e-12);
        assert!(metric(&scores, &format!("{name}_p05")).low.is_some());
        // What the nearest pairs match is a part of what all pairs match.
        let of = |column: &[f64], matched: &[u64]| {
            let pairs = column.iter().zip(matched);
            let near = pairs.filter(|(nl2, _)| **nl2 < 1.0);
            near.map(|(_, &j)| j).collect::<BTreeSet<_>>().len() as f64 / 24.0
        };
        let (value, index) = (&scores.per_image.value, &scores.per_image.index);
        let nearest = of(&value[name], &index["matched"]);
        let (ums, control) = pair(&scores, &format!("ums_{name}_below_1.0"));
        assert!(nearest > 0.0 && ums >= nearest, "{name}: {ums} {nearest}");
        assert!(control < ums, "{name}: {ums} {control}");
    }
}

#[test]
fn pixels_do_not_give_a_random_split_away() {
    let split = split(1000);
    let index: Vec<u32> = [&split.members[..], &split.holdout[..]].concat();
    let member = (0..index.len()).map(|i| i < 1000).collect();
    let truth = Truth::new(&FASHION, index, member, vec![]).unwrap();
    let found = Findings::Membership(Inferred {
        candidate: vec![0],
        score: vec![1.0],
    });
    let of = |split: &Split| {
        let scores = score(&found, "", "", &FASHION, split, Some(&truth)).unwrap();
        let blind = metric(&scores, "blind_auc");
        (blind.low.unwrap(), blind.high.unwrap())
    };
    let (low, high) = of(&split);
    assert!(low < 0.5 && high > 0.5 && high - low < 0.12, "{low} {high}");
    // Broken on purpose: of holdout only what is brightest.
    let mut broken = split.clone();
    let sum = |&i: &u32| FASHION.image(i).iter().map(|&p| u64::from(p)).sum::<u64>();
    broken.holdout.sort_by_key(sum);
    broken.holdout.drain(..400);
    let (low, _) = of(&broken);
    assert!(low > 0.6, "{low}");
}

/// Something to look at: `grid.png` in Cargo's folder for the output of tests.
#[test]
fn a_picture_of_copies_and_of_others() {
    let split = split(256);
    // Copies with noise, and images that no model was trained on.
    let mut images = FASHION.select(&split.members[..9]);
    for (i, pixel) in images.iter_mut().enumerate() {
        *pixel = pixel.saturating_add((i * i % 19) as u8);
    }
    images.extend(FASHION.select(&split.holdout[600..607]));
    let found = extracted(&images);
    let scores = score_images(&found, &FASHION, &split);
    assert_eq!(pair(&scores, "nn_ratio_below_0.333").0, 9.0 / 16.0);
    let picture = grid_png(&found, &scores, &FASHION).unwrap();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("grid.png");
    std::fs::write(path, &picture).unwrap();
    assert!(picture.len() > 10_000);
}
