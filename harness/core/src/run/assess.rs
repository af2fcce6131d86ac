//! From what a child left to scores, findings and pictures beside the record.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use eidetic_sdk::{Goal, Probe};

use super::context::run_seed;
use super::error::{Error, at};
use super::job::Environment;
use crate::cell::{CellSpec, Emission, Emitted, FINDINGS_ENDING, Findings, FindingsError};
use crate::cell::{Record, Status};
use crate::dataset::{self, Candidate, Dataset, Split};
use crate::files::write_atomic;
use crate::plan::Plan;
use crate::score::{self, Truth, grid_png, score, scores_id, similarity_csv};

/// The data of a plan, each dataset and split once.
pub(super) struct Data {
    datasets: HashMap<String, Dataset>,
    splits: HashMap<String, Split>,
}

impl Data {
    pub(super) fn load(plan: &Plan, environment: &Environment) -> Result<Self, Error> {
        let mut data = Self {
            datasets: HashMap::new(),
            splits: HashMap::new(),
        };
        let data_dir = environment.data_dir.as_deref();
        let folder = environment.benchmarks.join("datasets");
        for spec in plan.cells.iter().map(|cell| &cell.spec.dataset) {
            if !data.datasets.contains_key(&spec.id) {
                let entry = dataset::find(&folder, &spec.id, data_dir)?;
                data.datasets
                    .insert(spec.id.clone(), Dataset::load(&entry.folder, data_dir)?);
            }
            let key = split_key(spec);
            if !data.splits.contains_key(&key) {
                data.splits
                    .insert(key, Split::new(&data.datasets[&spec.id], &spec.split)?);
            }
        }
        Ok(data)
    }

    pub(super) fn of(&self, spec: &CellSpec) -> (&Dataset, &Split) {
        (
            &self.datasets[&spec.dataset.id],
            &self.splits[&split_key(&spec.dataset)],
        )
    }
}

/// Of equal keys, dataset and split are equal.
pub(super) fn split_key(spec: &crate::cell::DatasetSpec) -> String {
    format!("{} {:?}", spec.id, spec.split)
}

/// Scores cells and writes what lies beside their records.
pub(super) struct Assessor<'a> {
    pub(super) data: &'a Data,
    pub(super) cells: &'a Path,
}

impl Assessor<'_> {
    /// Stores and scores what a child emitted. What was found before a failure still counts.
    pub(super) fn assess(
        &self,
        record: &mut Record,
        emitted: Result<Emitted, FindingsError>,
    ) -> Result<(), Error> {
        let emitted = match emitted {
            Ok(emitted) => emitted,
            Err(error) => {
                // Third-party code shares the child's process and may have written over it.
                record.status = Status::Failed;
                record.reason = format!("its findings cannot be read: {error}");
                return Ok(());
            }
        };
        if let (None, Some((model, defence))) = (record.model_calls, emitted.calls()) {
            record.model_calls = Some(model);
            record.defence_calls = Some(defence);
        }
        let (dataset, _) = self.data.of(&record.spec);
        let probes = probes(&emitted);
        let dim = dataset.dim();
        let findings = match record.spec.attack.goal.as_str() {
            "reconstruction" => Findings::Reconstruction(emitted.reconstruction(dim)),
            "membership" => Findings::Membership(emitted.membership()),
            _ => Findings::Extraction(emitted.extraction(dim)),
        };
        if findings.is_empty() && record.status != Status::Ok {
            return Ok(());
        }
        record.probes = probes;
        self.keep(record, &findings)
    }

    /// Stores and scores findings.
    pub(super) fn keep(&self, record: &mut Record, findings: &Findings) -> Result<(), Error> {
        let (dataset, _) = self.data.of(&record.spec);
        record.n = findings.len() as u64;
        let path = self.beside(record, FINDINGS_ENDING);
        record.findings_sha256 = findings
            .write(&path, dataset.shape)
            .map_err(at("cannot write", &path))?;
        self.score(record, findings)
    }

    /// Whether a record's scores are of the metrics as they are now. Reads nothing but the digest
    /// of the findings, which must be those of the record.
    pub(super) fn is_current(&self, record: &Record) -> io::Result<bool> {
        let path = self.beside(record, FINDINGS_ENDING);
        let sha256 = crate::files::sha256_file(&path)?;
        if sha256 != record.findings_sha256 {
            return Err(io::Error::other(
                "its SHA-256 is not the one in the cell's record",
            ));
        }
        let id = scores_id(&record.id, &sha256);
        let pictures = ["similarity.csv", "png"].map(|ending| self.beside(record, ending));
        let pictures =
            record.spec.attack.goal != "extraction" || pictures.iter().all(|path| path.exists());
        Ok(pictures && record.scores.as_ref().is_some_and(|scores| scores.id == id))
    }

    /// Scores stored findings with the metrics as they are now.
    pub(super) fn rescore(&self, record: &mut Record) -> Result<(), Error> {
        let path = self.beside(record, FINDINGS_ENDING);
        let findings =
            Findings::read(&path, &record.findings_sha256).map_err(at("cannot read", &path))?;
        self.score(record, &findings)
    }

    fn score(&self, record: &mut Record, findings: &Findings) -> Result<(), Error> {
        let (dataset, split) = self.data.of(&record.spec);
        let unscorable = |source| Error::Score {
            id: record.id.clone(),
            source,
        };
        let truth = truth(record, dataset, split).map_err(unscorable)?;
        let sha256 = &record.findings_sha256;
        let scores = score(findings, &record.id, sha256, dataset, split, truth.as_ref())
            .map_err(unscorable)?;
        if let Findings::Extraction(found) = findings {
            let path = self.beside(record, "similarity.csv");
            let csv = similarity_csv(&scores).map_err(unscorable)?;
            write_atomic(&path, csv.as_bytes()).map_err(at("cannot write", &path))?;
            let path = self.beside(record, "png");
            let png = grid_png(found, &scores, dataset).map_err(unscorable)?;
            write_atomic(&path, &png).map_err(at("cannot write", &path))?;
        }
        record.scores = Some(scores);
        Ok(())
    }

    fn beside(&self, record: &Record, ending: &str) -> std::path::PathBuf {
        self.cells.join(format!("{}.{ending}", record.id))
    }
}

/// The probes that a reconstruction attack declared.
fn probes(emitted: &Emitted) -> Vec<crate::cell::ProbeRecord> {
    let probe = |emission: &Emission| match emission {
        Emission::Probe { name, known, sigma } => Some(crate::cell::ProbeRecord {
            name: name.clone(),
            known: known.clone(),
            sigma: *sigma,
        }),
        _ => None,
    };
    emitted.emissions.iter().filter_map(probe).collect()
}

/// Which candidates are members; absent for extraction.
fn truth(record: &Record, dataset: &Dataset, split: &Split) -> Result<Option<Truth>, score::Error> {
    let spec = &record.spec;
    let goal = match spec.attack.goal.as_str() {
        "membership" => Goal::Membership,
        "reconstruction" => Goal::Reconstruction,
        _ => return Ok(None),
    };
    let seed = run_seed(spec.suite_seed, spec.seed);
    let candidates = Candidate::mixed(split, goal, spec.attack.candidates, seed);
    let index = candidates.iter().map(|candidate| candidate.index).collect();
    let member = candidates
        .iter()
        .map(|candidate| candidate.member)
        .collect();
    let probes = record
        .probes
        .iter()
        .map(|probe| Probe {
            name: probe.name.clone(),
            known: probe.known.bytes().map(|byte| byte - b'0').collect(),
            sigma: probe.sigma,
        })
        .collect();
    Truth::new(dataset, index, member, probes).map(Some)
}
