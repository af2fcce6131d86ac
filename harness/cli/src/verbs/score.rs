//! `eidetic score IMAGES`: what some other program generated.

use std::path::Path;

use anyhow::anyhow;
use eidetic_harness::board::{Board, Cells};
use eidetic_harness::cell::Extracted;
use eidetic_harness::dataset::{self, Dataset};
use eidetic_harness::files::sha256_hex;
use eidetic_harness::pictures::{self, Pictures};
use eidetic_harness::plan::{Embedder, images_plan};
use eidetic_harness::run::score_images;
use eidetic_harness::suite::SplitOverride;
use serde_json::json;

use super::leaderboard::{publish, rows};
use crate::args::{Global, ScoreArgs};
use crate::exit::{Exit, Failure};
use crate::setup::Setup;
use crate::table::counted;
use crate::{output, talk};

/// In the place of an embedder: no quality is measured.
const NONE: &str = "none";

pub(crate) fn run(args: &ScoreArgs, global: &Global) -> Result<Exit, Failure> {
    let setup = Setup::new(global, None)?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => name_of(&args.images),
    };
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\']) {
        let wrong = anyhow!("--name {name:?}: expected the name of a folder");
        return Err(Failure::bad_input(wrong));
    }
    let data_dir = global.data.as_deref();
    let datasets = setup.benchmarks.join("datasets");
    let found = dataset::find(&datasets, &args.dataset, data_dir).map_err(Failure::bad_input)?;
    let dataset = Dataset::load(&found.folder, data_dir).map_err(Failure::bad_input)?;
    let split = split(args.split.as_deref().unwrap_or_default())?;
    let config = split.over(&found.manifest.split);
    dataset::Split::new(&dataset, &config).map_err(Failure::bad_input)?;
    let embedder = embedder(args, &setup)?;

    let pictures = pictures::read(&args.images, dataset.shape, args.skip_bad);
    let pictures = pictures.map_err(Failure::bad_input)?;
    for (file, why) in &pictures.skipped {
        talk::warning(&format!("skipped {file}: {why}"));
    }
    let plan = images_plan(
        &name,
        &sha256_hex(&pictures.images),
        &dataset,
        &found.manifest.split,
        &split,
        embedder,
    );
    let folder = setup.results("score").join(&name);
    let Pictures { images, names, .. } = pictures;
    let count = names.len();
    let extracted = Extracted {
        images,
        count,
        confidence: None,
    };
    let environment = setup.environment()?;
    score_images(&plan, extracted, &environment, &folder, global.jobs())?;

    let board = Board::new(&plan, &Cells::read(&plan, &folder)?);
    if global.json {
        board.write(&folder)?;
        output::json(&json!({ "name": name, "folder": folder, "rows": rows(&board) }))?;
    } else {
        if !global.quiet {
            talk::line(&format!(
                "{} of {}",
                counted(count, "image"),
                args.images.display()
            ));
        }
        publish(&board, &folder, global)?;
    }
    Ok(Exit::Done)
}

/// The embedder that quality is measured by, with ONNX Runtime to run it.
fn embedder(args: &ScoreArgs, setup: &Setup<'_>) -> Result<Option<Embedder>, Failure> {
    if args.embedder == NONE {
        return Ok(None);
    }
    let data_dir = setup.global.data.as_deref();
    let found = Embedder::find(&setup.benchmarks, &args.embedder, data_dir);
    let found = found.map_err(Failure::bad_input)?;
    setup.library().map_err(|error| {
        Failure::bad_input(error).hint("--embedder none scores without measuring quality")
    })?;
    Ok(Some(found))
}

/// `out/samples.tar.gz` is `samples`.
fn name_of(images: &Path) -> String {
    let images = images.canonicalize().unwrap_or_else(|_| images.to_owned());
    let name = images.file_name().unwrap_or_default().to_string_lossy();
    let whole = images.is_dir();
    let stem = if whole { None } else { name.split('.').next() };
    stem.filter(|stem| !stem.is_empty())
        .unwrap_or(&name)
        .to_owned()
}

/// `members=64,holdout=1000`, as a board labels a dataset's split, with or without braces.
fn split(text: &str) -> Result<SplitOverride, Failure> {
    let inner = text.trim().trim_start_matches('{').trim_end_matches('}');
    let mut map = serde_json::Map::new();
    for part in inner
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let pair = part.split_once('=');
        let number =
            pair.and_then(|(key, value)| Some((key.trim(), value.trim().parse::<u64>().ok()?)));
        let Some((key, value)) = number else {
            return Err(wrong_split(text, &format!("{part:?} is no KEY=NUMBER")));
        };
        if map.insert(key.to_owned(), value.into()).is_some() {
            return Err(wrong_split(text, &format!("{key} stands twice")));
        }
    }
    serde_json::from_value(map.into()).map_err(|error| wrong_split(text, &error.to_string()))
}

fn wrong_split(text: &str, why: &str) -> Failure {
    Failure::bad_input(anyhow!("--split {text:?}: {why}"))
        .hint("such as members=64,holdout=1000,aux=64; what is left out is the dataset's own")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_split_is_read_as_boards_write_it() {
        let wanted = SplitOverride {
            members: Some(64),
            holdout: Some(1000),
            ..SplitOverride::default()
        };
        for text in ["members=64,holdout=1000", "{members=64, holdout=1000}"] {
            assert_eq!(split(text).ok().unwrap(), wanted, "{text}");
        }
        assert!(split("").ok().unwrap().is_empty());
        for wrong in [
            "members",
            "members=x",
            "members=1,members=2",
            "people=3",
            "members=-1",
        ] {
            assert!(split(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_are_stems() {
        assert_eq!(name_of(Path::new("no/where/samples.tar.gz")), "samples");
        assert_eq!(name_of(Path::new("no/where/a.npz")), "a");
    }
}
