//! The parent: which cells are there already, a child for each that is not, and what is kept.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::assess::{Assessor, Data};
use super::error::{Error, at};
use super::job::{Environment, Job, Outcome};
use super::lock::lock;
use super::process::{self, End, Ended, describe};
use super::quality::examine;
use crate::cell::{CellSpec, Emitted, FINDINGS_ENDING, Record, RecordError, Spent, Status, Times};
use crate::files::{remove_folder, remove_temporary, write_atomic};
use crate::plan::{Plan, PlannedCell};

/// Runs the cells of a plan.
pub struct Engine<'a> {
    /// What to run.
    pub plan: &'a Plan,
    /// Where things are.
    pub environment: &'a Environment,
    /// This program, to be started again for each cell.
    pub program: PathBuf,
    /// The hidden verb under which it works on a job.
    pub verb: &'static str,
    /// The suite's results folder.
    pub folder: PathBuf,
    /// Cells and sessions at once.
    pub jobs: usize,
    /// Wall-clock limit of a cell.
    pub cell_timeout: Duration,
    /// Whether children's stderr is kept from the log.
    pub quiet: bool,
}

/// What happened, as it happens.
#[derive(Debug)]
pub enum Event<'a> {
    /// So many cells are there already.
    Found(usize),
    /// A file of an earlier run is not used, and its cell is done again.
    Distrusted(String),
    /// A cell begins.
    Started(&'a CellSpec),
    /// A cell is so far, in thousandths.
    Progress(&'a CellSpec, u64),
    /// A cell is done.
    Finished(&'a Record, Duration),
    /// A cell's findings were scored again with newer metrics.
    Rescored(&'a Record),
    /// The quality of a cell's images is measured; so many are, of so many.
    Examining(&'a CellSpec, usize, usize),
}

/// What a run came to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Cells that were there.
    pub found: usize,
    /// Cells that ran now.
    pub ran: usize,
    /// Of these, cells that failed or timed out.
    pub failed: usize,
    /// Whether the run was interrupted before it was through.
    pub interrupted: bool,
}

impl Engine<'_> {
    /// Runs what is not there. What was finished is never lost: a cell counts as finished once its
    /// record is renamed into place, after everything else of it.
    ///
    /// # Errors
    /// [`Error`]; cells that finished before it stay.
    pub fn run(
        &self,
        cancel: &AtomicBool,
        events: &(dyn Fn(Event<'_>) + Sync),
    ) -> Result<Summary, Error> {
        let cells = self.folder.join("cells");
        fs::create_dir_all(&cells).map_err(at("cannot create", &cells))?;
        let _lock = lock(&self.folder)?;
        let work = self.folder.join(".work");
        remove_folder(&work).map_err(at("cannot clear", &work))?;
        for folder in [&self.folder, &cells] {
            remove_temporary(folder).map_err(at("cannot clear", folder))?;
        }
        // A child of a run that was killed may live for a moment: it must not find its folder again.
        let work = work.join(std::process::id().to_string());
        let data = Data::load(self.plan, self.environment)?;
        let assessor = Assessor {
            data: &data,
            cells: &cells,
        };

        let mut open = Vec::new();
        let mut summary = Summary::default();
        for cell in &self.plan.cells {
            match self.existing(cell, &cells, &assessor, events)? {
                true => summary.found += 1,
                false => open.push(cell),
            }
        }
        events(Event::Found(summary.found));
        let result = self.work_through(&open, &work, &assessor, cancel, events, &mut summary);
        // What is left there belongs to cells that were dropped.
        let _ = remove_folder(&self.folder.join(".work"));
        result?;
        let mut go_on = |spec: &CellSpec, done, of| {
            if cancel.load(Ordering::SeqCst) {
                return false;
            }
            events(Event::Examining(spec, done, of));
            true
        };
        let (plan, environment) = (self.plan, self.environment);
        let through = examine(plan, environment, self.jobs, &data, &cells, &mut go_on)?;
        summary.interrupted |= !through;
        Ok(summary)
    }

    /// Whether a settled cell is there, whole; one with older metrics is scored again.
    fn existing(
        &self,
        cell: &PlannedCell,
        cells: &Path,
        assessor: &Assessor<'_>,
        events: &(dyn Fn(Event<'_>) + Sync),
    ) -> Result<bool, Error> {
        let path = cells.join(format!("{}.json", cell.id));
        let distrust = |reason: String| {
            events(Event::Distrusted(reason));
            Ok(false)
        };
        let mut record = match Record::read(&path) {
            Ok(record) => record,
            Err(RecordError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(false);
            }
            Err(error) => return distrust(error.to_string()),
        };
        if record.id != cell.id {
            return distrust(format!("{}: it is the cell {}", path.display(), record.id));
        }
        if !record.status.is_settled() {
            return Ok(false);
        }
        if record.findings_sha256.is_empty() {
            return Ok(true);
        }
        match assessor.is_current(&record) {
            Ok(true) => Ok(true),
            Ok(false) => {
                assessor.rescore(&mut record)?;
                record.write(&path).map_err(at("cannot write", &path))?;
                events(Event::Rescored(&record));
                Ok(true)
            }
            Err(error) => {
                let findings = path.with_extension(FINDINGS_ENDING);
                distrust(format!("{}: {error}", findings.display()))
            }
        }
    }

    fn work_through(
        &self,
        open: &[&PlannedCell],
        work: &Path,
        assessor: &Assessor<'_>,
        cancel: &AtomicBool,
        events: &(dyn Fn(Event<'_>) + Sync),
        summary: &mut Summary,
    ) -> Result<(), Error> {
        let lanes = self.jobs.clamp(1, open.len().max(1));
        let threads = (self.jobs / lanes).max(1);
        let next = AtomicUsize::new(0);
        // An error in one lane stops the others after their cell.
        let broken = AtomicBool::new(false);
        let results = std::thread::scope(|scope| {
            let lane = || -> Result<Summary, Error> {
                let mut own = Summary::default();
                while !broken.load(Ordering::SeqCst) {
                    let Some(cell) = open.get(next.fetch_add(1, Ordering::SeqCst)) else {
                        break;
                    };
                    if cancel.load(Ordering::SeqCst) {
                        own.interrupted = true;
                        break;
                    }
                    match self.cell(cell, work, threads, assessor, cancel, events) {
                        Ok(Some(status)) => {
                            own.ran += 1;
                            own.failed += usize::from(!status.is_settled());
                        }
                        Ok(None) => own.interrupted = true,
                        Err(error) => {
                            broken.store(true, Ordering::SeqCst);
                            return Err(error);
                        }
                    }
                }
                Ok(own)
            };
            let lanes: Vec<_> = (0..lanes).map(|_| scope.spawn(lane)).collect();
            let panicked = |_| {
                Err(at("a thread panicked in", work)(io::Error::other(
                    "see above",
                )))
            };
            lanes
                .into_iter()
                .map(|lane| lane.join().unwrap_or_else(panicked))
                .collect::<Vec<_>>()
        });
        for result in results {
            let own = result?;
            summary.ran += own.ran;
            summary.failed += own.failed;
            summary.interrupted |= own.interrupted;
        }
        Ok(())
    }

    /// One cell to its record; `None` where the run was cancelled and the cell dropped.
    fn cell(
        &self,
        cell: &PlannedCell,
        work: &Path,
        threads: usize,
        assessor: &Assessor<'_>,
        cancel: &AtomicBool,
        events: &(dyn Fn(Event<'_>) + Sync),
    ) -> Result<Option<Status>, Error> {
        let started = Instant::now();
        let spec = &cell.spec;
        events(Event::Started(spec));
        let (mut record, spent) = match &cell.not_applicable {
            Some(reason) => {
                let record = Record::new(spec.clone(), Status::NotApplicable, reason.clone());
                (record, None)
            }
            None => {
                let folder = work.join(&cell.id);
                let Some(ended) = self.child(spec, &folder, threads, assessor, cancel, events)?
                else {
                    return Ok(None);
                };
                fs::remove_dir_all(&folder).map_err(at("cannot clear", &folder))?;
                ended
            }
        };
        let seconds = started.elapsed();
        let times = Times::here(seconds.as_secs_f64(), threads, spent);
        let path = assessor.cells.join(format!("{}.time.json", cell.id));
        let json = serde_json::to_vec_pretty(&times).map_err(io::Error::other);
        json.and_then(|json| write_atomic(&path, &json))
            .map_err(at("cannot write", &path))?;
        let path = assessor.cells.join(format!("{}.json", cell.id));
        record.write(&path).map_err(at("cannot write", &path))?;
        events(Event::Finished(&record, seconds));
        Ok(Some(record.status))
    }

    fn child(
        &self,
        spec: &CellSpec,
        folder: &Path,
        threads: usize,
        assessor: &Assessor<'_>,
        cancel: &AtomicBool,
        events: &(dyn Fn(Event<'_>) + Sync),
    ) -> Result<Option<(Record, Option<Spent>)>, Error> {
        fs::create_dir_all(folder).map_err(at("cannot create", folder))?;
        let job = Job {
            spec: spec.clone(),
            environment: self.environment.clone(),
            threads,
            folder: folder.to_owned(),
        };
        let file = folder.join(Job::FILE);
        let json = serde_json::to_vec_pretty(&job).map_err(io::Error::other);
        json.and_then(|json| fs::write(&file, json))
            .map_err(at("cannot write", &file))?;

        let (send, progress) = mpsc::channel();
        let run = || {
            let send = move |permille| {
                let _ = send.send(permille);
            };
            let (verb, timeout) = (self.verb, self.cell_timeout);
            let mut command = Command::new(&self.program);
            command.arg(verb).arg(&file);
            if let Some(library) = &self.environment.library {
                // For plugins that run networks of their own, on models that load none.
                command.env("ORT_DYLIB_PATH", &library.path);
            }
            process::run(command, timeout, cancel, send, self.quiet)
        };
        let ended = std::thread::scope(|scope| {
            let child = scope.spawn(run);
            // Ends when the child's stdout does, and with it the sender.
            for permille in progress {
                events(Event::Progress(spec, permille));
            }
            child
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("the watching thread panicked")))
        });
        let ended = ended.map_err(at("cannot run", &self.program))?;
        if matches!(ended.end, End::Cancelled) {
            return Ok(None);
        }
        let (mut record, spent) = self.record(spec, folder, ended);
        if record.status != Status::NotApplicable {
            let emitted = Emitted::read(folder);
            assessor.assess(&mut record, emitted)?;
        }
        Ok(Some((record, spent)))
    }

    /// What a child's end and words come to, and where its time went.
    fn record(&self, spec: &CellSpec, folder: &Path, ended: Ended) -> (Record, Option<Spent>) {
        let told: Option<Outcome> = fs::read(folder.join(Outcome::FILE))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let spent = told.as_ref().and_then(|told| told.spent);
        let mut record = match (&ended.end, told) {
            (End::Exited(status), Some(told)) if status.success() => {
                let mut record = Record::new(spec.clone(), told.status, told.reason);
                record.model_calls = Some(told.model_calls);
                record.defence_calls = Some(told.defence_calls);
                record.stages_applied = told.stages_applied;
                record.n_trained = told.n_trained;
                record.model_sha256 = told.model_sha256;
                record
            }
            (End::TimedOut, _) => {
                let limit = crate::suite::format_duration(self.cell_timeout);
                let reason = format!("it was ended after the suite's cell_timeout of {limit}");
                Record::new(spec.clone(), Status::TimedOut, reason)
            }
            (End::Exited(status), _) => {
                Record::new(spec.clone(), Status::Failed, describe(*status))
            }
            (End::Cancelled, _) => Record::new(spec.clone(), Status::Failed, "cancelled".into()),
        };
        if !record.status.is_settled() {
            record.stderr_tail = ended.stderr_tail;
        }
        (record, spent)
    }
}

impl Times {
    /// Host facts of this process, with these seconds.
    fn here(seconds: f64, threads: usize, spent: Option<Spent>) -> Self {
        let rounded = |seconds: f64| (seconds * 1000.0).round() / 1000.0;
        Self {
            seconds: rounded(seconds),
            spent: spent.map(|spent| Spent {
                attack_seconds: rounded(spent.attack_seconds),
                model_seconds: rounded(spent.model_seconds),
            }),
            harness: env!("CARGO_PKG_VERSION").into(),
            processor: eidetic_runtime::Host::detect().cpu,
            threads,
        }
    }
}
