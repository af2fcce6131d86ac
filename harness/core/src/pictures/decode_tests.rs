//! The pictures in `fixtures/` were written by Pillow, and their levels read by it, see
//! `fixtures/make.py`.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use super::*;

const H: usize = 12;
const W: usize = 20;

fn bytes(name: &str) -> Vec<u8> {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/pictures/fixtures");
    fs::read(fixtures.join(name)).unwrap()
}

/// What Pillow reads, as planes.
fn levels(name: &str, channels: usize) -> Vec<u8> {
    let all: HashMap<String, Vec<u8>> = serde_json::from_slice(&bytes("levels.json")).unwrap();
    let pixels = &all[name];
    match pixels.len() / (H * W) {
        1 => pixels.repeat(channels),
        3 => (0..3)
            .flat_map(|c| pixels.iter().copied().skip(c).step_by(3))
            .collect(),
        n => panic!("{n} channels"),
    }
}

fn refused(name: &str, channels: usize) -> String {
    decode(&bytes(name), [channels, H, W]).unwrap_err()
}

fn largest_difference(a: &[u8], b: &[u8]) -> u8 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

#[test]
fn png_levels_are_pillow_s() {
    for name in [
        "rgb.png",
        "palette.png",
        "rgba_solid.png",
        "text.png",
        "grey.png",
        "la_solid.png",
        "bits1.png",
    ] {
        let pixels = decode(&bytes(name), [3, H, W]).unwrap();
        assert_eq!(pixels, levels(name, 3), "{name}");
    }
    for name in ["grey.png", "la_solid.png", "bits1.png"] {
        let pixels = decode(&bytes(name), [1, H, W]).unwrap();
        assert_eq!(pixels, levels(name, 1), "{name}");
    }
}

/// At most a level where the colours are stored whole, more where they are interpolated.
#[test]
fn jpeg_levels_are_near_pillow_s() {
    for (name, channels, within) in [
        ("grey.jpg", 1, 1),
        ("grey_as_rgb.jpg", 1, 1),
        ("grey.jpg", 3, 1),
        ("rgb444.jpg", 3, 2),
        ("progressive.jpg", 3, 2),
        ("rgb420.jpg", 3, 6),
    ] {
        let pixels = decode(&bytes(name), [channels, H, W]).unwrap();
        let expected = levels(name, channels);
        let difference = largest_difference(&pixels, &expected[..pixels.len()]);
        assert!(difference <= within, "{name}: {difference}");
    }
}

#[test]
fn what_is_not_exact_is_refused() {
    let error = refused("bits16.png", 1);
    assert_eq!(error, "expected 8 bits a channel, got 16");
    let error = refused("rgba_clear.png", 3);
    assert_eq!(
        error,
        "expected opaque pixels, got 20 of 240 with alpha below 255"
    );
    assert!(refused("palette_clear.png", 3).contains("expected opaque pixels"));
    assert!(refused("animated.png", 3).contains("got an animation"));
    assert!(refused("cmyk.jpg", 3).contains("got a JPEG of 4"));
    let error = refused("rgb.png", 1);
    assert!(
        error.contains("expected 1 channel, got 3 that differ in 2"),
        "{error}"
    );
    assert!(refused("rgb.png", 4).contains("expected 4 channels, got 3"));
}

#[test]
fn another_size_is_named_before_anything_is_decoded() {
    for (name, channels) in [("rgb.png", 3), ("grey.png", 1), ("rgb444.jpg", 3)] {
        let error = decode(&bytes(name), [3, 8, 8]).unwrap_err();
        assert_eq!(
            error,
            format!("expected 3 x 8 x 8 (channels, height, width), got {channels} x 12 x 20")
        );
    }
    // A PNG that claims 2^31 - 1 by 2^31 - 1 pixels.
    let mut bomb = bytes("rgb.png");
    bomb[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
    let crc = flate2::Crc::new();
    let mut crc = crc;
    crc.update(&bomb[12..29]);
    bomb[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    let error = decode(&bomb, [3, H, W]).unwrap_err();
    assert!(error.contains("got 3 x 2147483647 x 2147483647"), "{error}");
}

/// Whole in its metadata or not at all: no cut file is taken for a picture.
#[test]
fn every_truncation_is_refused() {
    for (name, channels) in [
        ("rgb.png", 3),
        ("grey.png", 1),
        ("palette.png", 3),
        ("grey.jpg", 1),
        ("rgb444.jpg", 3),
        ("rgb420.jpg", 3),
        ("progressive.jpg", 3),
    ] {
        let whole = bytes(name);
        let taken: Vec<usize> = (0..whole.len())
            .filter(|&length| decode(&whole[..length], [channels, H, W]).is_ok())
            .collect();
        assert!(taken.is_empty(), "{name}: {taken:?} of {}", whole.len());
    }
}

#[test]
fn a_flipped_byte_in_a_png_is_refused() {
    let whole = bytes("rgb.png");
    for at in 8..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        assert!(decode(&flipped, [3, H, W]).is_err(), "byte {at}");
    }
}

#[test]
fn what_is_no_picture_is_named() {
    assert!(decode(b"", [1, H, W]).unwrap_err().contains("got 0 bytes"));
    let error = decode(b"GIF89a...", [1, H, W]).unwrap_err();
    assert!(error.contains("begins with [47, 49, 46, 38]"), "{error}");
    assert!(decode(&[0xff, 0xd8, 0xff], [1, H, W]).is_err());
}
