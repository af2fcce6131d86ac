//! What a run says of itself as CSV: the same run gives the same bytes, however often it was
//! interrupted. Seconds are not in it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// One number watched over training.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Its name; no comma, quote or line end.
    pub name: String,
    /// Its value; missing is empty.
    pub value: Option<f64>,
    /// Its 95 % interval.
    pub interval: Option<(f64, f64)>,
}

/// The losses: `step,loss,learning_rate,gradient_norm`, a row a step, steps counted from 1. The
/// loss is empty for a step that drew no example; the norm is that before clipping.
pub(crate) struct LossLog(Table);

/// The watched figures: `step,figure,value,low,high`, after so many steps.
pub(crate) struct WatchLog(Table);

impl LossLog {
    pub(crate) const NAME: &'static str = "loss.csv";

    /// Continues the log of a run after `step` steps: later rows go.
    pub(crate) fn open(folder: &Path, step: u64) -> Result<Self, Error> {
        let header = "step,loss,learning_rate,gradient_norm";
        Table::open(folder.join(Self::NAME), header, step, Some(step)).map(Self)
    }

    pub(crate) fn row(
        &mut self,
        step: u64,
        loss: Option<f64>,
        rate: f64,
        norm: f64,
    ) -> Result<(), Error> {
        self.0
            .row(&format!("{step},{},{rate},{norm}", or_empty(loss)))
    }

    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.0.sync()
    }
}

impl WatchLog {
    pub(crate) const NAME: &'static str = "watched.csv";

    pub(crate) fn open(folder: &Path, step: u64) -> Result<Self, Error> {
        let header = "step,figure,value,low,high";
        Table::open(folder.join(Self::NAME), header, step, None).map(Self)
    }

    pub(crate) fn rows(&mut self, step: u64, figures: &[Figure]) -> Result<(), Error> {
        for figure in figures {
            let name = &figure.name;
            if name.is_empty() || name.contains([',', '"', '\n', '\r']) {
                return Err(Error::Task(format!(
                    "expected a figure's name without commas, quotes and line ends, got {name:?}"
                )));
            }
            let low = or_empty(figure.interval.map(|(low, _)| low));
            let high = or_empty(figure.interval.map(|(_, high)| high));
            self.0.row(&format!(
                "{step},{name},{},{low},{high}",
                or_empty(figure.value)
            ))?;
        }
        Ok(())
    }

    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.0.sync()
    }
}

fn or_empty(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// Rows that begin with the number of steps after which they were written, ascending.
struct Table {
    path: PathBuf,
    file: File,
}

impl Table {
    /// Keeps the whole rows up to `step`; a row that was cut off, and what follows, goes. Refuses
    /// a file with another number of rows up to there, where that is known, and leaves it.
    fn open(path: PathBuf, header: &str, step: u64, expected: Option<u64>) -> Result<Self, Error> {
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => {
                return Err(Error::Io {
                    doing: "read",
                    path,
                    source,
                });
            }
        };
        let header = format!("{header}\n");
        let (mut kept, mut rows) = (0, 0);
        if step > 0 && text.starts_with(&header) {
            kept = header.len();
            for line in text[header.len()..].split_inclusive('\n') {
                let first = line.split(',').next().map(str::parse::<u64>);
                match first {
                    Some(Ok(first)) if first <= step && line.ends_with('\n') => {}
                    _ => break,
                }
                (kept, rows) = (kept + line.len(), rows + 1);
            }
        }
        if let Some(expected) = expected.filter(|expected| *expected != rows) {
            let what = format!(
                "expected the rows of the {expected} steps of the checkpoint, got {rows}; delete \
                 the checkpoint to start again"
            );
            return Err(Error::Checkpoint { path, what });
        }
        let open = || -> io::Result<File> {
            let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
            file.set_len(kept as u64)?;
            if kept == 0 {
                file.write_all(header.as_bytes())?;
            }
            Ok(file)
        };
        match open() {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(Error::Io {
                doing: "write",
                path,
                source,
            }),
        }
    }

    fn row(&mut self, row: &str) -> Result<(), Error> {
        let written = self.file.write_all(format!("{row}\n").as_bytes());
        written.map_err(|source| self.failed(source))
    }

    fn sync(&self) -> Result<(), Error> {
        self.file.sync_all().map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> Error {
        let path = self.path.clone();
        Error::Io {
            doing: "write",
            path,
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::{Figure, LossLog, WatchLog};

    #[test]
    fn later_and_torn_rows_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LossLog::NAME);
        let mut log = LossLog::open(folder.path(), 0).unwrap();
        for step in 1..=12 {
            log.row(step, Some(1.0 / step as f64), 1e-3, 2.5).unwrap();
        }
        let whole = fs::read_to_string(&path).unwrap();
        assert!(whole.starts_with("step,loss,learning_rate,gradient_norm\n1,1,0.001,2.5\n2,0.5,"));
        fs::write(&path, format!("{whole}1")).unwrap();
        let mut log = LossLog::open(folder.path(), 10).unwrap();
        for step in 11..=12 {
            log.row(step, Some(1.0 / step as f64), 1e-3, 2.5).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), whole);
        // The row after the checkpoint's was cut off, and reads as an earlier one.
        let ten: String = whole.split_inclusive('\n').take(11).collect();
        fs::write(&path, format!("{ten}1")).unwrap();
        LossLog::open(folder.path(), 10).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), ten);
        fs::write(&path, &whole).unwrap();
        // A row is missing: the checkpoint is of another log.
        let error = LossLog::open(folder.path(), 13).err().unwrap().to_string();
        assert!(error.contains("of the 13 steps"), "{error}");
        LossLog::open(folder.path(), 0).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
    }

    #[test]
    fn missing_is_empty_and_names_cannot_break_a_row() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = WatchLog::open(folder.path(), 0).unwrap();
        let figure = |name: &str, value, interval| Figure {
            name: name.to_owned(),
            value,
            interval,
        };
        let whole = [
            figure("memorized", Some(0.25), Some((0.125, 0.5))),
            figure("loss", None, None),
        ];
        log.rows(5, &whole).unwrap();
        assert!(log.rows(5, &[figure("a,b", None, None)]).is_err());
        let text = fs::read_to_string(folder.path().join(WatchLog::NAME)).unwrap();
        let expected = "step,figure,value,low,high\n5,memorized,0.25,0.125,0.5\n5,loss,,,\n";
        assert_eq!(text, expected);
    }
}
