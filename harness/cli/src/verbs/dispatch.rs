//! From a verb to what does it.

use super::{check, completions, doctor, inspect, leaderboard, list, man, plan, run, score, train};
use crate::args::{Cli, Verb};
use crate::exit::{Exit, Failure};

/// Does what the command line says.
pub(crate) fn dispatch(cli: &Cli) -> Result<Exit, Failure> {
    let global = &cli.global;
    match &cli.verb {
        Verb::Run(args) => run::run(&args.suite, global),
        Verb::Plan(args) => plan::run(&args.suite, global),
        Verb::Check(args) => check::run(&args.suite, global),
        Verb::Score(args) => score::run(args, global),
        Verb::Train(args) => train::run(args, global),
        Verb::List { what } => list::run(*what, global),
        Verb::Leaderboard(args) => leaderboard::run(args, global),
        Verb::Inspect { path } => inspect::run(path, global),
        Verb::Doctor => doctor::run(global),
        Verb::Completions { shell } => completions::run(*shell),
        Verb::Man { verb } => man::run(verb.as_deref()),
    }
}
