//! Plans and records for the tests of this module.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use serde_json::json;

use crate::cell::{
    AttackSpec, CellSpec, DatasetSpec, Metric, ModelOrigin, ModelSpec, PerImage, PluginSpec,
    Record, Scores, Status,
};
use crate::dataset::{Part, SplitConfig};
use crate::plan::{Plan, PlannedCell};

pub(super) const HEADLINE: &str = "nn_ratio_below_0.333";

pub(super) fn plugin(id: &str) -> PluginSpec {
    PluginSpec {
        id: id.into(),
        version: "0.1.0".into(),
        sha256: format!("{id}-digest"),
        options: json!({}),
        stages: None,
    }
}

/// An extraction cell on dataset `data`.
pub(super) fn spec(model: &str, mitigation: &str, attack: &str, seed: u64) -> CellSpec {
    CellSpec {
        dataset: DatasetSpec {
            label: "data".into(),
            id: "data".into(),
            sha256: "d".into(),
            split: SplitConfig {
                members: 4,
                holdout: 4,
                aux: 4,
                seed: 0,
                plant_duplicates: 0,
            },
            groups_sha256: "g".into(),
        },
        model: ModelSpec {
            label: model.into(),
            origin: ModelOrigin::Plugin(plugin(model)),
            trained_on: Some(Part::Members),
            sampler: None,
        },
        samples_from: None,
        mitigation: match mitigation {
            "none" => Vec::new(),
            id => vec![plugin(id)],
        },
        mitigation_label: mitigation.into(),
        attack: AttackSpec {
            label: attack.into(),
            candidates: None,
            goal: "extraction".into(),
            access: "samples".into(),
            plugin: plugin(attack),
        },
        suite_seed: 0,
        seed,
        model_calls: 1000,
        redraws: 10,
        runtime: None,
    }
}

pub(super) fn planned(spec: CellSpec) -> PlannedCell {
    PlannedCell {
        id: spec.id(),
        spec,
        not_applicable: None,
        candidates: 0,
        twin: None,
        quality: None,
        listed: true,
    }
}

pub(super) fn plan(cells: Vec<PlannedCell>) -> Plan {
    Plan {
        suite: "test".into(),
        suite_version: 1,
        cells,
        embedder: None,
        trends: Vec::new(),
        trainings: Vec::new(),
    }
}

/// A share of `n` images with Wilson's interval, and its control.
pub(super) fn share(name: &str, hits: u64, control_hits: u64, n: u64) -> Metric {
    let of = |hits| {
        let share = eidetic_metrics::Proportion::new(hits, n).unwrap();
        share.wilson().value().unwrap()
    };
    let (value, control) = (of(hits), of(control_hits));
    Metric {
        name: name.into(),
        value: Some(value.value),
        low: Some(value.low),
        high: Some(value.high),
        control: Some(control.value),
        control_low: Some(control.low),
        control_high: Some(control.high),
        n,
        interval: "wilson".into(),
        reason: String::new(),
    }
}

/// A record that extracted the first `hits` of `n` images, all of member 0 unless `matched` says
/// otherwise.
pub(super) fn extracted(spec: CellSpec, hits: u64, control_hits: u64, n: u64) -> Record {
    let mut record = Record::new(spec, Status::Ok, String::new());
    record.model_calls = Some(10 * n);
    record.defence_calls = Some(0);
    record.n_trained = Some(4);
    record.n = n;
    record.model_sha256 = "served".into();
    record.scores = Some(Scores {
        id: "scores".into(),
        headline: HEADLINE.into(),
        metrics: vec![share(HEADLINE, hits, control_hits, n)],
        unique_extracted: Some(u64::from(hits > 0)),
        per_image: per_image(&vec![0; n as usize], hits),
    });
    record
}

/// Images of these groups, the first `hits` with an nn_ratio that counts.
pub(super) fn per_image(matched: &[u64], hits: u64) -> PerImage {
    let nn_ratio = (0..matched.len() as u64).map(|i| if i < hits { 0.1 } else { 0.9 });
    let mut of = PerImage::default();
    of.value.insert("nn_ratio".into(), nn_ratio.collect());
    of.index.insert("matched".into(), matched.to_vec());
    of
}

/// Writes records into `<folder>/cells`.
pub(super) fn write(folder: &Path, records: impl IntoIterator<Item = Record>) {
    for mut record in records {
        let path = folder.join("cells").join(format!("{}.json", record.id));
        record.write(&path).unwrap();
    }
}
