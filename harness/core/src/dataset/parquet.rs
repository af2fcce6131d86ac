//! The rows of a parquet file as Hugging Face writes it: image files in one column, labels in another.

use std::collections::HashMap;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use ::parquet::basic::{Compression, Type};
use ::parquet::column::page::{Page, PageMetadata, PageReader};
use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use ::parquet::data_type::{ByteArray, DataType};
use ::parquet::errors::{ParquetError, Result as Read};
use ::parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use ::parquet::schema::types::SchemaDescriptor;
use serde_json::Value;

use super::labelled::{fault, with_key};
use super::{Error, Manifest};
use crate::pictures::{Collector, Pictures};

/// Where the images are if the manifest does not say.
const IMAGES: [&str; 2] = ["image", "img"];
/// Where the labels are if the manifest does not say.
const LABELS: &str = "label";
/// Rows that are taken at once.
const BLOCK: usize = 32;

/// The images in the order of the rows, each named `row N`, N from 0, and their labels by that name.
///
/// Of the file a page of each column is in memory, which has at most 2 GiB and some MB as it is
/// usually written. The digest is not checked here.
pub(super) fn of_rows(
    manifest: &Manifest,
    path: &Path,
    labels: &mut HashMap<String, Value>,
) -> Result<Pictures, Error> {
    let file = File::open(path).map_err(|source| Error::Io {
        path: path.to_path_buf(),
        source,
    })?;
    let reader = guarded(path, || SerializedFileReader::new(file))?;
    let groups = reader.metadata().row_groups();
    let rows: u64 = groups
        .iter()
        .filter_map(|group| u64::try_from(group.num_rows()).ok())
        .fold(0, u64::saturating_add);
    let count = u64::from(manifest.count);
    if rows < count || (rows > count && !manifest.skip_bad) {
        return Err(fault(path, format!("{count} images"), rows));
    }
    let columns = Columns::of(
        manifest,
        path,
        reader.metadata().file_metadata().schema_descr(),
    )?;
    let mut collector = Collector::new(path, manifest.shape)?;
    let mut row = 0_u64;
    for (i, group) in groups.iter().enumerate() {
        for leaf in columns.leaves() {
            let codec = guarded(path, || Ok(group.column(leaf).compression()))?;
            if !matches!(
                codec,
                Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::ZSTD(_)
            ) {
                let expected = "columns compressed by snappy, by zstd or not at all".to_owned();
                return Err(fault(path, expected, codec));
            }
        }
        let end = row.saturating_add_signed(group.num_rows());
        let mut open = guarded(path, || columns.open(&*reader.get_row_group(i)?))?;
        loop {
            let block = guarded(path, || open.next())?;
            if block.is_empty() {
                break;
            }
            for (bytes, label) in block {
                if row == end {
                    let expected = format!("{} rows in row group {i}", group.num_rows());
                    return Err(fault(path, expected, "more"));
                }
                let name = format!("row {row}");
                row += 1;
                match bytes {
                    Some(bytes) => collector
                        .add(&name, bytes.len() as u64, bytes.data())
                        .map_err(|error| fault(path, "a whole image".into(), error))?,
                    None => collector.refuse(&name, "expected the bytes of a file, got null"),
                }
                if let Some(label) = label {
                    labels.insert(name, label.into());
                }
            }
        }
        if row != end {
            let expected = format!("{} rows in row group {i}", group.num_rows());
            return Err(fault(path, expected, "fewer"));
        }
    }
    let found = collector.finish(manifest.skip_bad);
    found.map_err(|error| with_key(error, manifest))
}

/// What `read` returns; its errors, and its panics, which damaged files bring about in the crate.
fn guarded<T>(path: &Path, read: impl FnOnce() -> Read<T>) -> Result<T, Error> {
    let expected = || "a whole parquet file".to_owned();
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(error)) => Err(fault(path, expected(), error)),
        Err(_) => Err(fault(path, expected(), "a damaged one")),
    }
}

/// Which of the file's columns are read, by number.
struct Columns {
    images: usize,
    labels: Option<usize>,
}

impl Columns {
    fn of(manifest: &Manifest, path: &Path, schema: &SchemaDescriptor) -> Result<Self, Error> {
        let find = |parts: &[&str]| {
            let mut columns = schema.columns().iter();
            columns.position(|column| column.path().parts().iter().eq(parts))
        };
        let known = |kinds: &[Type], leaf: &usize| {
            let column = schema.column(*leaf);
            kinds.contains(&column.physical_type()) && column.max_rep_level() == 0
        };
        let missing = |expected: String| {
            let all = schema.columns().iter().map(|column| {
                let kind = column.physical_type();
                format!("{} ({kind})", column.path().string())
            });
            let got = all.take(20).collect::<Vec<_>>().join(", ");
            fault(path, expected, format!("the columns {got}"))
        };
        let given = manifest.images.column.as_deref();
        let names = given.as_slice();
        let names = if names.is_empty() { &IMAGES } else { names };
        let images = names
            .iter()
            .find_map(|name| find(&[name, "bytes"]).or_else(|| find(&[name])))
            .filter(|leaf| known(&[Type::BYTE_ARRAY], leaf))
            .ok_or_else(|| {
                let names = names.join(" or ");
                missing(format!(
                    "image files as binary values in a column {names} (images.column) or in its bytes"
                ))
            })?;
        let labels = (!manifest.classes.is_empty()).then(|| {
            let name = manifest.images.label_column.as_deref().unwrap_or(LABELS);
            find(&[name])
                .filter(|leaf| known(&[Type::INT32, Type::INT64], leaf))
                .ok_or_else(|| {
                    missing(format!(
                        "labels as integers in a column {name} (images.label_column)"
                    ))
                })
        });
        Ok(Self {
            images,
            labels: labels.transpose()?,
        })
    }

    fn leaves(&self) -> impl Iterator<Item = usize> {
        [Some(self.images), self.labels].into_iter().flatten()
    }

    fn open(&self, group: &dyn RowGroupReader) -> Read<Open> {
        let open = |leaf: usize| {
            let column = group.metadata().column(leaf).column_descr_ptr();
            let nullable = column.max_def_level();
            let pages = Box::new(Checked(group.get_column_page_reader(leaf)?));
            Ok::<_, ParquetError>((get_column_reader(column, pages), nullable))
        };
        Ok(Open {
            images: open(self.images)?,
            labels: self.labels.map(open).transpose()?,
        })
    }
}

/// The columns of a row group, each with the definition level of a value that is not null.
struct Open {
    images: (ColumnReader, i16),
    labels: Option<(ColumnReader, i16)>,
}

impl Open {
    /// Image file and label of the next rows; none at the end.
    fn next(&mut self) -> Read<Vec<(Option<ByteArray>, Option<i64>)>> {
        let other =
            || ParquetError::General("a column of another type than the file's schema".into());
        let (column, level) = &mut self.images;
        let ColumnReader::ByteArrayColumnReader(column) = column else {
            return Err(other());
        };
        let images = next_of(column, *level)?;
        let labels: Vec<Option<i64>> = match &mut self.labels {
            None => vec![None; images.len()],
            Some((ColumnReader::Int64ColumnReader(column), level)) => next_of(column, *level)?,
            Some((ColumnReader::Int32ColumnReader(column), level)) => {
                let labels = next_of(column, *level)?;
                labels
                    .into_iter()
                    .map(|label| label.map(i64::from))
                    .collect()
            }
            Some(_) => return Err(other()),
        };
        if images.len() != labels.len() {
            let message = "columns of different lengths in a row group";
            return Err(ParquetError::General(message.into()));
        }
        Ok(images.into_iter().zip(labels).collect())
    }
}

/// The next values of a column, at most [`BLOCK`]; `present` is the definition level of those that
/// are not null.
fn next_of<T: DataType>(column: &mut ColumnReaderImpl<T>, present: i16) -> Read<Vec<Option<T::T>>> {
    let (mut levels, mut values) = (Vec::new(), Vec::new());
    let (rows, _, _) = column.read_records(BLOCK, Some(&mut levels), None, &mut values)?;
    let mut values = values.into_iter();
    if present == 0 {
        levels = vec![0; rows];
    }
    let level = |level: &i16| (*level == present).then(|| values.next()).flatten();
    Ok(levels.iter().map(level).collect())
}

/// Pages whose numbers of values can be: the crate allocates for as many as a dictionary claims.
struct Checked(Box<dyn PageReader>);

impl PageReader for Checked {
    fn get_next_page(&mut self) -> Read<Option<Page>> {
        let page = self.0.get_next_page()?;
        if let Some(Page::DictionaryPage { buf, num_values, .. }) = &page
            // A value has at least four bytes: an i32, or the length of a byte array.
            && *num_values as usize > buf.len() / 4
        {
            let message = format!("a dictionary of {num_values} values in {} bytes", buf.len());
            return Err(ParquetError::General(message));
        }
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Read<Option<PageMetadata>> {
        self.0.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Read<()> {
        self.0.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Read<bool> {
        self.0.at_record_boundary()
    }
}

impl Iterator for Checked {
    type Item = Read<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

#[cfg(test)]
#[path = "parquet_tests.rs"]
mod tests;
