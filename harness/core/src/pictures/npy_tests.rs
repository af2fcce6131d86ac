//! The arrays in `fixtures/` were written by numpy, see `fixtures/make.py`.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

const SHAPE: [usize; 4] = [2, 3, 2, 4];

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("src/dataset/fixtures")
        .join(name)
}

fn npy(path: &Path) -> Stored<'_> {
    Stored::npy(path, 1000).unwrap()
}

fn images(name: &str, shape: [usize; 4], layout: Layout) -> Result<Vec<u8>, String> {
    npy(&fixture(name))
        .images(shape, layout)
        .map_err(|error| error.to_string())
}

fn labels(name: &str) -> Result<Vec<u32>, String> {
    npy(&fixture(name))
        .labels(2)
        .map_err(|error| error.to_string())
}

fn nchw() -> Vec<u8> {
    let axes = |n| (0..3).flat_map(move |c| (0..2).map(move |h| (n, c, h)));
    (0..2)
        .flat_map(axes)
        .flat_map(|(n, c, h)| (0..4).map(move |w| 100 * n + 30 * c + 10 * h + w))
        .collect()
}

/// Writes `bytes` to a file and reads images from it.
fn from_bytes(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("images.npy");
    fs::write(&path, bytes).unwrap();
    Stored::npy(&path, 48)
        .and_then(|stored| stored.images(SHAPE, Layout::Nchw))
        .map_err(|error| error.to_string())
}

#[test]
fn each_layout_becomes_nchw() {
    assert_eq!(images("nchw.npy", SHAPE, Layout::Nchw).unwrap(), nchw());
    assert_eq!(images("nhwc.npy", SHAPE, Layout::Nhwc).unwrap(), nchw());
    let first_channel = images("nhw.npy", [2, 1, 2, 4], Layout::Nhw).unwrap();
    assert_eq!(first_channel[..8], nchw()[..8]);
    assert_eq!(first_channel[8..], nchw()[24..32]);
}

#[test]
fn an_archive_gives_its_arrays_by_name() {
    let path = fixture("both.npz");
    let open = |array: &str, limit| Stored::npz(&path, array, limit);
    let images = open("images", 48)
        .unwrap()
        .images(SHAPE, Layout::Nchw)
        .unwrap();
    assert_eq!(images, nchw());
    assert_eq!(open("labels", 16).unwrap().labels(2).unwrap(), [1, 0]);

    let error = open("masks", 48).err().unwrap().to_string();
    assert!(
        error.contains("expected an array \"masks\"") && error.contains("images"),
        "{error}"
    );
}

#[test]
fn a_damaged_archive_is_refused() {
    let whole = fs::read(fixture("both.npz")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("both.npz");
    let open = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        Stored::npz(&path, "images", 48)
            .err()
            .map(|error| error.to_string())
    };
    assert_eq!(open(&whole), None);
    let no_zip = open(b"no archive, but a text of some length").unwrap();
    assert!(
        no_zip.contains("both.npz: expected an NPZ archive"),
        "{no_zip}"
    );
    assert!(
        open(&whole[..whole.len() / 2])
            .unwrap()
            .contains("expected an NPZ archive")
    );
    assert!(open(&[]).is_some());
    let prefixed = open(&[b"#!", &whole[..]].concat()).unwrap();
    assert!(prefixed.contains("from its first byte"), "{prefixed}");
    let mut flipped = whole.clone();
    flipped[80] ^= 0xff;
    assert!(open(&flipped).unwrap().contains("expected a whole array"));
}

#[test]
fn labels_of_any_integer_type() {
    assert_eq!(labels("labels_i64.npy").unwrap(), [7, 300]);
    assert_eq!(labels("labels_be_u16.npy").unwrap(), [7, 300]);
    let error = labels("labels_negative.npy").unwrap_err();
    assert!(error.contains("at index 1, got a negative one"), "{error}");
    let error = npy(&fixture("labels_i64.npy"))
        .labels(3)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("expected shape [3], got shape [2]"),
        "{error}"
    );
    let error = npy(&fixture("float.npy"))
        .labels(2)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("expected shape [2], got shape [2, 3, 2, 4]"),
        "{error}"
    );
}

#[test]
fn another_type_order_or_shape_is_named() {
    let error = images("float.npy", SHAPE, Layout::Nchw).unwrap_err();
    assert!(
        error.contains("expected elements of type u8") && error.contains("<f4"),
        "{error}"
    );
    let error = images("fortran.npy", SHAPE, Layout::Nchw).unwrap_err();
    assert!(
        error.contains("expected C order") && error.contains("Fortran"),
        "{error}"
    );
    let error = images("nhwc.npy", SHAPE, Layout::Nchw).unwrap_err();
    assert!(
        error.contains("expected shape [2, 3, 2, 4], got shape [2, 2, 4, 3]"),
        "{error}"
    );
}

#[test]
fn truncated_and_longer_files_are_refused() {
    let whole = fs::read(fixture("nchw.npy")).unwrap();
    assert_eq!(from_bytes(&whole).unwrap(), nchw());
    let error = from_bytes(&whole[..whole.len() - 1]).unwrap_err();
    assert!(
        error.contains("expected 48 bytes of data, got 47 (truncated)"),
        "{error}"
    );
    let error = from_bytes(&[&whole[..], &[0]].concat()).unwrap_err();
    assert!(error.contains("got 49 (something appended)"), "{error}");
    assert!(
        from_bytes(&whole[..20])
            .unwrap_err()
            .contains("(truncated)")
    );
    assert!(
        from_bytes(&whole[..5])
            .unwrap_err()
            .contains("5 bytes (truncated)")
    );
    assert!(
        from_bytes(b"\x89PNG\r\n\x1a\n and so on")
            .unwrap_err()
            .contains("an NPY array")
    );
}

#[test]
fn a_header_that_lies_about_sizes_costs_nothing() {
    let with_header = |text: &str| {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes
    };
    let shape = |shape: &str| {
        with_header(&format!(
            "{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n"
        ))
    };
    assert!(
        from_bytes(&shape("(2, 3, 2, 4)"))
            .unwrap_err()
            .contains("got 0 (truncated)")
    );
    for lie in [
        "(4294967296, 4294967296, 4294967296)",
        "(0, 4294967296, 4294967296)",
        "[4294967296, 4294967296, 4294967296]",
        "(0xffffffffff, 0xffffffffff)",
        "(99999999999999999999999999,)",
        "(-1,)",
    ] {
        let error = from_bytes(&shape(lie)).unwrap_err();
        assert!(error.contains("images.npy: expected "), "{error}");
    }
    // A header of 4 GiB, says version 2.
    let error = from_bytes(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}").unwrap_err();
    assert!(error.contains("a header of 4294967295 bytes"), "{error}");
}

proptest! {
    #[test]
    fn no_bytes_panic(mut at in prop::collection::vec((0_usize..128, any::<u8>()), 0..6)) {
        let mut bytes = fs::read(fixture("nchw.npy")).unwrap();
        let length = bytes.len();
        for (place, byte) in at.drain(..) {
            bytes[place % length] = byte;
        }
        if let Ok(pixels) = from_bytes(&bytes) {
            prop_assert_eq!(pixels, nchw());
        }
    }
}
