//! `eidetic train RECIPE`.

use std::time::Duration;

use anyhow::{Context, anyhow};
use eidetic_harness::train::{
    Error, Figures, Go, Place, Prepared, RecipeFile, Report, Share, Sources, State, prepare, train,
};
use eidetic_runtime::Runtime;

use crate::args::{Global, TrainArgs};
use crate::exit::{Exit, Failure};
use crate::progress::Steps;
use crate::setup::Setup;
use crate::{output, stop, talk};

pub(crate) fn run(args: &TrainArgs, global: &Global) -> Result<Exit, Failure> {
    let setup = Setup::new(global, Some(&args.recipe))?;
    let path = setup.recipe_file(&args.recipe)?;
    let file = RecipeFile::load(&path).map_err(Failure::bad_input)?;
    let spec = setup.runtime().map_err(|message| anyhow!(message))?;
    let sources = Sources {
        registry: &setup.registry,
        benchmarks: &setup.benchmarks,
        data_dir: global.data.as_deref(),
        runtime: &spec,
        seed: global.seed,
    };
    let prepared = prepare(&file, &sources).map_err(failed)?;
    let name = &prepared.recipe.name;
    let in_zoo = || setup.benchmarks.join("models").join(name);
    let place = Place {
        work: setup.results("training").join(name),
        model: args.to.clone().unwrap_or_else(in_zoo),
    };
    let runtime = Runtime::load(setup.library()?)?;

    let cancel = stop::on_signal()?;
    let steps = Steps::new(global);
    let mut silent = global.quiet;
    let report = train(
        &prepared,
        &place,
        Go {
            runtime: &runtime,
            device: global.device,
            threads: global.jobs(),
            restart: args.restart,
            cancel: &cancel,
            progress: &mut |progress| {
                if !std::mem::replace(&mut silent, true) {
                    talk::line(&begun(&prepared, &place));
                }
                steps.on(progress);
            },
        },
    );
    steps.clear();
    let report = report.map_err(failed)?;
    if !global.quiet {
        talk::line(&told(&report));
    }
    match global.json {
        true => output::json(&report)?,
        // What was asked for is the folder.
        false if report.state != State::Interrupted => {
            output::text(&format!("{}\n", report.folder.display()))
                .context("cannot say where the model is")?;
        }
        false => {}
    }
    if report.state == State::Interrupted {
        talk::hint(&format!("go on with: {}", stop::command()));
        return Ok(Exit::Interrupted);
    }
    Ok(Exit::Done)
}

fn failed(error: Error) -> Failure {
    let again = || stop::command().replace(" --restart", "");
    let hint = match &error {
        Error::OtherRun { .. } => Some(format!(
            "begin anew with: {} --restart; or work elsewhere with --out DIR",
            again()
        )),
        Error::Network(eidetic_harness::train::NetworkError::Checkpoint { .. }) => {
            Some(format!("begin anew with: {} --restart", again()))
        }
        _ => None,
    };
    let failure = match error.is_bad_input() {
        true => Failure::bad_input(error),
        false => Failure::from(error),
    };
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// `unet-n64: 1,250,000 weights, 64 images of fashion-mnist-10k, 3000 steps of 64; working in ...`.
fn begun(prepared: &Prepared, place: &Place) -> String {
    let (recipe, set) = (&prepared.recipe, &prepared.identity.training_set);
    format!(
        "{}: {} weights, {} images of {}, {} steps of {}; works in {}",
        recipe.name,
        prepared.parameters(),
        set.n,
        recipe.dataset.id,
        recipe.training.steps,
        recipe.training.batch,
        place.work.display()
    )
}

fn told(report: &Report) -> String {
    let memorized = match &report.figures {
        Some(Figures {
            memorized: Some(Share { value, low, high }),
            samples,
            ..
        }) => format!("; memorized {value:.3} [{low:.3}, {high:.3}] of {samples} samples"),
        _ => String::new(),
    };
    let time = Duration::from_secs_f64(report.seconds.max(0.0)).as_secs_f64();
    match report.state {
        State::There => format!(
            "there already: this recipe's model of {} steps{memorized}; nothing was done",
            report.steps
        ),
        State::Trained => format!("{} steps in {time:.1} s{memorized}", report.steps),
        State::Interrupted => format!(
            "interrupted; a checkpoint after {} steps is kept",
            report.steps
        ),
    }
}
