#![allow(clippy::unwrap_used)]
use eidetic_metrics::{Bootstrap, Candidates, excess, fisher, mcnemar, mover};
use eidetic_metrics::{Estimate, Proportion, normal_p_value};

use super::samples::{HEADLINE, extracted, plan, planned, plugin, spec};
use super::{Against, Board, Cells, ComparisonRow};
use crate::cell::{CellSpec, Metric, ModelOrigin, Record, Scores, Status};

fn board(records: Vec<Record>) -> Board {
    let cells = records.iter().map(|record| planned(record.spec.clone()));
    let plan = plan(cells.collect());
    let mut cells = Cells::default();
    for record in records {
        cells.records.insert(record.id.clone(), record);
    }
    Board::new(&plan, &cells)
}

fn only(board: &Board, against: Against) -> &ComparisonRow {
    let mut rows = board
        .comparisons
        .iter()
        .filter(|row| row.against == against);
    let row = rows.next().unwrap();
    assert!(rows.next().is_none());
    row
}

fn close(got: f64, expected: f64) {
    assert!((got - expected).abs() < 1e-12, "{got}, not {expected}");
}

#[test]
fn a_mitigation_is_paired_with_the_model_without_it_over_all_seeds() {
    let of =
        |mitigation, seed, hits| extracted(spec("net", mitigation, "random", seed), hits, 0, 10);
    let board = board(vec![
        of("none", 0, 8),
        of("none", 1, 4),
        of("filter", 0, 3),
        of("filter", 1, 5),
    ]);
    // Image by image: 5 count without it alone, and of seed 1 one with it alone.
    let p = 2.0 * 7.0 / 64.0;
    let (own, others): (Vec<bool>, Vec<bool>) = (0..20)
        .map(|i| match i {
            0..10 => (i < 3, i < 8),
            _ => (i < 15, i < 14),
        })
        .unzip();
    let expected = excess(&own, &others).unwrap().value().unwrap();
    close(mcnemar(&own, &others).unwrap().value().unwrap(), p);
    let row = only(&board, Against::Unmitigated);
    assert_eq!(row.difference, Some(expected));
    close(row.p_value.unwrap(), p);
    assert_eq!(
        (row.paired, row.n, row.test),
        (Some(true), Some(20), "mcnemar-exact")
    );
    assert_eq!(board.comparisons.len(), 1);

    let files = board.files().unwrap();
    let (_, bytes) = files
        .iter()
        .find(|(name, _)| *name == "comparisons.csv")
        .unwrap();
    // -0.2 with Newcombe's paired interval.
    let (low, high) = (expected.low, expected.high);
    let expected = format!(
        "\
suite,suite_version,dataset,model,mitigation,attack,goal,headline,against,against_label,score,other_score,difference,difference_low,difference_high,p_value,p_adjusted,paired,n,test,reason
test,1,data,net,filter,random,extraction,{HEADLINE},unmitigated,none,0.4,0.6,-0.2,{low:.6},{high:.7},0.21875,0.21875,yes,20,mcnemar-exact,
"
    );
    assert_eq!(String::from_utf8(bytes.clone()).unwrap(), expected);
}

fn random(samples: u64, hits: u64, calls: u64) -> Record {
    let mut spec = spec("net", "none", &format!("random{{samples={samples}}}"), 0);
    spec.attack.plugin = plugin("random");
    spec.attack.plugin.options = serde_json::json!({ "samples": samples });
    let mut record = extracted(spec, hits, 0, samples);
    record.model_calls = Some(calls);
    record
}

#[test]
fn random_sampling_is_that_with_the_least_calls_that_are_enough() {
    let side = |calls| {
        let mut record = extracted(spec("net", "none", "side", 0), 9, 0, 10);
        record.model_calls = Some(calls);
        record
    };
    let against = |calls| {
        let randoms = [random(20, 2, 200), random(40, 5, 400), random(60, 6, 600)];
        let board = board([vec![side(calls)], randoms.to_vec()].concat());
        only(&board, Against::Random).clone()
    };
    for (calls, samples) in [(1, 20), (200, 20), (201, 40), (600, 60), (601, 60)] {
        let label = format!("random{{samples={samples}}}");
        assert_eq!(against(calls).against_label, label);
    }
    let row = against(300);
    let (own, others) = (
        Proportion::new(9, 10).unwrap(),
        Proportion::new(5, 40).unwrap(),
    );
    assert_eq!(row.p_value, fisher(own, others).value());
    let expected = eidetic_metrics::difference(own, others).value();
    assert_eq!((row.difference, row.paired), (expected, Some(false)));
    assert_eq!((row.n, row.test), (Some(50), "fisher-exact"));
    assert_eq!(row.reason, "10 images and 40");
}

#[test]
fn what_cannot_be_compared_says_why() {
    let lone = board(vec![extracted(spec("net", "filter", "side", 0), 9, 0, 10)]);
    let reasons: Vec<&str> = lone
        .comparisons
        .iter()
        .map(|row| row.reason.as_str())
        .collect();
    assert_eq!(
        reasons,
        [
            "the suite has no random sampling of this model under this mitigation",
            "the suite does not run this attack without a mitigation",
        ]
    );
    let row = &lone.comparisons[0];
    assert_eq!((row.score, row.other_score), (Some(0.9), None));
    assert_eq!(
        (row.difference, row.p_value, row.p_adjusted),
        (None, None, None)
    );
    assert_eq!((row.paired, row.n, row.test), (None, None, ""));

    let mut failed = extracted(spec("net", "none", "side", 0), 9, 0, 10);
    failed.status = Status::Failed;
    let mut empty = extracted(spec("net", "filter", "random", 0), 0, 0, 10);
    empty.scores = None;
    let of = extracted(spec("net", "filter", "side", 0), 9, 0, 10);
    let board = board(vec![of, failed, empty]);
    let of = |against| {
        let mut rows = board.comparisons.iter();
        let row = rows.find(|row| row.attack == "side" && row.against == against);
        row.unwrap().reason.as_str()
    };
    assert_eq!(of(Against::Unmitigated), "without a mitigation: failed");
    assert_eq!(of(Against::Random), "filter x random has no score");
}

/// A membership cell that gives its candidates, the first half of them members, these scores.
fn asked(mitigation: &str, seed: u64, scores: &[f64], group: Option<&[u64]>) -> Record {
    let mut spec: CellSpec = spec("net", mitigation, "loss", seed);
    spec.attack.goal = "membership".into();
    let n = scores.len();
    let member: Vec<bool> = (0..n).map(|i| i < n / 2).collect();
    let own: Vec<u32> = (0..n as u32).collect();
    let auc = Candidates::new(scores, &member, &own).unwrap();
    let auc = auc.auc(&Bootstrap::new(0)).unwrap().value().unwrap();
    let mut record = Record::new(spec, Status::Ok, String::new());
    record.n = n as u64;
    let mut of = Scores {
        headline: "auc".into(),
        metrics: vec![Metric {
            name: "auc".into(),
            value: Some(auc.value),
            low: Some(auc.low),
            high: Some(auc.high),
            control: Some(0.5),
            n: n as u64,
            interval: "delong".into(),
            ..Metric::default()
        }],
        ..Scores::default()
    };
    of.per_image.value.insert("score".into(), scores.to_vec());
    let index = &mut of.per_image.index;
    index.insert("candidate".into(), (100..100 + n as u64).collect());
    index.insert("member".into(), member.iter().map(|&m| m.into()).collect());
    if let Some(group) = group {
        index.insert("group".into(), group.to_vec());
    }
    record.scores = Some(of);
    record
}

/// Scores of 40 candidates that tell members the better, the greater `lift`.
fn scores(lift: f64, shift: usize) -> Vec<f64> {
    let noise = |i: usize| ((i * 37 + shift * 11) % 40) as f64;
    (0..40)
        .map(|i| noise(i) + if i < 20 { lift } else { 0.0 })
        .collect()
}

fn compared(own: &[f64], others: &[f64], group: &[u32]) -> eidetic_metrics::Comparison {
    let member: Vec<bool> = (0..own.len()).map(|i| i < own.len() / 2).collect();
    let of = |scores| Candidates::new(scores, &member, group).unwrap();
    let (own, others) = (of(own), of(others));
    let bootstrap = Bootstrap {
        resamples: 1000,
        seed: 0,
    };
    let compared = own.auc_difference(&others, &bootstrap).unwrap();
    compared.value().unwrap()
}

#[test]
fn areas_are_paired_candidate_by_candidate() {
    let (weak, strong) = (scores(6.0, 1), scores(25.0, 0));
    let single: Vec<u32> = (0..40).collect();
    let lone = board(vec![
        asked("none", 0, &strong, None),
        asked("filter", 0, &weak, None),
    ]);
    let row = only(&lone, Against::Unmitigated);
    let expected = compared(&weak, &strong, &single);
    assert_eq!(row.difference, Some(expected.difference));
    assert_eq!(row.p_value, Some(expected.p_value));
    assert!(expected.p_value < 0.05 && expected.difference.high < 0.0);
    assert_eq!(
        (row.paired, row.n, row.test),
        (Some(true), Some(40), "delong")
    );

    let pairs: Vec<u64> = (0..40).map(|i| i / 2).collect();
    let group: Vec<u32> = (0..40).map(|i| i / 2).collect();
    let lone = board(vec![
        asked("none", 0, &strong, Some(&pairs)),
        asked("filter", 0, &weak, Some(&pairs)),
    ]);
    let row = only(&lone, Against::Unmitigated);
    let expected = compared(&weak, &strong, &group);
    assert_eq!(row.difference, Some(expected.difference));
    assert_eq!((row.paired, row.test), (Some(true), "bootstrap"));
}

#[test]
fn the_ends_over_seeds_are_the_means_of_theirs() {
    let of = [
        (scores(6.0, 1), scores(25.0, 0)),
        (scores(9.0, 2), scores(20.0, 3)),
    ];
    let records = of.iter().zip(0..).flat_map(|((weak, strong), seed)| {
        [
            asked("none", seed, strong, None),
            asked("filter", seed, weak, None),
        ]
    });
    let board = board(records.collect());
    let row = only(&board, Against::Unmitigated);
    let single: Vec<u32> = (0..40).collect();
    let each = of
        .each_ref()
        .map(|(weak, strong)| compared(weak, strong, &single).difference);
    let got = row.difference.unwrap();
    close(got.value, f64::midpoint(each[0].value, each[1].value));
    close(got.low, f64::midpoint(each[0].low, each[1].low));
    close(got.high, f64::midpoint(each[0].high, each[1].high));
    close(row.p_value.unwrap(), normal_p_value(got));
    close(got.value, row.score.unwrap() - row.other_score.unwrap());
    assert_eq!(row.n, Some(80));
}

#[test]
fn areas_that_do_not_pair_are_compared_by_their_intervals() {
    let (weak, strong) = (scores(6.0, 1), scores(25.0, 0));
    let of = |record: Record, edit: fn(&mut Scores)| {
        let mut record = record;
        edit(record.scores.as_mut().unwrap());
        record
    };
    let other_candidates = |scores: &mut Scores| {
        scores.per_image.index.get_mut("candidate").unwrap()[3] = 7;
    };
    let unknown_groups = |scores: &mut Scores| scores.metrics[0].interval = "bootstrap".into();
    let no_scores = |scores: &mut Scores| scores.per_image.value.clear();
    for (edit, reason) in [
        (
            other_candidates as fn(&mut Scores),
            "asked about other candidates",
        ),
        (
            unknown_groups,
            "scored before groups of duplicates were recorded",
        ),
        (no_scores, "the records lack the scores of candidates"),
    ] {
        let none = asked("none", 0, &strong, None);
        let board = board(vec![none, of(asked("filter", 0, &weak, None), edit)]);
        let row = only(&board, Against::Unmitigated);
        assert_eq!((row.reason.as_str(), row.test), (reason, "mover"));
        assert_eq!((row.paired, row.n), (Some(false), Some(80)));
        let estimate = |mitigation: &str| {
            let row = board.rows.iter().find(|row| row.mitigation == mitigation);
            let of = row.unwrap().figure;
            Estimate {
                value: of.value.unwrap(),
                low: of.low.unwrap(),
                high: of.high.unwrap(),
            }
        };
        let expected = mover(estimate("filter"), estimate("none"), 1);
        assert_eq!(row.difference, Some(expected));
        assert_eq!(row.p_value, Some(normal_p_value(expected)));
    }
}

#[test]
fn holm_is_within_a_dataset_a_goal_and_what_is_compared_with() {
    let of = |mitigation, hits| extracted(spec("net", mitigation, "random", 0), hits, 0, 10);
    let (weak, strong) = (scores(6.0, 1), scores(25.0, 0));
    // One that acts in training is the recipe's, and not in the cell's list.
    let mut trained = spec("net", "agc", "random", 0);
    trained.mitigation.clear();
    trained.model.origin = ModelOrigin::MemorizerOnnx;
    let board = board(vec![
        of("none", 10),
        // 10, 6 and 5 images differ: p is 1/512, 1/32 and 1/16.
        extracted(trained, 0, 0, 10),
        of("dp", 4),
        of("filter", 5),
        asked("none", 0, &strong, None),
        asked("filter", 0, &weak, None),
    ]);
    let p: Vec<(f64, f64)> = board
        .comparisons
        .iter()
        .map(|row| (row.p_value.unwrap(), row.p_adjusted.unwrap()))
        .collect();
    for (got, expected) in p.iter().zip([
        (1.0 / 512.0, 3.0 / 512.0),
        (1.0 / 32.0, 1.0 / 16.0),
        (1.0 / 16.0, 1.0 / 16.0),
    ]) {
        close(got.0, expected.0);
        close(got.1, expected.1);
    }
    assert_eq!(board.comparisons[3].goal, "membership");
    assert_eq!(p[3].0, p[3].1);
}
