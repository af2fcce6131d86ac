//! Folders, archives and arrays of the pictures in `fixtures/`, which Pillow wrote.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::super::decode::decode;
use super::*;

const SHAPE: [usize; 3] = [3, 12, 20];
const DIM: usize = 720;

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/pictures/fixtures")
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(fixtures().join(name)).unwrap()
}

fn pixels(name: &str) -> Vec<u8> {
    decode(&fixture(name), SHAPE).unwrap()
}

/// A folder with these files.
fn folder(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    dir
}

/// A tar with these members, names as they are given.
fn tar_of(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, &bytes[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Reads `bytes` as a file of that name.
fn read_as(name: &str, bytes: &[u8]) -> Result<Pictures, String> {
    let dir = folder(&[(name, bytes.to_vec())]);
    read(&dir.path().join(name), SHAPE, false).map_err(|error| error.to_string())
}

/// In an order that is neither of names nor of pictures.
fn three() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("b/1.PNG", fixture("rgb.png")),
        ("9.jpeg", fixture("rgb444.jpg")),
        ("b-1.png", fixture("grey.png")),
        ("10.jpg", fixture("palette.png")),
        ("labels.txt", b"no picture".to_vec()),
        ("b/metadata.jsonl", b"{}".to_vec()),
        (".hidden.png", b"no picture".to_vec()),
        (".cache/1.png", b"no picture".to_vec()),
    ]
}

const NAMES: [&str; 4] = ["10.jpg", "9.jpeg", "b-1.png", "b/1.PNG"];

fn three_in_order() -> Vec<u8> {
    ["palette.png", "rgb444.jpg", "grey.png", "rgb.png"]
        .iter()
        .flat_map(|name| pixels(name))
        .collect()
}

#[test]
fn folder_and_archive_give_the_same_in_the_order_of_names() {
    let expected = Pictures {
        images: three_in_order(),
        names: NAMES.map(String::from).to_vec(),
        skipped: Vec::new(),
    };
    let dir = folder(&three());
    assert_eq!(read(dir.path(), SHAPE, false).unwrap(), expected);
    let tar = tar_of(&three());
    assert_eq!(read_as("three.tar", &tar).unwrap(), expected);
    assert_eq!(read_as("three", &tar).unwrap(), expected, "by content");
    assert_eq!(read_as("three.tar.gz", &gzip(&tar)).unwrap(), expected);
}

/// `fixtures/shard.tar.gz` is Python's: names with `./`, pax attributes, one name of 130 bytes.
#[test]
fn a_webdataset_shard_is_read() {
    let found = read(&fixtures().join("shard.tar.gz"), SHAPE, false).unwrap();
    let long = format!("{}/000008.jpg", "x".repeat(120));
    assert_eq!(found.names, ["000007.png", "000009.png", &long]);
    let expected = ["palette.png", "rgb.png", "rgb444.jpg"]
        .map(pixels)
        .concat();
    assert_eq!(found.images, expected);
}

#[test]
fn more_pictures_than_a_block_stay_in_order() {
    let names: Vec<String> = (0..100).map(|i| format!("{i:03}.png")).collect();
    let kinds = ["rgb.png", "grey.png", "palette.png"];
    let files: Vec<(&str, Vec<u8>)> = names
        .iter()
        .enumerate()
        .map(|(i, name)| (name.as_str(), fixture(kinds[i % 3])))
        .collect();
    let found = read(folder(&files).path(), SHAPE, false).unwrap();
    assert_eq!(found.names, names);
    for (i, image) in found.images.chunks_exact(DIM).enumerate() {
        assert_eq!(image, pixels(kinds[i % 3]), "{i}");
    }
}

#[test]
fn all_that_cannot_be_used_is_named_at_once_and_skipped_only_when_asked() {
    let mut files = three();
    files.push(("a.webp", b"RIFF".to_vec()));
    files.push(("cut.png", fixture("rgb.png")[..200].to_vec()));
    files.push(("clear.png", fixture("rgba_clear.png")));
    let dir = folder(&files);
    let error = read(dir.path(), SHAPE, false).unwrap_err().to_string();
    assert!(error.contains(&dir.path().display().to_string()), "{error}");
    assert!(
        error.contains(": 3 of 7 pictures cannot be used: a.webp: expected a PNG or JPEG file, got another image format; clear.png: expected opaque pixels"),
        "{error}"
    );
    assert!(error.contains("cut.png: expected a whole PNG"), "{error}");
    assert!(
        error.ends_with("pass --skip-bad to leave them out"),
        "{error}"
    );
    let found = read(dir.path(), SHAPE, true).unwrap();
    assert_eq!(found.names, NAMES);
    assert_eq!(found.images, three_in_order());
    let skipped: Vec<&str> = found.skipped.iter().map(|(name, _)| &name[..]).collect();
    assert_eq!(skipped, ["a.webp", "clear.png", "cut.png"]);

    let tar = folder(&[("all.tar", tar_of(&files))]);
    let from_tar = read(&tar.path().join("all.tar"), SHAPE, true).unwrap();
    assert_eq!(from_tar, found);
}

#[test]
fn ten_are_named_and_the_others_counted() {
    let names: Vec<String> = (0..14).map(|i| format!("{i:02}.png")).collect();
    let files: Vec<(&str, Vec<u8>)> = names
        .iter()
        .map(|name| (name.as_str(), Vec::new()))
        .collect();
    let dir = folder(&files);
    let error = read(dir.path(), SHAPE, false).unwrap_err().to_string();
    assert!(error.contains("14 of 14 pictures"), "{error}");
    assert!(
        error.contains("09.png: ") && !error.contains("10.png"),
        "{error}"
    );
    assert!(error.contains("got 0 bytes; and 4 more; mend"), "{error}");
    let error = read(dir.path(), SHAPE, true).unwrap_err().to_string();
    assert!(error.ends_with("; and 4 more; nothing is left"), "{error}");
}

#[test]
fn a_file_far_too_large_for_its_picture_is_not_read() {
    let mut large = fixture("rgb.png");
    large.resize((1 << 20) + 8 * 240 + 1, 0);
    let dir = folder(&[("a.png", fixture("rgb.png")), ("b.png", large)]);
    let error = read(dir.path(), SHAPE, false).unwrap_err().to_string();
    assert!(
        error.contains("b.png: expected at most 1050496 bytes"),
        "{error}"
    );
}

#[test]
fn nothing_found_and_what_is_not_read_is_said() {
    let empty = folder(&[("notes.txt", b"text".to_vec())]);
    let error = read(empty.path(), SHAPE, true).unwrap_err().to_string();
    assert!(error.contains("expected .png, .jpg or .jpeg files, found none"));
    let error = read_as("none.tar", &tar_of(&[("a.txt", vec![1])])).unwrap_err();
    assert!(error.contains("found none"), "{error}");
    let error = read_as("a.png", &fixture("rgb.png")).unwrap_err();
    assert!(
        error.contains("got one picture: name its folder"),
        "{error}"
    );
    let error = read_as("a.bin", b"1234").unwrap_err();
    assert!(error.contains("begins with [31, 32, 33, 34]"), "{error}");
    assert!(read_as("a.bin", b"").unwrap_err().contains("an empty file"));
    assert!(read(Path::new("/no/such/folder"), SHAPE, false).is_err());
    let error = read(&fixtures(), [4, 12, 20], false)
        .unwrap_err()
        .to_string();
    assert!(error.contains("the dataset has 4"), "{error}");
}

#[cfg(unix)]
#[test]
fn links_to_files_are_followed_and_links_to_folders_are_not() {
    let dir = folder(&[("a.png", fixture("rgb.png")), ("in/b.txt", vec![])]);
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, dir.path().join(name));
    link("a.png", "b.png").unwrap();
    let found = read(dir.path(), SHAPE, false).unwrap();
    assert_eq!(found.names, ["a.png", "b.png"]);
    link("..", "in/up").unwrap();
    let error = read(dir.path(), SHAPE, false).unwrap_err().to_string();
    assert!(
        error.contains("in/up: expected no link to a folder"),
        "{error}"
    );
}

#[test]
fn the_names_in_an_archive_are_labels_and_no_paths() {
    let files = [
        ("../../evil.png", fixture("rgb.png")),
        ("/eidetic-evil.png", fixture("grey.png")),
        ("a\u{1b}[31m.png", fixture("palette.png")),
    ];
    let found = read_as("evil.tar", &tar_of(&files)).unwrap();
    assert_eq!(
        found.names,
        ["../../evil.png", "/eidetic-evil.png", "a\u{fffd}[31m.png"]
    );
    assert!(!Path::new("/eidetic-evil.png").exists());
}

#[test]
fn a_damaged_archive_is_refused_also_when_bad_pictures_are_skipped() {
    let tar = tar_of(&three());
    let skipping = |bytes: &[u8]| {
        let dir = folder(&[("a.tar", bytes.to_vec())]);
        read(&dir.path().join("a.tar"), SHAPE, true).map_err(|error| error.to_string())
    };
    assert!(skipping(&tar).is_ok());
    for length in (0..tar.len() - 511)
        .step_by(97)
        .chain([512, 1024, 1536, tar.len() - 1024])
    {
        assert!(skipping(&tar[..length]).is_err(), "cut to {length}");
    }
    let error = skipping(&tar[..tar.len() - 1024]).unwrap_err();
    assert!(error.contains("a tar archive with its end"), "{error}");
    let error = skipping(&[&tar[..], &tar].concat()).unwrap_err();
    assert!(error.contains("two archives in one file"), "{error}");
    let mut renamed = tar.clone();
    renamed[3] ^= 1;
    assert!(skipping(&renamed).unwrap_err().contains("checksum"));
    let zipped = gzip(&tar);
    for cut in [1, 4, 8, 9, zipped.len() / 2] {
        assert!(skipping(&zipped[..zipped.len() - cut]).is_err(), "{cut}");
    }
    let mut flipped = zipped.clone();
    let crc = flipped.len() - 8;
    flipped[crc] ^= 1;
    assert!(skipping(&flipped).is_err());
    let twice = [
        ("a.png", fixture("rgb.png")),
        ("./a.png", fixture("rgb.png")),
    ];
    let error = skipping(&tar_of(&twice)).unwrap_err();
    assert!(error.contains("got two named a.png"), "{error}");
}

/// A member whose name is said to take a gigabyte, and the same compressed.
#[test]
fn a_name_without_end_is_not_read() {
    let mut header = tar::Header::new_gnu();
    header.set_path("././@LongLink").unwrap();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(1 << 30);
    header.set_cksum();
    let error = read_as("long.tar", header.as_bytes()).unwrap_err();
    assert!(
        error.contains("a name or attributes of 1073741824 bytes"),
        "{error}"
    );
}

fn npy(shape: &str, descr: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn read_array(bytes: &[u8], shape: [usize; 3]) -> Result<Pictures, String> {
    let dir = folder(&[("a.npy", bytes.to_vec())]);
    read(&dir.path().join("a.npy"), shape, true).map_err(|error| error.to_string())
}

#[test]
fn arrays_of_each_layout() {
    let data: Vec<u8> = (0..24).collect();
    let nchw = read_array(&npy("(2, 3, 2, 2)", "|u1", &data), [3, 2, 2]).unwrap();
    assert_eq!(nchw.images, data);
    assert_eq!(nchw.names, ["0", "1"]);
    let nhwc = read_array(&npy("(2, 2, 2, 3)", "|u1", &data), [3, 2, 2]).unwrap();
    assert_eq!(nhwc.images[..8], [0, 3, 6, 9, 1, 4, 7, 10]);
    let grey = npy("(6, 2, 2)", "|u1", &data);
    assert_eq!(read_array(&grey, [1, 2, 2]).unwrap().images, data);
    let as_colour = read_array(&grey, [3, 2, 2]).unwrap();
    assert_eq!(
        as_colour.images[..16],
        [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7]
    );
    let last = npy("(6, 2, 2, 1)", "|u1", &data);
    assert_eq!(read_array(&last, [1, 2, 2]).unwrap().images, data);
    let equal = npy("(1, 1, 2, 3)", "|u1", &[7, 7, 7, 9, 9, 9]);
    assert_eq!(read_array(&equal, [1, 1, 2]).unwrap().images, [7, 9]);
    let differ = npy("(2, 1, 1, 3)", "|u1", &[7, 7, 7, 9, 9, 8]);
    let error = read_array(&differ, [1, 1, 1]).unwrap_err();
    assert!(
        error.contains("picture 1: expected 1 channel, got 3"),
        "{error}"
    );
}

#[test]
fn arrays_that_do_not_fit_are_refused() {
    let floats = npy("(1, 1, 1, 1)", "<f4", &1_f32.to_le_bytes());
    let error = read_array(&floats, [1, 1, 1]).unwrap_err();
    assert!(
        error.contains("numpy.rint(255 * x)") && error.contains("<f4"),
        "{error}"
    );
    let other = npy("(2, 3, 4)", "|u1", &[0; 24]);
    let error = read_array(&other, [1, 2, 2]).unwrap_err();
    assert!(error.contains("[N, 1, 2, 2], [N, 2, 2, 1]") && error.contains("[2, 3, 4]"));
    // Which axis is the channels?
    assert!(read_array(&npy("(1, 3, 3, 3)", "|u1", &[0; 27]), [3, 3, 3]).is_err());
    assert!(read_array(&npy("(0, 2, 2)", "|u1", &[]), [1, 2, 2]).is_err());
    let cut = npy("(6, 2, 2)", "|u1", &[0; 23]);
    assert!(
        read_array(&cut, [1, 2, 2])
            .unwrap_err()
            .contains("truncated")
    );
    let huge = npy("(4294967296, 2, 2)", "|u1", &[0; 23]);
    assert!(read_array(&huge, [1, 2, 2]).is_err());
}

#[test]
fn an_archive_of_arrays_needs_one_that_is_meant() {
    let data = npy("(1, 1, 2)", "|u1", &[3, 4]);
    let npz = |names: &[&str]| {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for name in names {
            let options = zip::write::SimpleFileOptions::default();
            zip.start_file(format!("{name}.npy"), options).unwrap();
            zip.write_all(&data).unwrap();
        }
        zip.finish().unwrap().into_inner()
    };
    for names in [
        &["samples"][..],
        &["labels", "arr_0"],
        &["x", "images", "arr_0"],
    ] {
        assert_eq!(read_array(&npz(names), [1, 1, 2]).unwrap().images, [3, 4]);
    }
    let error = read_array(&npz(&["a", "b"]), [1, 1, 2]).unwrap_err();
    assert!(error.contains(r#"got the arrays ["a", "b"]"#), "{error}");
    let whole = npz(&["images"]);
    assert!(read_array(&whole[..whole.len() - 4], [1, 1, 2]).is_err());
}
