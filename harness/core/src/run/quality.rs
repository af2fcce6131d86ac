//! The quality of plain samples: their features and those of the split, and the figures that follow.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use eidetic_runtime::Runtime;

use super::assess::{Data, split_key};
use super::error::{Error, at};
use super::job::Environment;
use crate::cell::{
    CellSpec, FINDINGS_ENDING, Findings, QUALITY_ENDING, Quality, Record, RecordError,
};
use crate::embed::{self, Embedder, FeatureTable};
use crate::files::sha256_hex;
use crate::plan::{self, Plan};
use crate::score::{QualityOf, quality_id, quality_metrics, quality_protocol};

/// Measures the quality of the images that stand for a model under a mitigation in `plan`, where it is
/// not there. `go_on` is asked before each, with how many are done and are to be; whether it came to
/// the end.
pub(super) fn examine(
    plan: &Plan,
    environment: &Environment,
    jobs: usize,
    data: &Data,
    cells: &Path,
    go_on: &mut dyn FnMut(&CellSpec, usize, usize) -> bool,
) -> Result<bool, Error> {
    let Some(embedder) = &plan.embedder else {
        return Ok(true);
    };
    let mut examiner = Examiner::open(embedder, environment, jobs, data, cells)?;
    let ids: BTreeSet<&String> = plan.cells.iter().flat_map(|cell| &cell.quality).collect();
    let mut open = Vec::new();
    for id in ids {
        // What did not run, or cannot, has no images.
        let record = Record::read(&cells.join(format!("{id}.json")));
        let record = record.ok().filter(|of| !of.findings_sha256.is_empty());
        if let Some(record) = record
            && !examiner.is_current(&record)?
        {
            open.push(record);
        }
    }
    for (done, record) in open.iter().enumerate() {
        if !go_on(&record.spec, done, open.len()) {
            return Ok(false);
        }
        examiner.examine(record)?;
    }
    Ok(true)
}

/// Examines cells with one embedder.
struct Examiner<'a> {
    name: &'a str,
    embedder: Embedder,
    data: &'a Data,
    cells: &'a Path,
    /// Features of holdout and members, a split each.
    splits: HashMap<String, [FeatureTable; 2]>,
}

impl<'a> Examiner<'a> {
    fn open(
        embedder: &'a plan::Embedder,
        environment: &Environment,
        jobs: usize,
        data: &'a Data,
        cells: &'a Path,
    ) -> Result<Self, Error> {
        let library = environment.library.as_ref().ok_or(Error::NoRuntime)?;
        let runtime = Runtime::load(library)?;
        let data_dir = environment.data_dir.as_deref();
        Ok(Self {
            name: &embedder.name,
            embedder: Embedder::open(&embedder.folder, data_dir, &runtime, jobs)?,
            data,
            cells,
            splits: HashMap::new(),
        })
    }

    /// Whether the quality of a cell's images is there, of the same findings, reference and
    /// protocol. A file that cannot be trusted is not there.
    fn is_current(&self, record: &Record) -> Result<bool, Error> {
        let path = self.path(record);
        match Quality::read(&path, &record.id) {
            Ok(quality) => Ok(quality.id == self.id(record)),
            Err(RecordError::Damaged { .. }) => Ok(false),
            Err(RecordError::Read { source, .. }) => match source.kind() {
                std::io::ErrorKind::NotFound => Ok(false),
                _ => Err(at("cannot read", &path)(source)),
            },
        }
    }

    /// Examines the images of an extraction cell, and writes what comes out beside its record.
    fn examine(&mut self, record: &Record) -> Result<(), Error> {
        let from = self.cells.join(format!("{}.{FINDINGS_ENDING}", record.id));
        let findings = Findings::read(&from, &record.findings_sha256);
        let findings = findings.map_err(at("cannot read", &from))?;
        let Findings::Extraction(found) = findings else {
            return Ok(());
        };
        let (dataset, split) = self.data.of(&record.spec);
        let generated = self.embedder.features(&found.images, dataset.shape)?;
        let (id, path) = (self.id(record), self.path(record));
        let [holdout, members] = match self.splits.entry(split_key(&record.spec.dataset)) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(free) => {
                let embedder = &self.embedder;
                let of = |part: &[u32]| -> Result<FeatureTable, embed::Error> {
                    embedder.cached_features(&dataset.select(part), dataset.shape)
                };
                free.insert([of(&split.holdout)?, of(&split.members)?])
            }
        };
        let of = QualityOf {
            generated: &generated,
            holdout,
            members,
        };
        let unscorable = |source| Error::Score {
            id: record.id.clone(),
            source,
        };
        let (headline, metrics) = quality_metrics(self.name, &of).map_err(unscorable)?;
        let mut quality = Quality {
            format: Quality::FORMAT,
            cell: record.id.clone(),
            id,
            embedder: self.name.to_owned(),
            protocol: quality_protocol(self.embedder.id()),
            headline,
            n: generated.len() as u64,
            n_reference: holdout.len() as u64,
            metrics,
            checksum: String::new(),
        };
        quality.write(&path).map_err(at("cannot write", &path))
    }

    fn id(&self, record: &Record) -> String {
        let dataset = &record.spec.dataset;
        let split = serde_json::json!(dataset.split).to_string();
        let reference = sha256_hex(format!("{}\n{split}\n", dataset.sha256).as_bytes());
        quality_id(self.embedder.id(), &record.findings_sha256, &reference)
    }

    fn path(&self, record: &Record) -> PathBuf {
        self.cells.join(format!("{}{QUALITY_ENDING}", record.id))
    }
}
