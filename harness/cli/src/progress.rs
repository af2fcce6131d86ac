//! A run as it goes: bars on a terminal, lines elsewhere.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eidetic_harness::cell::{CellSpec, Record, Status};
use eidetic_harness::plan::Plan;
use eidetic_harness::run::Event;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::args::Global;
use crate::talk;

const WHOLE: u64 = 1000;
const ALL: &str = "{msg} {bar:32} {elapsed} gone{left}";
const STEPS: &str = "{pos}/{len} steps {bar:32} {msg}, {per_sec}, {elapsed} gone{left}";
const CELL: &str = "  {percent:>3} %  {wide_msg}";

/// What is shown of a run.
pub(crate) struct Progress {
    cells: usize,
    all: ProgressBar,
    /// Bars of the cells that run, by id.
    running: Mutex<HashMap<String, ProgressBar>>,
    done: Mutex<usize>,
    quiet: bool,
    verbose: bool,
}

impl Progress {
    pub(crate) fn new(plan: &Plan, global: &Global) -> Self {
        // indicatif itself draws nothing where stderr is no terminal.
        if global.quiet {
            talk::BARS.set_draw_target(ProgressDrawTarget::hidden());
        }
        let all = talk::BARS.add(ProgressBar::new(plan.cells.len() as u64 * WHOLE));
        all.set_style(style(ALL).with_key("left", left));
        all.set_message("cells");
        all.enable_steady_tick(Duration::from_millis(250));
        Self {
            cells: plan.cells.len(),
            all,
            running: Mutex::default(),
            done: Mutex::default(),
            quiet: global.quiet,
            verbose: global.verbose > 0,
        }
    }

    /// Takes what happened; from any thread.
    pub(crate) fn on(&self, event: Event<'_>) {
        match event {
            Event::Found(found) => {
                self.all.set_length((self.cells - found) as u64 * WHOLE);
                self.all.reset_eta();
                self.count(found);
            }
            Event::Distrusted(reason) => self.warn(&format!("{reason}; the cell runs again")),
            Event::Started(spec) => self.start(spec),
            Event::Progress(spec, permille) => self.advance(spec, permille),
            Event::Finished(record, time) => self.finish(record, time),
            Event::Examining(spec, done, of) => {
                self.all.set_length((of as u64) * WHOLE);
                self.all.set_position((done as u64) * WHOLE);
                self.all.set_message(format!("{done}/{of} qualities"));
                if self.verbose {
                    talk::line(&format!("quality: {}", spec.title()));
                }
            }
            Event::Rescored(record) => {
                if self.verbose {
                    talk::line(&format!("scored again: {}", record.spec.title()));
                }
            }
        }
    }

    /// Takes the bars away.
    pub(crate) fn clear(&self) {
        for (_, bar) in self.bars().drain() {
            bar.finish_and_clear();
        }
        self.all.finish_and_clear();
    }

    fn start(&self, spec: &CellSpec) {
        let bar = talk::BARS.add(ProgressBar::new(WHOLE));
        bar.set_style(style(CELL));
        bar.set_message(spec.title());
        bar.tick();
        self.bars().insert(spec.id(), bar);
    }

    fn advance(&self, spec: &CellSpec, permille: u64) {
        let permille = permille.min(WHOLE);
        if let Some(bar) = self.bars().get(&spec.id()) {
            let before = bar.position();
            bar.set_position(permille);
            // An attack may begin again from nothing; the whole never goes back.
            self.all.inc(permille.saturating_sub(before));
        }
    }

    fn finish(&self, record: &Record, time: Duration) {
        if let Some(bar) = self.bars().remove(&record.id) {
            self.all.inc(WHOLE.saturating_sub(bar.position()));
            bar.finish_and_clear();
            talk::BARS.remove(&bar);
        }
        self.count(1);
        let title = record.spec.title();
        let reason = match record.reason.as_str() {
            "" => String::new(),
            reason => format!(": {reason}"),
        };
        let status = record.status.as_str();
        if matches!(record.status, Status::Failed | Status::TimedOut) {
            self.warn(&format!("cell {status}: {title}{reason}"));
        } else if self.verbose {
            let seconds = time.as_secs_f64();
            talk::line(&format!("{status} {seconds:.1} s: {title}{reason}"));
        }
    }

    fn count(&self, more: usize) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        *done += more;
        self.all.set_message(format!("{done}/{} cells", self.cells));
    }

    fn warn(&self, text: &str) {
        if !self.quiet {
            talk::warning(text);
        }
    }

    fn bars(&self) -> MutexGuard<'_, HashMap<String, ProgressBar>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is shown of a network in training.
pub(crate) struct Steps {
    bar: ProgressBar,
    /// Whether a step was shown: the first one sets where the bar begins.
    begun: Cell<bool>,
}

impl Steps {
    pub(crate) fn new(global: &Global) -> Self {
        if global.quiet {
            talk::BARS.set_draw_target(ProgressDrawTarget::hidden());
        }
        let begun = Cell::new(false);
        let bar = talk::BARS.add(ProgressBar::no_length());
        Self { bar, begun }
    }

    /// Takes that a step was done.
    pub(crate) fn on(&self, progress: eidetic_harness::train::Progress) {
        if !self.begun.replace(true) {
            self.bar.set_length(progress.steps);
            self.bar.set_style(style(STEPS).with_key("left", left));
            self.bar.set_position(progress.step - 1);
            self.bar.reset_eta();
            self.bar.reset_elapsed();
            self.bar.enable_steady_tick(Duration::from_millis(250));
        }
        self.bar.set_position(progress.step);
        if let Some(loss) = progress.loss {
            self.bar.set_message(format!("loss {loss:.4}"));
        }
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    // A test takes every template; a wrong one costs its look and nothing else.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The time left, once there is something to tell it by.
fn left(state: &ProgressState, text: &mut dyn fmt::Write) {
    if state.pos() > 0 {
        // A bar that cannot be drawn is nobody's loss.
        let _ = write!(text, ", {} left", HumanDuration(state.eta()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_templates() {
        for template in [ALL, CELL, STEPS] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
