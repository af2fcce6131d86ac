//! A results folder, to look into and to compare.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use eidetic_harness::cell::Record;

/// Path in the results folder to bytes.
pub type Files = BTreeMap<PathBuf, Vec<u8>>;

/// A suite's results.
pub struct Results {
    /// Their folder.
    pub folder: PathBuf,
}

impl Results {
    /// Every file but times, which differ from run to run, and the lock.
    pub fn files(&self) -> Files {
        let mut files = Files::new();
        collect(&self.folder, &self.folder, &mut files);
        let differs = |path: &Path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.ends_with(".time.json") || name == "times.csv" || name == ".lock"
        };
        files.retain(|path, _| !differs(path));
        files
    }

    /// Fails unless both have the same files with the same bytes.
    ///
    /// # Panics
    /// With the names of those that differ.
    #[track_caller]
    pub fn assert_same(&self, expected: &Files) {
        let files = self.files();
        let all = files.keys().chain(expected.keys());
        let differ: Vec<_> = all
            .filter(|path| files.get(*path) != expected.get(*path))
            .map(|path| {
                let length = |files: &Files| files.get(path).map(Vec::len);
                (path, length(&files), length(expected))
            })
            .collect();
        assert!(
            differ.is_empty(),
            "{}: (file, bytes got, bytes expected): {differ:#?}",
            self.folder.display()
        );
    }

    /// The files of cells' records that are there, by name.
    pub fn record_files(&self) -> Vec<PathBuf> {
        let cells = fs::read_dir(self.folder.join("cells"));
        let mut paths: Vec<PathBuf> = cells
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                let name = path.file_name().unwrap().to_string_lossy();
                let beside = name.ends_with(".time.json") || name.ends_with(".quality.json");
                name.ends_with(".json") && !beside
            })
            .collect();
        paths.sort();
        paths
    }

    /// Every record, by the file's name.
    pub fn records(&self) -> Vec<Record> {
        let files = self.record_files();
        files
            .iter()
            .map(|path| Record::read(path).unwrap())
            .collect()
    }

    /// The one record of a model, a mitigation and an attack, by their labels.
    ///
    /// # Panics
    /// Where there is none or more than one.
    #[track_caller]
    pub fn record(&self, model: &str, mitigation: &str, attack: &str) -> Record {
        let mut found = self.records();
        found.retain(|record| {
            let spec = &record.spec;
            (
                &*spec.model.label,
                &*spec.mitigation_label,
                &*spec.attack.label,
            ) == (model, mitigation, attack)
        });
        let count = found.len();
        found
            .pop()
            .filter(|_| count == 1)
            .unwrap_or_else(|| panic!("{count} records of {model} x {mitigation} x {attack}"))
    }

    /// The rows of one of the board's files, by column.
    pub fn rows(&self, file: &str) -> Vec<BTreeMap<String, String>> {
        let mut reader = csv::Reader::from_path(self.folder.join(file)).unwrap();
        reader.deserialize().map(|row| row.unwrap()).collect()
    }

    /// The one row of the leaderboard of a model, a mitigation and an attack.
    ///
    /// # Panics
    /// Where there is none or more than one.
    #[track_caller]
    pub fn row(&self, model: &str, mitigation: &str, attack: &str) -> BTreeMap<String, String> {
        let mut rows = self.rows("leaderboard.csv");
        rows.retain(|row| {
            (&*row["model"], &*row["mitigation"], &*row["attack"]) == (model, mitigation, attack)
        });
        let count = rows.len();
        rows.pop()
            .filter(|_| count == 1)
            .unwrap_or_else(|| panic!("{count} rows of {model} x {mitigation} x {attack}"))
    }
}

fn collect(root: &Path, folder: &Path, files: &mut Files) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap().to_owned();
            files.insert(name, fs::read(&path).unwrap());
        }
    }
}
