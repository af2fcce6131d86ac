//! Plans: which cells a suite has, which of them are one another's twins, and what enters an id.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use eidetic_harness::cell::RuntimeSpec;
use eidetic_harness::dataset::Part;
use eidetic_harness::plan::{Plan, PlannedCell, Sources, plan};
use eidetic_harness::plugin::Registry;
use eidetic_harness::suite::Suite;
use eidetic_sdk::registration::{self, Origin};
use eidetic_sdk::{
    Access, Attack, AttackPlugin, Context, Goal, Mitigation, MitigationPlugin, NoOptions, Result,
    Sink, Stages, Target, TrainingSet,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Idle {
    samples: u64,
}

impl Attack for Idle {
    fn run(&self, _: &dyn Target, _: &dyn Context, _: &dyn Sink) -> Result<()> {
        Ok(())
    }
}

impl AttackPlugin for Idle {
    const ID: &'static str = "idle";
    const SUMMARY: &'static str = "finds nothing";
    const GOAL: Goal = Goal::Extraction;
    const ACCESS: Access = Access::Samples;
    type Options = Self;

    fn make(options: Self) -> Result<Self> {
        Ok(options)
    }
}

struct Trainer;

impl Mitigation for Trainer {}

impl MitigationPlugin for Trainer {
    const ID: &'static str = "trainer";
    const SUMMARY: &'static str = "acts in training";
    const STAGES: Stages = Stages {
        data: false,
        training: true,
        sampling: false,
        output: false,
    };
    type Options = NoOptions;

    fn make(_: NoOptions, _: TrainingSet<'_>) -> Result<Self> {
        Ok(Self)
    }
}

/// Asked about candidates.
struct Asked;

impl Attack for Asked {
    fn run(&self, _: &dyn Target, _: &dyn Context, _: &dyn Sink) -> Result<()> {
        Ok(())
    }
}

impl AttackPlugin for Asked {
    const ID: &'static str = "asked";
    const SUMMARY: &'static str = "answers nothing";
    const GOAL: Goal = Goal::Membership;
    const ACCESS: Access = Access::Samples;
    type Options = NoOptions;

    fn make(_: NoOptions) -> Result<Self> {
        Ok(Self)
    }
}

const IDLE: &str = "{ id: idle, options: { samples: 8 } }";

fn planned(models: &str, rest: &str) -> std::result::Result<Plan, Vec<String>> {
    attacked(models, IDLE, rest)
}

fn attacked(models: &str, attack: &str, rest: &str) -> std::result::Result<Plan, Vec<String>> {
    let origin = Origin {
        version: "1.0.0",
        licence: "MIT",
    };
    let mut registry = Registry::default();
    registry.link(registration::attack::<Idle>(origin), "a1");
    registry.link(registration::attack::<Asked>(origin), "a2");
    registry.link(registration::mitigation::<Trainer>(origin), "b2");
    for memorizer in eidetic_model_memorizer::registrations() {
        registry.link(memorizer, "c3");
    }
    let sources = Sources {
        registry: &registry,
        benchmarks: &Path::new(env!("CARGO_MANIFEST_DIR")).join("../../benchmarks"),
        data_dir: None,
        runtime: &|| {
            Ok(RuntimeSpec {
                version: "1.24.4".into(),
                sha256: "d4".into(),
                device: "cpu".into(),
                microbatch: 16,
            })
        },
        seed: None,
    };
    let text = format!(
        "version: 1\nname: test\ndatasets: [fashion-mnist-10k]\nmodels: {models}\n\
         attacks: [{attack}]\n{rest}"
    );
    let suite = Suite::parse(Path::new("test.yaml"), &text).unwrap();
    plan(&suite, &sources).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn cell<'a>(plan: &'a Plan, model: &str) -> &'a PlannedCell {
    plan.cells
        .iter()
        .find(|cell| cell.spec.model.label == model)
        .unwrap()
}

#[test]
fn the_twin_of_the_memorizer_is_the_clean_model() {
    let both = planned("[memorizer, clean]", "").unwrap();
    assert_eq!(both.cells.len(), 2);
    assert!(both.cells.iter().all(|cell| cell.listed));
    assert_eq!(
        cell(&both, "memorizer").twin.as_ref(),
        Some(&cell(&both, "clean").id)
    );
    assert_eq!(cell(&both, "clean").twin, None);

    // Named alone, it brings its twin along, without a row of its own.
    let alone = planned("[memorizer]", "").unwrap();
    let hidden: Vec<&PlannedCell> = alone.cells.iter().filter(|cell| !cell.listed).collect();
    assert_eq!(hidden.len(), 1);
    assert_eq!(hidden[0].id, cell(&both, "clean").id);
    assert_eq!(cell(&alone, "memorizer").twin.as_ref(), Some(&hidden[0].id));
    assert_eq!(cell(&alone, "memorizer").id, cell(&both, "memorizer").id);
}

#[test]
fn what_changes_findings_changes_the_id_and_a_label_does_not() {
    let id = |models: &str, rest: &str| {
        let plan = planned(models, rest).unwrap();
        plan.cells.into_iter().find(|cell| cell.listed).unwrap().id
    };
    let plain = id("[memorizer]", "");
    assert_eq!(plain, id("[{ id: memorizer, name: other }]", ""));
    assert_eq!(plain, id("[memorizer]", "limits: { cell_timeout: 1s }"));
    let different = [
        id("[clean]", ""),
        id("[memorizer-onnx]", ""),
        id("[memorizer]", "seed: 1"),
        id("[memorizer]", "seeds: [1]"),
        id("[memorizer]", "sampler: { kind: heun, steps: 5 }"),
        id("[memorizer]", "limits: { model_calls: 9 }"),
        id("[memorizer]", "limits: { redraws: 9 }"),
    ];
    let all: std::collections::BTreeSet<&String> = different.iter().chain([&plain]).collect();
    assert_eq!(all.len(), different.len() + 1);
}

#[test]
fn a_mitigation_in_training_is_a_row_that_says_why_it_cannot_run() {
    let plan = planned("[memorizer]", "mitigations: [none, trainer]").unwrap();
    let reasons: Vec<Option<&str>> = plan
        .cells
        .iter()
        .filter(|cell| cell.listed)
        .map(|cell| cell.not_applicable.as_deref())
        .collect();
    let why = "the model trains itself, `trainer` needs the harness's training";
    assert_eq!(reasons, [None, Some(why)]);
}

#[test]
fn every_unknown_name_is_told_at_once_with_its_nearest() {
    let problems = planned("[memoriser, clean]", "mitigations: [trainr]").unwrap_err();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(
        problems[0].contains("did you mean \"trainer\"?"),
        "{problems:?}"
    );
    assert!(problems[1].contains("unknown model \"memoriser\"; allowed: memorizer, clean"));
    assert!(
        problems[1].starts_with("test.yaml:4:10: models[0]"),
        "{problems:?}"
    );
}

#[test]
fn an_attack_is_asked_about_as_many_as_the_suite_says() {
    let asked = |attack: &str| {
        let plan = attacked("[memorizer]", attack, "").unwrap();
        let cell = cell(&plan, "memorizer");
        (cell.candidates, cell.id.clone())
    };
    // 256 members and 1,000 holdout images are the dataset's own split.
    let (all, id) = asked("asked");
    let (some, other) = asked("{ id: asked, candidates: 64 }");
    assert_eq!((all, some), (1256, 128));
    assert_ne!(id, other);
    assert_eq!(asked("{ id: asked, candidates: 5000 }").0, 1256);
    assert_eq!(asked(IDLE).0, 0);
    let refused = attacked("[memorizer]", "{ id: idle, candidates: 64 }", "").unwrap_err();
    assert!(
        refused[0].contains("attacks[0].candidates: `idle` is asked about no candidates"),
        "{refused:?}"
    );
}

#[test]
fn a_model_may_name_its_attacks() {
    let both = format!("{IDLE}, asked");
    let plan = attacked("[{ id: memorizer, attacks: [as*] }, clean]", &both, "").unwrap();
    let listed = plan.cells.iter().filter(|cell| cell.listed);
    let rows: Vec<(&str, &str)> = listed
        .map(|cell| (&*cell.spec.model.label, &*cell.spec.attack.label))
        .collect();
    let expected = [
        ("clean", "asked"),
        ("memorizer", "asked"),
        ("clean", "idle"),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn counterparts_serve_samples_to_each_other() {
    let from = "{ id: idle, samples_from: counterpart }";
    let plan = attacked("[memorizer, clean]", from, "").unwrap();
    let own = cell(&plan, "memorizer");
    let serves = |cell: &PlannedCell| {
        let model = cell.spec.samples_from.as_ref();
        model.map(|model| model.trained_on.unwrap())
    };
    assert_eq!(serves(own), Some(Part::Aux));
    let twin = plan.cells.iter().find(|c| Some(&c.id) == own.twin.as_ref());
    let twin = twin.unwrap();
    assert_eq!(twin.spec.model.trained_on, Some(Part::Aux));
    assert_eq!(serves(twin), Some(Part::Members));
    assert_eq!(twin.not_applicable, None);

    let alone = cell(&plan, "clean");
    assert_eq!(serves(alone), None);
    assert_eq!(
        alone.not_applicable.as_deref(),
        Some("samples_from: the model has no clean twin")
    );
    let plain = planned("[memorizer]", "").unwrap();
    assert_ne!(own.id, cell(&plain, "memorizer").id);
}
