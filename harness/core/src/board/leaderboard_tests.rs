#![allow(clippy::unwrap_used)]
use std::fs;

use super::samples::{HEADLINE, extracted, per_image, plan, planned, spec, write};
use super::{Board, Cells, Row, RowStatus};
use crate::cell::{CellSpec, Metric, Record, Status, Times};
use crate::plan::Plan;

fn cells(records: impl IntoIterator<Item = Record>) -> Cells {
    let mut cells = Cells::default();
    for record in records {
        cells.records.insert(record.id.clone(), record);
    }
    cells
}

fn file(board: &Board, name: &str) -> String {
    let files = board.files().unwrap();
    let (_, bytes) = files.into_iter().find(|(other, _)| *other == name).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Two seeds of one row, 8 and 6 of 10 images, and the twin of the first.
fn two_seeds() -> (Plan, Vec<Record>) {
    let specs = [0, 1].map(|seed| spec("memorizer", "filter", "random", seed));
    let twin = spec("memorizer, clean twin", "filter", "random", 0);
    let mut planned = [&specs[0], &specs[1], &twin].map(|spec| planned(spec.clone()));
    planned[0].twin = Some(twin.id());
    planned[2].listed = false;
    let mut records = vec![
        extracted(specs[0].clone(), 8, 0, 10),
        extracted(specs[1].clone(), 6, 2, 10),
        extracted(twin, 1, 1, 10),
    ];
    records[0].stages_applied = vec!["output".into(), "sampling".into()];
    let groups = [
        [0, 0, 1, 1, 2, 2, 3, 3, 9, 9],
        [3, 3, 4, 4, 4, 4, 8, 8, 8, 8],
    ];
    for (record, (groups, (hits, unique))) in
        records.iter_mut().zip(groups.iter().zip([(8, 4), (6, 2)]))
    {
        let scores = record.scores.as_mut().unwrap();
        scores.per_image = per_image(groups, hits);
        scores.unique_extracted = Some(unique);
    }
    (plan(planned.to_vec()), records)
}

#[test]
fn seeds_are_pooled_over_images() {
    let (plan, records) = two_seeds();
    let board = Board::new(&plan, &cells(records));
    // 14 of 20, its control 2 of 20; Wilson's and Student's intervals by hand (t = 12.7062).
    // Groups {0, 1, 2, 3} and {3, 4}: five extracted.
    let expected = "\
rank,suite,suite_version,dataset,model,mitigation,attack,goal,access,status,seeds,n,n_trained,model_calls,defence_calls,stages_applied,headline,score,score_low,score_high,control,control_low,control_high,excess,twin_score,seed_low,seed_high,unique_extracted,utility_metric,utility,utility_low,utility_high,utility_n,utility_n_reference,utility_protocol,flag,reason,model_sha256,plugin_sha256,mitigation_sha256
1,test,1,data,memorizer,filter,random,extraction,samples,ok,2,20,4,200,0,sampling+output,nn_ratio_below_0.333,0.7,0.481027,0.854523,0.1,0.0278665,0.301034,0.6,0.1,-0.57062,1.97062,5,,,,,,,,,,served,random-digest,filter-digest
";
    assert_eq!(file(&board, "leaderboard.csv"), expected);
}

#[test]
fn metrics_are_those_of_every_cell_and_their_means() {
    let (plan, mut records) = two_seeds();
    let only_once = Metric {
        name: "nl2_p05".into(),
        reason: "too few training images".into(),
        ..Metric::default()
    };
    let scores = records[0].scores.as_mut().unwrap();
    scores.metrics.push(only_once);
    let ids: Vec<String> = records.iter().map(|record| record.id.clone()).collect();
    let board = Board::new(&plan, &cells(records));
    let expected = format!(
        "\
cell,dataset,model,mitigation,attack,seed,metric,value,low,high,control,control_low,control_high,n,interval,over,reason
{},data,memorizer,filter,random,0,nl2_p05,,,,,,,0,,images,too few training images
{},data,memorizer,filter,random,0,{HEADLINE},0.8,0.490162,0.943318,0,0,0.277533,10,wilson,images,
{},data,memorizer,filter,random,1,{HEADLINE},0.6,0.312674,0.83182,0.2,0.0566822,0.509838,10,wilson,images,
,data,memorizer,filter,random,,nl2_p05,,,,,,,0,,seeds,\"too few seeds: 0, expected at least 2\"
,data,memorizer,filter,random,,{HEADLINE},0.7,-0.57062,1.97062,0.1,-1.17062,1.37062,2,student-t,seeds,
{},data,\"memorizer, clean twin\",filter,random,0,{HEADLINE},0.1,0.0178762,0.40415,0.1,0.0178762,0.40415,10,wilson,images,
",
        ids[0], ids[0], ids[1], ids[2]
    );
    assert_eq!(file(&board, "metrics.csv"), expected);
}

#[test]
fn one_seed_keeps_its_own_interval() {
    let (mut plan, records) = two_seeds();
    plan.cells.remove(1);
    let board = Board::new(&plan, &cells(records));
    let row = &board.rows[0];
    let share = super::samples::share(HEADLINE, 8, 0, 10);
    assert_eq!((row.figure.low, row.figure.high), (share.low, share.high));
    assert_eq!((row.seed_low, row.seed_high), (None, None));
    assert_eq!((row.seeds, row.unique_extracted), (Some(1), Some(4)));
}

fn membership(seed: u64, auc: f64) -> Record {
    let mut spec = spec("memorizer", "none", "loss", seed);
    spec.attack.goal = "membership".into();
    let mut record = Record::new(spec, Status::Ok, String::new());
    record.n = 20;
    record.scores = Some(crate::cell::Scores {
        headline: "auc".into(),
        metrics: vec![Metric {
            name: "auc".into(),
            value: Some(auc),
            low: Some(auc - 0.1),
            high: Some(auc + 0.1),
            control: Some(0.5),
            n: 20,
            interval: "delong".into(),
            ..Metric::default()
        }],
        ..Default::default()
    });
    record
}

#[test]
fn an_auc_is_the_mean_over_seeds() {
    let records = [membership(0, 0.7), membership(1, 0.8)];
    let planned = records
        .each_ref()
        .map(|record| planned(record.spec.clone()));
    let board = Board::new(&plan(planned.to_vec()), &cells(records));
    let row = &board.rows[0];
    // 0.75 +- 12.7062 * 0.05
    let close = |got: Option<f64>, expected: f64| assert!((got.unwrap() - expected).abs() < 1e-5);
    close(row.figure.value, 0.75);
    close(row.figure.low, 0.11469);
    close(row.figure.high, 1.38531);
    close(row.excess, 0.25);
    assert_eq!(
        (row.figure.low, row.figure.high),
        (row.seed_low, row.seed_high)
    );
    assert_eq!(
        (row.figure.control, row.figure.control_low),
        (Some(0.5), None)
    );
    assert_eq!((row.rank, row.unique_extracted), (Some(1), None));

    let one = membership(0, 0.7);
    let cell = super::samples::planned(one.spec.clone());
    let figure = Board::new(&plan(vec![cell]), &cells([one])).rows[0].figure;
    close(figure.low, 0.6);
    close(figure.high, 0.8);
}

fn blind(mut record: Record, value: f64, low: f64) -> Record {
    let scores = record.scores.as_mut().unwrap();
    scores.metrics.push(Metric {
        name: crate::cell::BLIND_AUC.into(),
        value: Some(value),
        low: Some(low),
        high: Some(value + 0.06),
        control: Some(0.5),
        ..Metric::default()
    });
    record
}

#[test]
fn a_blind_baseline_above_chance_flags_the_row() {
    let of = |blinds: [(f64, f64); 2]| {
        let records = [0, 1].map(|seed| {
            let (value, low) = blinds[seed];
            blind(membership(seed as u64, 0.7), value, low)
        });
        let planned = records
            .each_ref()
            .map(|record| planned(record.spec.clone()));
        Board::new(&plan(planned.to_vec()), &cells(records))
    };
    let flagged = of([(0.61, 0.55), (0.61, 0.55)]);
    let flag = "blind baseline beats chance: AUC 0.61 [0.55, 0.67]";
    assert_eq!(flagged.rows[0].flag, flag);
    assert!(file(&flagged, "leaderboard.csv").contains(&format!(",\"{flag}\",")));
    assert_eq!(
        (flagged.rows[0].rank, flagged.rows[0].status),
        (Some(1), RowStatus::Ok)
    );
    // At chance and not above it; each seed by itself.
    assert_eq!(of([(0.61, 0.5), (0.4, 0.35)]).rows[0].flag, "");
    assert_eq!(of([(0.61, 0.5), (0.61, 0.55)]).rows[0].flag, flag);
    let table = super::render(&flagged, 100, false);
    assert!(table.contains("  ok !  "), "{table}");
    let sentence = format!("\n! data, memorizer: {flag}\n");
    assert_eq!(table.matches(&sentence).count(), 1, "{table}");
    assert!(!super::render(&of([(0.5, 0.4), (0.5, 0.4)]), 100, false).contains('!'));
}

/// A board of attacks on one model under mitigations, with these hits of 10.
fn attacks(of: &[(&str, &str, u64)]) -> (Plan, Vec<Record>) {
    let specs: Vec<CellSpec> = of
        .iter()
        .map(|(mitigation, attack, _)| spec("memorizer", mitigation, attack, 0))
        .collect();
    let records = specs
        .iter()
        .zip(of)
        .map(|(spec, (_, _, hits))| extracted(spec.clone(), *hits, 0, 10))
        .collect();
    (plan(specs.into_iter().map(planned).collect()), records)
}

fn ranks(rows: &[Row]) -> Vec<(Option<u64>, &str, &str)> {
    rows.iter()
        .map(|row| (row.rank, row.mitigation.as_str(), row.attack.as_str()))
        .collect()
}

#[test]
fn ties_share_the_better_rank_and_rows_sort_by_label() {
    let (plan, records) = attacks(&[
        ("none", "c", 2),
        ("none", "b", 8),
        ("none", "d", 5),
        ("filter", "b", 8),
    ]);
    let mut records = records;
    records[2].status = Status::Failed;
    let board = Board::new(&plan, &cells(records));
    assert_eq!(
        ranks(&board.rows),
        [
            (Some(1), "filter", "b"),
            (Some(1), "none", "b"),
            (Some(3), "none", "c"),
            (None, "none", "d"),
        ]
    );
    // What was found before the failure still stands there.
    assert_eq!(board.rows[3].figure.value, Some(0.5));
}

#[test]
fn ranks_are_within_dataset_model_and_goal() {
    let other_model = spec("other", "none", "a", 0);
    let mut other_data = spec("memorizer", "none", "a", 0);
    other_data.dataset.label = "another".into();
    other_data.dataset.id = "another".into();
    let specs = [spec("memorizer", "none", "a", 0), other_model, other_data];
    let mut records: Vec<Record> = specs
        .iter()
        .zip(1..)
        .map(|(spec, hits)| extracted(spec.clone(), hits, 0, 10))
        .collect();
    records.push(membership(0, 0.9));
    let planned = records.iter().map(|record| planned(record.spec.clone()));
    let board = Board::new(&plan(planned.collect()), &cells(records));
    let seen: Vec<_> = board
        .rows
        .iter()
        .map(|row| {
            (
                row.rank,
                row.dataset.as_str(),
                row.goal.as_str(),
                row.model.as_str(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (Some(1), "another", "extraction", "memorizer"),
            (Some(1), "data", "extraction", "memorizer"),
            (Some(1), "data", "extraction", "other"),
            (Some(1), "data", "membership", "memorizer"),
        ]
    );
}

#[test]
fn every_way_not_to_run_is_a_row() {
    let names = ["a", "b", "c", "d", "e"];
    let specs = names.map(|name| spec("memorizer", "none", name, 0));
    let mut plan = plan(specs.clone().map(planned).to_vec());
    plan.cells[0].not_applicable = Some("needs a denoiser".into());
    let with =
        |spec: &CellSpec, status, reason: &str| Record::new(spec.clone(), status, reason.into());
    let mut cells = cells([
        with(&specs[1], Status::NotApplicable, "it only samples"),
        with(&specs[2], Status::Failed, "signal 11\nof it"),
        with(&specs[3], Status::TimedOut, "longer than 10m"),
    ]);
    let status = |cells: &Cells| -> Vec<(RowStatus, String)> {
        let rows = Board::new(&plan, cells).rows;
        rows.into_iter()
            .map(|row| (row.status, row.reason))
            .collect()
    };
    let mut expected = vec![
        (RowStatus::NotApplicable, "needs a denoiser".to_owned()),
        (RowStatus::NotApplicable, "it only samples".to_owned()),
        (RowStatus::Failed, "signal 11\nof it".to_owned()),
        (RowStatus::TimedOut, "longer than 10m".to_owned()),
        (RowStatus::NotRun, "seed 0 has not run".to_owned()),
    ];
    assert_eq!(status(&cells), expected);
    cells.damaged.push(plan.cells[4].id.clone());
    expected[4].1 = "the file of seed 0 cannot be trusted".into();
    assert_eq!(status(&cells), expected);
    let csv = file(&Board::new(&plan, &cells), "leaderboard.csv");
    assert!(csv.contains(
        "\n,test,1,data,memorizer,none,a,extraction,samples,n/a,,,,,,,,,,,,,,,,,,,,,,,,,,,needs a denoiser,memorizer-digest,a-digest,\n"
    ), "{csv}");
    assert!(
        csv.contains(",failed,,,") && csv.contains(",signal 11 of it,"),
        "{csv}"
    );
}

#[test]
fn a_row_is_as_bad_as_its_worst_seed() {
    let (plan, mut records) = two_seeds();
    records.remove(1);
    let missing = &Board::new(&plan, &cells(records.clone())).rows[0];
    assert_eq!(missing.status, RowStatus::NotRun);
    assert_eq!((missing.seeds, missing.rank), (Some(1), None));
    let failed = Record::new(
        plan.cells[1].spec.clone(),
        Status::Failed,
        "it broke".into(),
    );
    records.push(failed);
    let failed = &Board::new(&plan, &cells(records)).rows[0];
    assert_eq!(
        (failed.status, failed.reason.as_str()),
        (RowStatus::Failed, "it broke")
    );
    // The calls of the seed that crashed are unknown, and so is their sum.
    assert_eq!((failed.n, failed.model_calls), (Some(10), None));
}

#[test]
fn what_images_do_not_tell_is_missing_with_its_reason() {
    let (plan, mut records) = two_seeds();
    records[0].scores.as_mut().unwrap().unique_extracted = Some(3);
    let board = Board::new(&plan, &cells(records));
    let row = &board.rows[0];
    assert_eq!(row.unique_extracted, None);
    assert!(
        row.reason.starts_with("unique_extracted: "),
        "{}",
        row.reason
    );
    assert_eq!(row.rank, Some(1));
}

#[test]
fn mitigations_rank_by_their_worst_attack() {
    let (mut plan, mut records) = attacks(&[
        ("none", "a", 9),
        ("none", "b", 10),
        ("filter", "a", 3),
        ("filter", "b", 1),
        ("broken", "a", 0),
        ("broken", "b", 0),
        ("repel", "a", 3),
        ("repel", "b", 0),
        ("idle", "a", 0),
    ]);
    records[5].status = Status::TimedOut;
    records[5].scores = None;
    records[5].reason = "longer than 10m".into();
    plan.cells[7].not_applicable = Some("only samples".into());
    records.pop();
    let board = Board::new(&plan, &cells(records));
    let expected = "\
rank,suite,suite_version,dataset,model,mitigation,goal,complete,attacks_ok,attacks_n/a,attacks_failed,attacks_not_run,worst_attack,headline,score,score_low,score_high,control,control_low,control_high,excess,utility_metric,utility,utility_low,utility_high,pareto,reason
1,test,1,data,memorizer,filter,extraction,yes,2,0,0,0,a,nn_ratio_below_0.333,0.3,0.107791,0.603222,0,0,0.277533,0.3,,,,,,
1,test,1,data,memorizer,repel,extraction,yes,1,1,0,0,a,nn_ratio_below_0.333,0.3,0.107791,0.603222,0,0,0.277533,0.3,,,,,,b: only samples
3,test,1,data,memorizer,none,extraction,yes,2,0,0,0,b,nn_ratio_below_0.333,1,0.722467,1,0,0,0.277533,1,,,,,,
4,test,1,data,memorizer,broken,extraction,no,1,0,1,0,a,nn_ratio_below_0.333,0,0,0.277533,0,0,0.277533,0,,,,,,b: longer than 10m
,test,1,data,memorizer,idle,extraction,no,0,0,0,1,,,,,,,,,,,,,,,a: seed 0 has not run
";
    assert_eq!(file(&board, "mitigations.csv"), expected);
}

#[test]
fn the_files_do_not_depend_on_any_order() {
    let (mut plan, records) = attacks(&[("none", "a", 9), ("filter", "a", 3), ("filter", "b", 3)]);
    let mut written = Vec::new();
    for turn in 0..3 {
        plan.cells.rotate_left(1);
        let mut records = records.clone();
        records.rotate_left(turn);
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), records);
        let id = &plan.cells[0].id;
        let times = serde_json::to_vec(&Times::default()).unwrap();
        fs::write(dir.path().join(format!("cells/{id}.time.json")), times).unwrap();
        let cells = Cells::read(&plan, dir.path()).unwrap();
        assert_eq!((cells.problems.len(), cells.times.len()), (0, 1));
        let board = Board::new(&plan, &cells);
        board.write(dir.path()).unwrap();
        board.write(dir.path()).unwrap();
        let csv = |name| fs::read(dir.path().join(name)).unwrap();
        written.push(["leaderboard.csv", "metrics.csv", "mitigations.csv"].map(csv));
        assert!(String::from_utf8(csv("times.csv")).unwrap().lines().count() == 2);
    }
    assert_eq!(written[0], written[1]);
    assert_eq!(written[0], written[2]);
    assert!(!written[0].concat().contains(&b'\r'));
}

#[test]
fn what_cannot_be_trusted_is_reported_and_left_out() {
    let (plan, records) = attacks(&[("none", "a", 9), ("none", "b", 3), ("none", "c", 5)]);
    let dir = tempfile::tempdir().unwrap();
    let stale = extracted(spec("gone", "none", "a", 0), 1, 0, 10);
    write(dir.path(), records.into_iter().chain([stale]));
    let path = |name: &str| dir.path().join("cells").join(name);
    let record = |cell: usize| path(&format!("{}.json", plan.cells[cell].id));
    let mut bytes = fs::read(record(0)).unwrap();
    let at = bytes.windows(9).position(|w| w == b"\"n\": 10,\n").unwrap() + 6;
    bytes[at] ^= 1;
    fs::write(record(0), bytes).unwrap();
    fs::copy(record(2), record(1)).unwrap();
    fs::write(path("results.json"), "{}").unwrap();
    fs::write(path(&format!("{}.time.json", plan.cells[2].id)), "soon").unwrap();
    fs::write(path("notes.txt"), "not the harness's").unwrap();
    fs::write(path(".half.json.tmp"), "{").unwrap();

    let cells = Cells::read(&plan, dir.path()).unwrap();
    let kept: Vec<&String> = cells.records.keys().collect();
    assert_eq!(kept, [&plan.cells[2].id]);
    assert_eq!(cells.stale, 1);
    let problems: Vec<String> = cells.problems.iter().map(ToString::to_string).collect();
    let problems = problems.join("\n");
    for (file, reason) in [
        (
            record(0),
            "its checksum does not fit its content".to_owned(),
        ),
        (
            record(1),
            format!(
                "expected cell {}, as its name says, got {}",
                plan.cells[1].id, plan.cells[2].id
            ),
        ),
        (path("results.json"), "not a cell: ".to_owned()),
        (
            path(&format!("{}.time.json", plan.cells[2].id)),
            "not the times of a cell".to_owned(),
        ),
    ] {
        let expected = format!("{}: {reason}", file.display());
        assert!(problems.contains(&expected), "{expected}\n{problems}");
    }
    assert_eq!(cells.problems.len(), 4);
    let board = Board::new(&plan, &cells);
    let statuses: Vec<RowStatus> = board.rows.iter().map(|row| row.status).collect();
    assert_eq!(
        statuses,
        [RowStatus::Ok, RowStatus::NotRun, RowStatus::NotRun]
    );
}

#[test]
fn a_folder_that_is_not_there_holds_nothing() {
    let (plan, _) = two_seeds();
    let dir = tempfile::tempdir().unwrap();
    let cells = Cells::read(&plan, &dir.path().join("missing")).unwrap();
    assert!(cells.records.is_empty() && cells.problems.is_empty());
}
