//! Lists over eleven images of one pixel, `fixtures/membership.npz` by numpy, and splits within
//! lists against `fixtures/make.py`.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;

use super::super::{Dataset, Manifest, Part, Readiness, Split, SplitConfig, find};
use super::*;
use crate::files::{sha256_file, sha256_hex};

/// Images 1 and 2, 3 and 4, 6 and 7 are the same.
const PIXELS: [u8; 11] = [0, 10, 10, 20, 20, 30, 40, 40, 50, 60, 70];
/// The lists of the fixture: 1 and 2 are on either side, 4 and 10 in neither.
const LISTS: ([u32; 5], [u32; 4]) = ([9, 3, 0, 1, 5], [7, 2, 6, 8]);

fn fixture() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/dataset/fixtures/membership.npz")
}

fn plain() -> Dataset {
    Dataset::new("tiny", [1, 1, 1], PIXELS.to_vec(), None, vec![], 0.0).unwrap()
}

fn listed(train: &[u32], eval: &[u32]) -> Result<Dataset, String> {
    let dataset = plain().with_membership(train.to_vec(), eval.to_vec());
    dataset.map_err(|error| error.to_string())
}

fn tiny() -> Dataset {
    listed(&LISTS.0, &LISTS.1).unwrap()
}

fn config(members: u32, holdout: u32, aux: u32, seed: u64) -> SplitConfig {
    SplitConfig {
        members,
        holdout,
        aux,
        seed,
        plant_duplicates: 0,
    }
}

/// A folder `datasets/tiny` with a manifest for [`PIXELS`] and the lists `npz` in `data`.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new(npz: &[u8]) -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(bench.folder()).unwrap();
        fs::create_dir_all(bench.data()).unwrap();
        let images = [
            &[0, 0, 8, 3, 0, 0, 0, 11, 0, 0, 0, 1, 0, 0, 0, 1][..],
            &PIXELS,
        ]
        .concat();
        fs::write(bench.folder().join("images"), &images).unwrap();
        fs::write(bench.data().join("lists.npz"), npz).unwrap();
        bench.write_manifest(&format!(
            "membership: {{ file: lists.npz, sha256: {} }}\n",
            sha256_hex(npz)
        ));
        bench
    }

    fn write_manifest(&self, membership: &str) {
        let text = format!(
            "version: 1\nname: tiny\ntitle: Eleven pixels\nsource: https://example.org/tiny\n\
             licence: MIT\nimages: {{ file: images, format: idx, sha256: {} }}\ncount: 11\n\
             shape: [1, 1, 1]\nelement: u8\nlevels: 256\nnear_duplicate_l2: 0\n{membership}\
             split: {{ members: 3, holdout: 3, aux: 0 }}\n",
            sha256_file(&self.folder().join("images")).unwrap()
        );
        fs::write(self.folder().join(Manifest::FILE), text).unwrap();
    }

    fn folder(&self) -> PathBuf {
        self.0.path().join("datasets/tiny")
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn load(&self) -> Result<Dataset, String> {
        let dataset = Dataset::load(&self.folder(), Some(&self.data()));
        dataset.map_err(|error| error.to_string())
    }

    fn readiness(&self) -> Readiness {
        let datasets = self.0.path().join("datasets");
        find(&datasets, "tiny", Some(&self.data()))
            .unwrap()
            .readiness
    }
}

/// An NPZ file of these arrays, each a descriptor and its data, one-dimensional.
fn npz(arrays: &[(&str, &str, &str, &[u8])]) -> Vec<u8> {
    use std::io::Write;
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, descr, shape, data) in arrays {
        let header =
            format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
        let options = zip::write::SimpleFileOptions::default();
        archive.start_file(format!("{name}.npy"), options).unwrap();
        archive.write_all(b"\x93NUMPY\x01\x00").unwrap();
        archive
            .write_all(&(header.len() as u16).to_le_bytes())
            .unwrap();
        archive.write_all(header.as_bytes()).unwrap();
        archive.write_all(data).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// Two lists of bytes.
fn of_bytes(train: &[u8], eval: &[u8]) -> Vec<u8> {
    let shape = |list: &[u8]| format!("({},)", list.len());
    npz(&[
        (TRAIN, "|u1", &shape(train), train),
        (EVAL, "|u1", &shape(eval), eval),
    ])
}

#[test]
fn a_manifest_s_lists_are_those_of_the_file_wherever_it_lies() {
    let bench = Bench::new(&fs::read(fixture()).unwrap());
    let dataset = bench.load().unwrap();
    assert_eq!(dataset.membership, tiny().membership);
    assert_eq!(dataset.digest, tiny().digest);
    assert_eq!(bench.readiness(), Readiness::Ready);
    let split = Split::new(&dataset, &dataset.default_split.unwrap()).unwrap();
    let sorted = |mut part: Vec<u32>| {
        part.sort_unstable();
        part
    };
    assert_eq!(sorted(split.members), [0, 5, 9]);
    assert_eq!(sorted(split.holdout), [6, 7, 8]);

    fs::create_dir(bench.data().join("tiny")).unwrap();
    let moved = bench.data().join("tiny/other.npz");
    fs::rename(bench.data().join("lists.npz"), &moved).unwrap();
    assert_eq!(
        bench.readiness(),
        Readiness::Missing(vec!["lists.npz".into()])
    );
    let error = bench.load().unwrap_err();
    assert!(
        error.contains("needs lists.npz, which is not in"),
        "{error}"
    );
    bench.write_manifest(&format!(
        "membership: {{ file: other.npz, sha256: {} }}\n",
        sha256_file(&moved).unwrap()
    ));
    assert_eq!(
        bench.load().unwrap().digest,
        dataset.digest,
        "never the path"
    );
}

#[test]
fn only_lists_and_only_their_content_change_the_digest() {
    let bench = Bench::new(&fs::read(fixture()).unwrap());
    let with = bench.load().unwrap().digest;
    bench.write_manifest("");
    let without = bench.load().unwrap();
    assert_eq!(without.digest, plain().digest);
    assert_eq!(without.membership, None);
    let mut covered = b"eidetic membership 1\n".to_vec();
    covered.extend(plain().digest.as_bytes());
    for list in [&[0_u32, 1, 3, 5, 9][..], &[2, 6, 7, 8]] {
        covered.extend((list.len() as u64).to_le_bytes());
        covered.extend(list.iter().flat_map(|index| index.to_le_bytes()));
    }
    assert_eq!(with, sha256_hex(&covered));
    let again = listed(&[0, 1, 3, 5, 9], &[8, 7, 6, 2]).unwrap();
    assert_eq!(with, again.digest, "the order of a list does not count");
    for (train, eval) in [
        (&LISTS.0[1..], &LISTS.1[..]),
        (&LISTS.0, &LISTS.1[1..]),
        (&LISTS.1, &LISTS.0),
        (&[], &[]),
    ] {
        assert_ne!(with, listed(train, eval).unwrap().digest);
    }
    assert_eq!(tiny().duplicates, plain().duplicates);
}

#[test]
fn groups_in_two_lists_are_in_no_part_and_counted() {
    let dataset = tiny();
    let lists = dataset.membership.as_ref().unwrap();
    let expected = MembershipReport {
        train: 5,
        train_in_whole_groups: 3,
        eval: 4,
        eval_in_whole_groups: 3,
        unlisted: 2,
        straddling_groups: 2,
        images_in_straddling_groups: 4,
    };
    assert_eq!(lists.report(dataset.duplicates.as_slice()), expected);
    assert_eq!(lists.report(&[]), MembershipReport::default());
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let config = config(1, 1, 2, seed);
        let split = Split::new(&dataset, &config).unwrap();
        assert!([0, 5, 9].contains(&split.members[0]));
        assert_eq!(
            (&split.holdout[..], &split.aux[..]),
            (&[8][..], &[6, 7][..])
        );
        assert_eq!(split, Split::new(&dataset, &config).unwrap());
        seen.insert(split.members[0]);
    }
    assert_eq!(seen.len(), 3, "another seed, another member");
}

#[test]
fn too_few_in_a_list_say_how_many_there_are() {
    let error = |members, holdout, aux| {
        let split = Split::new(&tiny(), &config(members, holdout, aux, 0));
        split.unwrap_err().to_string()
    };
    let e = error(4, 4, 0);
    assert!(
        e.contains("members asks for 4 images") && e.contains("only 3 could"),
        "{e}"
    );
    let e = error(3, 4, 0);
    assert!(
        e.contains("holdout asks for 4 images") && e.contains("only 3 could"),
        "{e}"
    );
    let e = error(1, 1, 3);
    assert!(
        e.contains("aux asks for 3 images") && e.contains("only 2 could"),
        "{e}"
    );
    let e = error(5, 5, 2);
    assert!(e.contains("= 12 images") && e.contains("has 11"), "{e}");
    let none = listed(&[], &[1]).unwrap();
    let e = Split::new(&none, &config(1, 1, 0, 0))
        .unwrap_err()
        .to_string();
    assert!(
        e.contains("members asks for 1 images") && e.contains("only 0 could"),
        "{e}"
    );
}

#[test]
fn indices_that_cannot_be_are_named_with_file_and_array() {
    for (train, eval, expected) in [
        (
            &[0, 11][..],
            &[2][..],
            "expected indices below 11 (the number of images) in mia_train_idxs, got 11 at index 1",
        ),
        (
            &[0],
            &[255, 2],
            "expected indices below 11 (the number of images) in mia_eval_idxs, got 255 at index 0",
        ),
        (
            &[4, 3, 4],
            &[2],
            "expected every index once in mia_train_idxs, got 4 twice",
        ),
        (
            &[4],
            &[2, 2],
            "expected every index once in mia_eval_idxs, got 2 twice",
        ),
        (
            &[1, 5],
            &[2, 5],
            "expected every index in mia_train_idxs or mia_eval_idxs, not in both, got 5 in both",
        ),
    ] {
        let error = Bench::new(&of_bytes(train, eval)).load().unwrap_err();
        assert!(
            error.contains("lists.npz: ") && error.contains(expected),
            "{error}"
        );
        let wide = |list: &[u8]| list.iter().map(|&index| index.into()).collect::<Vec<u32>>();
        let error = listed(&wide(train), &wide(eval)).unwrap_err();
        assert!(
            error.contains("dataset \"tiny\": ") && error.contains(expected),
            "{error}"
        );
    }
    assert!(Bench::new(&of_bytes(&[0], &[10])).load().is_ok());
}

#[test]
fn a_file_of_something_else_says_what_was_expected() {
    let eval = (EVAL, "|u1", "(1,)", &[2][..]);
    let huge = u64::MAX / 8;
    let huge = format!("({huge},)");
    for (train, expected) in [
        (
            ("arr_0", "|u1", "(1,)", &[1][..]),
            "expected an array \"mia_train_idxs\", got the arrays [\"arr_0\", \"mia_eval_idxs\"]",
        ),
        (
            (TRAIN, "<f8", "(0,)", &[]),
            "expected elements of an integer type in mia_train_idxs, got '<f8'",
        ),
        (
            (TRAIN, "|i1", "(2,)", &[0, 255]),
            "expected an integer that fits u32 at index 1 in mia_train_idxs, got a negative one",
        ),
        (
            (TRAIN, "|u1", "(2, 1)", &[0, 1]),
            "expected shape [N], N at most 11 (the number of images) in mia_train_idxs, got shape \
             [2, 1]",
        ),
        (
            (TRAIN, "|u1", "()", &[1]),
            "in mia_train_idxs, got shape []",
        ),
        (
            (TRAIN, "|u1", "(12,)", &[0; 12]),
            "in mia_train_idxs, got shape [12]",
        ),
        ((TRAIN, "<i8", &huge, &[0; 8]), "in mia_train_idxs, got "),
        (
            (TRAIN, "|u1", "(3,)", &[0, 1]),
            "expected 3 bytes of data in mia_train_idxs, got 2 (truncated)",
        ),
        ((TRAIN, "|u1", "(1,)", &[0; 5000]), "lists.npz: "),
    ] {
        let error = Bench::new(&npz(&[train, eval])).load().unwrap_err();
        assert!(
            error.contains("lists.npz: ") && error.contains(expected),
            "{error}"
        );
    }
}

#[test]
fn a_damaged_file_is_refused_with_and_without_its_digest() {
    let whole = fs::read(fixture()).unwrap();
    let bench = Bench::new(&whole);
    for at in [0, 100, whole.len() - 10] {
        let mut damaged = whole.clone();
        damaged[at] ^= 0xff;
        fs::write(bench.data().join("lists.npz"), &damaged).unwrap();
        let error = bench.load().unwrap_err();
        assert!(error.contains("lists.npz: expected sha256"), "{error}");
    }
    // A manifest that vouches for the damage: it is found all the same, or changes no index.
    let path = bench.data().join("lists.npz");
    let read = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let file = MembershipFile {
            file: "lists.npz".into(),
            sha256: sha256_hex(bytes),
        };
        Membership::read(&file, &path, PIXELS.len()).ok()
    };
    let lists = tiny().membership;
    assert_eq!(read(&whole), lists);
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0xff;
        for got in [read(&damaged), read(&whole[..at])].into_iter().flatten() {
            assert_eq!(Some(got), lists, "byte {at}");
        }
    }
}

#[test]
fn a_wrong_key_is_refused_with_its_place() {
    let bench = Bench::new(&fs::read(fixture()).unwrap());
    let digest = sha256_file(&fixture()).unwrap();
    for (membership, expected) in [
        (
            format!("{{ file: ../lists.npz, sha256: {digest} }}"),
            "membership.file: expected a file name without a folder",
        ),
        (
            "{ file: lists.npz, sha256: abc }".to_owned(),
            "membership.sha256: expected 64 lower-case hex digits",
        ),
        ("{ file: lists.npz }".to_owned(), "sha256"),
        (
            format!("{{ file: lists.npz, format: npz, sha256: {digest} }}"),
            "membership.format",
        ),
    ] {
        bench.write_manifest(&format!("membership: {membership}\n"));
        let error = bench.load().unwrap_err();
        assert!(
            error.contains("dataset.yaml:12:") && error.contains(expected),
            "{error}"
        );
    }
}

#[derive(serde::Deserialize)]
struct Case {
    groups: Vec<u32>,
    content: String,
    digest: String,
    train: Vec<u32>,
    eval: Vec<u32>,
    seed: u64,
    sizes: [u32; 3],
    parts: [Vec<u32>; 3],
}

/// `fixtures/make.py` wrote these from the descriptions of `Split` and `Dataset::with_membership`.
#[test]
fn splits_within_lists_equal_an_independent_implementation() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("fixtures/memberships.json")).unwrap();
    assert_eq!(cases.len(), 3);
    for case in cases {
        let lists = Membership::new(case.groups.len(), case.train, case.eval).unwrap();
        assert_eq!(lists.digest(&case.content), case.digest);
        let [members, holdout, aux] = case.sizes;
        let config = config(members, holdout, aux, case.seed);
        let split = Split::drawn(&case.groups, Some(&lists), &case.digest, &config).unwrap();
        assert_eq!([split.members, split.holdout, split.aux], case.parts);
    }
}

proptest! {
    /// Every part lies in its list, in whole groups, whatever groups and lists are.
    #[test]
    fn parts_keep_to_their_lists(
        images in prop::collection::vec((0_u8..60, 0_usize..3), 1..40),
        sizes in (1_u32..5, 0_u32..5, 0_u32..5),
        seed: u64,
    ) {
        let pixels: Vec<u8> = images.iter().map(|image| image.0).collect();
        let in_list = |list| (0..).zip(&images).filter(move |(_, image)| image.1 == list);
        let [train, eval] = [0, 1].map(|list| in_list(list).map(|(i, _)| i).collect::<Vec<u32>>());
        let dataset = Dataset::new("any", [1, 1, 1], pixels.clone(), None, vec![], 0.0).unwrap();
        let dataset = dataset.with_membership(train, eval).unwrap();
        let report = dataset.membership.as_ref().unwrap().report(dataset.duplicates.as_slice());
        prop_assert_eq!(report.train + report.eval + report.unlisted, images.len());
        let (members, more, aux) = sizes;
        let config = config(members, members + more, aux, seed);
        let Ok(split) = Split::new(&dataset, &config) else {
            return Ok(());
        };
        prop_assert!(members as usize <= report.train_in_whole_groups);
        prop_assert!((members + more + aux) as usize <= report.eval_in_whole_groups);
        for (part, list) in [(Part::Members, 0), (Part::Holdout, 1), (Part::Aux, 1)] {
            for &i in split.part(part) {
                let same = (0..).zip(&pixels).filter(|(_, pixel)| **pixel == pixels[i as usize]);
                for (other, _) in same {
                    prop_assert_eq!(images[other as usize].1, list);
                    prop_assert!(split.part(part).contains(&other));
                }
            }
        }
    }
}
