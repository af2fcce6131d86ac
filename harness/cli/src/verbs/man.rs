//! `eidetic man [VERB]`.

use anyhow::anyhow;
use clap::CommandFactory;
use clap_mangen::Man;
use eidetic_harness::suggest::allowed_and_nearest;

use crate::args::Cli;
use crate::exit::{Exit, Failure};
use crate::output;

pub(crate) fn run(verb: Option<&str>) -> Result<Exit, Failure> {
    let mut command = Cli::command();
    command.build();
    let page = match verb {
        None => command,
        Some(verb) => {
            let shown = |verb: &&clap::Command| !verb.is_hide_set() && verb.get_name() != "help";
            let names: Vec<&str> = command
                .get_subcommands()
                .filter(shown)
                .map(clap::Command::get_name)
                .collect();
            if !names.contains(&verb) {
                let tail = allowed_and_nearest(verb, names.iter().copied());
                return Err(Failure::bad_input(anyhow!("unknown verb \"{verb}\"{tail}")));
            }
            let found = command.find_subcommand(verb).cloned();
            found.unwrap_or(command)
        }
    };
    let mut text = Vec::new();
    Man::new(page).render(&mut text)?;
    output::bytes(&text)?;
    Ok(Exit::Done)
}
