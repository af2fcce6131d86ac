//! Files that pyarrow wrote (`fixtures/make_parquet.py`) and files that the crate's writer writes
//! here, whole and damaged.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use ::parquet::basic::ZstdLevel;
use ::parquet::data_type::{ByteArrayType, Int64Type};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;

use super::super::Dataset;
use super::*;
use crate::files::sha256_hex;

fn source(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    fs::read(folder.join(name)).unwrap()
}

fn picture(name: &str) -> Vec<u8> {
    source(&format!("pictures/fixtures/{name}"))
}

fn fixture(name: &str) -> Vec<u8> {
    source(&format!("dataset/fixtures/{name}"))
}

fn pixels(name: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), picture(name)).unwrap();
    crate::pictures::read(folder.path(), [3, 12, 20], false)
        .unwrap()
        .images
}

const NAMES: [&str; 3] = ["rgb.png", "palette.png", "rgb444.jpg"];
const CLASSES: &str = "classes: [dog, cat]\n";

/// A folder with the dataset `own` in it, of one file.
fn own(file: &[u8], keys: &str, count: u32, more: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("own");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("train.parquet"), file).unwrap();
    let manifest = format!(
        "version: 1\nname: own\ntitle: Own\nsource: none\nlicence: MIT\n\
         images: {{ file: train.parquet, format: parquet, sha256: {}{keys} }}\n\
         count: {count}\nshape: [3, 12, 20]\nelement: u8\nlevels: 256\nnear_duplicate_l2: 0\n\
         split: {{ members: 1, holdout: 1, aux: 0 }}\n{more}",
        sha256_hex(file)
    );
    fs::write(folder.join(Manifest::FILE), manifest).unwrap();
    root
}

fn load(file: &[u8], keys: &str, count: u32, more: &str) -> Result<Dataset, String> {
    let root = own(file, keys, count, more);
    Dataset::load(&root.path().join("own"), None).map_err(|error| error.to_string())
}

#[test]
fn python_s_files_are_read_with_their_labels() {
    let expected = NAMES.map(pixels).concat();
    let hugging_face = fixture("hugging_face.parquet");
    let dataset = load(&hugging_face, "", 3, CLASSES).unwrap();
    assert_eq!(dataset.images, expected);
    assert_eq!(dataset.labels, Some(vec![1, 0, 1]));
    assert_eq!(load(&hugging_face, "", 3, "").unwrap().labels, None);

    let other = fixture("other.parquet");
    let dataset = load(&other, ", label_column: fine_label", 3, CLASSES).unwrap();
    assert_eq!(dataset.images, expected);
    assert_eq!(dataset.labels, Some(vec![0, 1, 1]));
    assert_eq!(load(&other, ", column: img", 3, "").unwrap().labels, None);
}

#[test]
fn what_is_not_there_is_named() {
    let (hugging_face, other) = (fixture("hugging_face.parquet"), fixture("other.parquet"));
    for (file, keys, count, more, expected) in [
        (&hugging_face, "", 2, "", "expected 2 images, got 3"),
        (
            &hugging_face,
            "",
            4,
            "skip_bad: true\n",
            "expected 4 images, got 3",
        ),
        (
            &hugging_face,
            ", column: photo",
            3,
            "",
            "in a column photo (images.column) or in its bytes, got the columns image.bytes \
             (BYTE_ARRAY), image.path (BYTE_ARRAY), label (INT64)",
        ),
        (
            &hugging_face,
            ", column: label",
            3,
            "",
            "binary values in a column label",
        ),
        (
            &other,
            "",
            3,
            CLASSES,
            "labels as integers in a column label (images.label_column), got the columns id",
        ),
        (
            &other,
            ", label_column: id",
            3,
            CLASSES,
            "labels as integers in a column id",
        ),
        (
            &hugging_face,
            "",
            3,
            "classes: [dog]\n",
            "one of 1 classes, by number or name, got row 0: the label 1; row 2: the label 1",
        ),
        (
            &fixture("gzip.parquet"),
            "",
            1,
            "",
            "expected columns compressed by snappy, by zstd or not at all, got GZIP",
        ),
    ] {
        let error = load(file, keys, count, more).unwrap_err();
        assert!(
            error.contains(expected) && error.contains("train.parquet: "),
            "{error}"
        );
    }
    let root = own(&hugging_face, "", 3, "");
    fs::write(root.path().join("own/train.parquet"), &other).unwrap();
    let error = Dataset::load(&root.path().join("own"), None).unwrap_err();
    assert!(
        error.to_string().contains("train.parquet: expected sha256"),
        "{error}"
    );
}

/// One row: image file and label.
type Row = (Option<Vec<u8>>, Option<i64>);

/// Rows as a file with `per_group` in each row group.
fn written(rows: &[Row], per_group: usize, codec: Compression) -> Vec<u8> {
    let schema = parse_message_type(
        "message rows {
            optional group image { optional binary bytes; optional binary path (UTF8); }
            optional int64 label;
        }",
    );
    let properties = WriterProperties::builder().set_compression(codec).build();
    let mut writer =
        SerializedFileWriter::new(Vec::new(), Arc::new(schema.unwrap()), Arc::new(properties))
            .unwrap();
    for rows in rows.chunks(per_group) {
        let mut group = writer.next_row_group().unwrap();
        let levels = |present: bool, level: i16| if present { level } else { level - 1 };

        let mut column = group.next_column().unwrap().unwrap();
        let values: Vec<ByteArray> = rows
            .iter()
            .filter_map(|row| Some(row.0.clone()?.into()))
            .collect();
        let present: Vec<i16> = rows.iter().map(|row| levels(row.0.is_some(), 2)).collect();
        let images = column.typed::<ByteArrayType>();
        images.write_batch(&values, Some(&present), None).unwrap();
        column.close().unwrap();

        let mut column = group.next_column().unwrap().unwrap();
        let nulls = vec![1; rows.len()];
        let paths = column.typed::<ByteArrayType>();
        paths.write_batch(&[], Some(&nulls), None).unwrap();
        column.close().unwrap();

        let mut column = group.next_column().unwrap().unwrap();
        let values: Vec<i64> = rows.iter().filter_map(|row| row.1).collect();
        let present: Vec<i16> = rows.iter().map(|row| levels(row.1.is_some(), 1)).collect();
        let labels = column.typed::<Int64Type>();
        labels.write_batch(&values, Some(&present), None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.into_inner().unwrap()
}

fn rows(n: usize) -> Vec<Row> {
    (0..n)
        .map(|i| (Some(picture(NAMES[i % 3])), Some((i % 2) as i64)))
        .collect()
}

#[test]
fn rows_keep_their_order_over_blocks_groups_and_codecs() {
    let rows = rows(100);
    let images = NAMES.map(pixels);
    let expected: Vec<u8> = (0..100).flat_map(|i| images[i % 3].clone()).collect();
    let labels: Vec<u32> = (0..100).map(|i| i % 2).collect();
    for (per_group, codec) in [
        (100, Compression::SNAPPY),
        (64, Compression::UNCOMPRESSED),
        (7, Compression::ZSTD(ZstdLevel::default())),
    ] {
        let dataset = load(&written(&rows, per_group, codec), "", 100, CLASSES).unwrap();
        assert!(dataset.images == expected, "{per_group}");
        assert_eq!(dataset.labels.as_ref(), Some(&labels), "{per_group}");
    }
}

#[test]
fn bad_rows_are_left_out_only_where_the_manifest_says_so() {
    let mut bad = rows(5);
    bad[1].0 = None;
    bad[2].0 = Some(picture("rgb.png")[..100].to_vec());
    bad[4].0 = Some(vec![0; 3 << 20]);
    let file = written(&bad, 2, Compression::SNAPPY);
    let error = load(&file, "", 5, CLASSES).unwrap_err();
    for expected in [
        "dataset \"own\": ",
        "3 of 5 pictures cannot be used: row 1: expected the bytes of a file, got null; row 2: ",
        "row 4: expected at most 1050496 bytes for its size, got 3145728",
        "write skip_bad: true",
    ] {
        assert!(error.contains(expected), "{error}");
    }
    let skip = format!("{CLASSES}skip_bad: true\n");
    let left = load(&file, "", 2, &skip).unwrap();
    let good = [bad[0].clone(), bad[3].clone()];
    let whole = load(&written(&good, 2, Compression::SNAPPY), "", 2, CLASSES).unwrap();
    assert_eq!((left.digest, left.labels), (whole.digest, whole.labels));
    let error = load(&file, "", 3, &skip).unwrap_err();
    assert!(
        error.contains("expected 3 images, got 2 and 3 that were left out"),
        "{error}"
    );
}

#[test]
fn labels_that_are_missing_or_no_class_are_named() {
    let mut wrong = rows(4);
    wrong[0].1 = None;
    wrong[2].1 = Some(-1);
    wrong[3].1 = Some(i64::from(u32::MAX) + 1);
    let error = load(&written(&wrong, 4, Compression::SNAPPY), "", 4, CLASSES).unwrap_err();
    assert!(
        error.contains("got row 0: no label; row 2: the label -1; row 3: the label 4294967296"),
        "{error}"
    );
}

#[test]
fn keys_of_columns_are_for_parquet() {
    let root = own(b"", ", column: img", 1, "");
    let path = root.path().join("own").join(Manifest::FILE);
    let manifest = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        manifest.replace("format: parquet", "format: webdataset"),
    )
    .unwrap();
    let error = Manifest::read(&root.path().join("own")).unwrap_err();
    let expected = "images.column: expected none but for parquet";
    assert!(error.to_string().contains(expected), "{error}");
}

/// What is read of `file` as it is, its digest unseen.
fn read_damaged(root: &Path, manifest: &Manifest, file: &[u8]) -> Result<Pictures, String> {
    let path = root.join("damaged.parquet");
    fs::write(&path, file).unwrap();
    of_rows(manifest, &path, &mut HashMap::new()).map_err(|error| error.to_string())
}

#[test]
fn truncated_and_damaged_files_are_errors_and_no_panics() {
    for (name, keys) in [
        ("hugging_face.parquet", ""),
        ("other.parquet", ", label_column: fine_label"),
    ] {
        let file = fixture(name);
        let root = own(&file, keys, 3, CLASSES);
        let manifest = Manifest::read(&root.path().join("own")).unwrap();
        let whole = read_damaged(root.path(), &manifest, &file).unwrap();
        assert_eq!(whole.names, ["row 0", "row 1", "row 2"]);
        for length in (0..file.len()).step_by(11).chain([file.len() - 1]) {
            let error = read_damaged(root.path(), &manifest, &file[..length]).unwrap_err();
            assert!(error.contains("damaged.parquet: expected "), "{error}");
        }
        let mut refused = 0;
        for (i, mask) in (0..file.len())
            .step_by(5)
            .zip([0x01, 0x80, 0xff].iter().cycle())
        {
            let mut damaged = file.clone();
            damaged[i] ^= mask;
            refused += usize::from(read_damaged(root.path(), &manifest, &damaged).is_err());
        }
        // Most of so small a file is metadata that is not read.
        assert!(refused > file.len() / 30, "{refused} of {}", file.len() / 5);
    }
}
