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
mod verbs;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = args::Cli::parse();
    let exit = log::start(&cli).and_then(|()| verbs::dispatch(&cli));
    exit.unwrap_or_else(exit::Failure::tell).into()
}
