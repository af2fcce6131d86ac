//! An archive of the layout that is published, with three images a file: the published one is not
//! distributed here.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

/// Image `i` of file `f`: label `f + i`, pixels `100 c + 10 f + i` and, in the first pixel of each
/// plane, `c`.
fn file(f: usize) -> Vec<u8> {
    (0..3)
        .flat_map(|i| {
            let mut record = vec![(f + i) as u8];
            for c in 0..3 {
                let mut plane = vec![(100 * c + 10 * f + i) as u8; 1024];
                plane[0] = c as u8;
                record.extend(plane);
            }
            record
        })
        .collect()
}

/// In an order that is not the images', with the files beside them that are published too.
fn files() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = [4, 5, 0, 3, 1, 2]
        .into_iter()
        .map(|f| (FILES[f].to_owned(), file(f)))
        .collect();
    files.push(("batches.meta.txt".into(), b"airplane\n".to_vec()));
    files.push(("readme.html".into(), b"<html>".to_vec()));
    files
}

fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let zipped = GzEncoder::new(Vec::new(), Compression::fast());
    let mut builder = tar::Builder::new(zipped);
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        let path = format!("cifar-10-batches-bin/{name}");
        builder.append_data(&mut header, path, &bytes[..]).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

fn read_archive(bytes: &[u8], count: usize) -> Result<Labelled, String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    read_records(file.path(), count, 3, 10, None).map_err(|error| error.to_string())
}

fn read_files(files: &[(String, Vec<u8>)], count: usize) -> Result<Labelled, String> {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    read_records(dir.path(), count, 3, 10, None).map_err(|error| error.to_string())
}

#[test]
fn images_are_numbered_by_file_and_then_by_record() {
    let (images, labels) = read_archive(&archive(&files()), 18).unwrap();
    let expected: Vec<u32> = (0..6).flat_map(|f| [f, f + 1, f + 2]).collect();
    assert_eq!(labels, expected);
    assert_eq!(images.len(), 18 * 3072);
    for (n, image) in images.chunks_exact(3072).enumerate() {
        let (f, i) = (n / 3, n % 3);
        for (c, plane) in image.chunks_exact(1024).enumerate() {
            assert_eq!(plane[0], c as u8);
            assert_eq!(plane[1..], [(100 * c + 10 * f + i) as u8; 1023]);
        }
    }
    assert_eq!(
        read_files(&files(), 18).unwrap(),
        (images.clone(), labels.clone())
    );
    let (training, training_labels) = read_archive(&archive(&files()), 15).unwrap();
    assert_eq!(training, images[..15 * 3072]);
    assert_eq!(training_labels, labels[..15]);
}

#[test]
fn what_is_wrong_with_a_file_is_named() {
    let with = |number: usize, change: fn(&mut Vec<u8>)| {
        let mut files = files();
        let file = files.iter_mut().find(|(name, _)| name == FILES[number]);
        change(&mut file.unwrap().1);
        let error = read_archive(&archive(&files), 18).unwrap_err();
        assert_eq!(
            error.split_once(": ").unwrap().1,
            read_files(&files, 18)
                .unwrap_err()
                .split_once(": ")
                .unwrap()
                .1
        );
        error
    };
    let error = with(2, |bytes| bytes.truncate(9218));
    assert!(
        error.contains("expected data_batch_3.bin of 9219 bytes (3 images), got 9218"),
        "{error}"
    );
    let error = with(5, |bytes| bytes.push(0));
    assert!(error.contains("test_batch.bin of 9219 bytes"), "{error}");
    let error = with(1, |bytes| bytes[3073] = 10);
    assert!(
        error.contains("labels below 10 (the number of classes), got 10 at index 4"),
        "{error}"
    );
    let mut short = files();
    short.retain(|(name, _)| name != "data_batch_5.bin");
    let error = read_archive(&archive(&short), 18).unwrap_err();
    assert!(
        error.contains("expected data_batch_5.bin, got none"),
        "{error}"
    );
    let mut double = files();
    double.push(double[0].clone());
    let error = read_archive(&archive(&double), 18).unwrap_err();
    assert!(
        error.contains("expected one data_batch_5.bin, got two"),
        "{error}"
    );
}

#[test]
fn a_cut_archive_is_refused() {
    let whole = archive(&files());
    for length in [0, 10, whole.len() / 2, whole.len() - 1] {
        assert!(read_archive(&whole[..length], 18).is_err(), "{length}");
    }
}

#[test]
fn files_of_another_digest_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files() {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    let digests: Vec<String> = (0..6).map(|f| crate::files::sha256_hex(&file(f))).collect();
    let mut digests: [&str; 6] = std::array::from_fn(|f| digests[f].as_str());
    assert!(read_records(dir.path(), 18, 3, 10, Some(&digests)).is_ok());
    digests.swap(3, 4);
    let error = read_records(dir.path(), 18, 3, 10, Some(&digests)).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("expected data_batch_4.bin of sha256 ")
            || error.contains("batch_5.bin of sha256"),
        "{error}"
    );
    assert!(read_records(dir.path(), 9, 3, 10, Some(&digests)).is_ok());
}
