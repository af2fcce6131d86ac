//! The command line of Eidetic: parses, dispatches, and makes an exit code of what came of it.

mod args;
mod exit;
mod log;
mod output;
mod progress;
mod registry;
mod setup;
mod stop;
mod table;
mod talk;
mod trainings;
mod verbs;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let exit = match child() {
        Some(job) => log::start_of_child().and_then(|()| verbs::work_on_cell(&job)),
        None => {
            let cli = args::Cli::parse();
            log::start(&cli.global).and_then(|()| verbs::dispatch(&cli))
        }
    };
    exit.unwrap_or_else(exit::Failure::tell).into()
}

/// The job, where this process is the child of a run: no part of the command line that people,
/// completions and manual see.
fn child() -> Option<PathBuf> {
    let mut words = env::args_os().skip(1);
    let verb = words.next()?;
    (verb == verbs::CELL).then(|| words.next().unwrap_or_default().into())
}
