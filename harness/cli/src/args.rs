//! The command line as clap reads it.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use eidetic_runtime::Device;

use crate::exit::CODES;

/// Measures what diffusion models memorize of their training images
///
/// Takes models, attacks and mitigations, runs every combination on images whose members and
/// non-members are known, and publishes leaderboards.
#[derive(Debug, Parser)]
#[command(name = "eidetic", version, after_help = CODES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Flags of every verb.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Cells and sessions at once [default: the cores there are]
    #[arg(long, short, global = true, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// Seed in place of the suite's, or the recipe's
    #[arg(long, global = true, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Where results go, each suite's in a folder of its name; training works in `training/NAME`
    #[arg(long, global = true, value_name = "DIR", default_value = "results", value_hint = ValueHint::DirPath)]
    pub(crate) out: PathBuf,
    /// A plugin library to load; may be given again
    #[arg(long, global = true, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) plugin: Vec<PathBuf>,
    /// Where you keep datasets and networks that Eidetic may not distribute
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) data: Option<PathBuf>,
    /// The folder with datasets, models and suites [default: the nearest `benchmarks` above the
    /// current folder, the suite or this program]
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) benchmarks: Option<PathBuf>,
    /// The ONNX Runtime library, or its folder [default: looked for, else fetched once with pip]
    #[arg(long, global = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) onnxruntime: Option<PathBuf>,
    /// Fetch nothing
    #[arg(long, global = true)]
    pub(crate) offline: bool,
    /// What ONNX models run on
    #[arg(long, global = true, value_name = "DEVICE", default_value = "cpu", value_parser = device())]
    pub(crate) device: Device,
    /// Print JSON where a program may read it
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say nothing but errors
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more; again for more still (EIDETIC_LOG filters in detail)
    #[arg(long, short, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

fn device() -> impl TypedValueParser<Value = Device> {
    PossibleValuesParser::new(["cpu", "cuda"]).try_map(|name| name.parse::<Device>())
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run a suite and print its board; what is there already is not run again
    Run(SuiteArg),
    /// Show the cells of a suite, which are there, and what the others will cost
    Plan(SuiteArg),
    /// Say everything for which a run of a suite would be refused, without running it
    Check(SuiteArg),
    /// Score images that some other program generated, like the findings of a cell
    Score(ScoreArgs),
    /// Train a network from a recipe and write its model folder; again to go on
    Train(TrainArgs),
    /// List what there is
    List {
        /// What to list [default: all of it]
        what: Option<What>,
    },
    /// Make a suite's board again from its cells
    Leaderboard(LeaderboardArgs),
    /// Show a plugin and its options, or what is in a plugin library, a model, dataset or embedder
    /// folder or an ONNX file
    Inspect {
        /// The file or folder, or a plugin's id
        #[arg(value_hint = ValueHint::AnyPath)]
        path: PathBuf,
    },
    /// Show what this machine has and what is missing
    Doctor,
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page
    Man {
        /// Of one verb
        verb: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SuiteArg {
    /// A suite file, or the name of one in `benchmarks/suites`
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) suite: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct LeaderboardArgs {
    #[command(flatten)]
    pub(crate) suite: SuiteArg,
    /// Results folders of others whose cells are joined
    #[arg(long, value_name = "DIR", num_args = 1.., value_hint = ValueHint::DirPath)]
    pub(crate) merge: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ScoreArgs {
    /// A folder of PNG or JPEG files, an NPY or NPZ file, or a tar of such images
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) images: PathBuf,
    /// The dataset whose members they are held against
    #[arg(long, value_name = "ID")]
    pub(crate) dataset: String,
    /// What differs from the dataset's default split, such as members=64,holdout=1000
    #[arg(long, value_name = "KEY=N,..")]
    pub(crate) split: Option<String>,
    /// Their name on the board; results go to `score/NAME` [default: the name of IMAGES]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The embedder that quality is measured by; `none` measures none
    #[arg(long, value_name = "NAME", default_value = "squeezenet11")]
    pub(crate) embedder: String,
    /// Skip files that cannot be used, and name them
    #[arg(long)]
    pub(crate) skip_bad: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    /// A recipe file, or the name of one in `benchmarks/recipes`
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) recipe: PathBuf,
    /// Where the model folder goes [default: `models/NAME` in the folder of benchmarks]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) to: Option<PathBuf>,
    /// Begin anew, whatever is there
    #[arg(long)]
    pub(crate) restart: bool,
}

/// What can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    Plugins,
    Models,
    Datasets,
    Embedders,
    Suites,
}

impl Global {
    /// Cells and sessions at once.
    pub(crate) fn jobs(&self) -> usize {
        let cores = std::thread::available_parallelism();
        self.jobs.or(cores.ok()).map_or(1, NonZeroUsize::get)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_holds() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_flags_stand_before_or_after_the_verb() {
        for line in [
            "eidetic --jobs 3 --plugin a.so run quick --plugin b.so --device cuda -vv",
            "eidetic run --jobs 3 quick --plugin a.so --plugin b.so --device cuda -v -v",
        ] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(cli.global.jobs(), 3, "{line}");
            assert_eq!(cli.global.device, Device::Cuda);
            assert_eq!(cli.global.verbose, 2);
            assert_eq!(cli.global.plugin.last().unwrap(), &PathBuf::from("b.so"));
        }
    }

    #[test]
    fn several_folders_are_merged() {
        let line = "eidetic leaderboard quick --merge a b --merge c";
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        let Verb::Leaderboard(args) = cli.verb else {
            panic!("another verb");
        };
        assert_eq!(args.merge, ["a", "b", "c"].map(PathBuf::from));
        assert_eq!(args.suite.suite, PathBuf::from("quick"));
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "eidetic",
            "eidetic fly",
            "eidetic run",
            "eidetic run quick --jobs 0",
            "eidetic run quick --device tpu",
            "eidetic run quick -q -v",
            "eidetic list things",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
