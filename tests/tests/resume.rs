//! The same bytes, however a run came to them: interrupted, killed, with other jobs, again.
#![allow(clippy::unwrap_used)]

use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use eidetic_tests::{Files, Place, Results, Said, run, wait_for};

const LIMIT: Duration = Duration::from_secs(120);

/// Two models, two mitigations, three attacks, two seeds, and a clean twin of each.
const CELLS: usize = 48;

/// Every goal, both runtimes, a filter that draws again.
const REST: &str = "\
models: [ memorizer, memorizer-onnx ]
mitigations: [ none, filter ]
attacks: [ { id: random, options: { samples: 16 } }, one-step, fill-in ]
seeds: [ 0, 1 ]
";

/// What one uninterrupted run of it leaves.
static WHOLE: LazyLock<Files> = LazyLock::new(|| {
    let place = Place::new();
    let suite = place.suite("resumed", REST);
    place.run_with_bad(&suite, "out").code(0);
    let results = place.results("out", "resumed");
    assert!(!results.folder.join(".work").exists());
    results.files()
});

struct Run {
    place: Place,
    suite: std::path::PathBuf,
}

impl Run {
    fn new() -> Self {
        let place = Place::new();
        let suite = place.suite("resumed", REST);
        Self { place, suite }
    }

    fn results(&self) -> Results {
        self.place.results("out", "resumed")
    }

    fn start(&self) -> Child {
        let mut command = self.place.command_with_bad(&self.suite, "out");
        quiet(&mut command).spawn().unwrap()
    }

    fn records(&self) -> usize {
        self.results().record_files().len()
    }

    /// Starts a run and waits until so many more cells are there.
    fn start_until(&self, more: usize) -> Child {
        let there = self.records();
        let child = self.start();
        assert!(wait_for(LIMIT, || self.records() >= there + more));
        child
    }

    /// Whether any process works on a cell of this place.
    fn has_children(&self) -> bool {
        let folder = self.results().folder.join(".work");
        let folder = folder.to_str().unwrap();
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let mut commands = processes.flat_map(|process| {
            // One that ends while it is looked at is none.
            std::fs::read(process.path().join("cmdline"))
        });
        commands.any(|command| String::from_utf8_lossy(&command).contains(folder))
    }

    fn finish(&self) -> Said {
        self.place.run_with_bad(&self.suite, "out").code(0)
    }
}

fn quiet(command: &mut Command) -> &mut Command {
    let nothing = || Stdio::null();
    command
        .stdin(nothing())
        .stdout(nothing())
        .stderr(Stdio::piped())
}

#[allow(unsafe_code)]
fn interrupt(child: &Child) {
    // SAFETY: a system call on numbers; the child has not been waited for, so its id is its own.
    let sent = unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) };
    assert_eq!(sent, 0);
}

#[test]
fn a_run_from_nothing_gives_the_same_bytes_again() {
    let run = Run::new();
    run.finish();
    run.results().assert_same(&WHOLE);
    // And once more, with nothing to do.
    let said = run.finish();
    let were_there = format!("{CELLS} were there");
    assert!(said.stderr.contains(&were_there), "{}", said.stderr);
    run.results().assert_same(&WHOLE);
}

#[test]
fn one_job_gives_the_bytes_of_two() {
    for jobs in ["1", "2", "3"] {
        let it = Run::new();
        let mut command = it.place.command_with_bad(&it.suite, "out");
        run(command.args(["--jobs", jobs])).code(0);
        it.results().assert_same(&WHOLE);
    }
}

#[test]
fn killed_at_any_moment_and_run_again_it_gives_the_same_bytes() {
    let run = Run::new();
    // Each kill falls at another moment: before anything, in the first cells, between and in later
    // ones; the next run begins at once, while children of the killed one may still live.
    for after_ms in [0, 30, 120, 400] {
        let mut child = run.start();
        std::thread::sleep(Duration::from_millis(after_ms));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    for more in [1, 1, 2, 3] {
        let mut child = run.start_until(more);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let ended = wait_for(Duration::from_secs(10), || !run.has_children());
    assert!(ended, "children of a killed run live on");
    let finished = run.records();
    assert!((7..CELLS).contains(&finished), "{finished}");
    let said = run.finish();
    let were_there = format!("{finished} were there");
    assert!(
        said.stderr.contains(&were_there),
        "{were_there}: {}",
        said.stderr
    );
    assert!(!said.stderr.contains("checksum"), "{}", said.stderr);
    run.results().assert_same(&WHOLE);
}

#[test]
fn an_interrupted_run_says_how_to_go_on_and_keeps_what_is_finished() {
    let run = Run::new();
    let child = run.start_until(2);
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("cells finished and kept"), "{stderr}");
    assert!(
        stderr.contains("hint: go on with: ") && stderr.contains("resumed.yaml"),
        "{stderr}"
    );
    let finished = run.records();
    assert!((2..CELLS).contains(&finished), "{finished}");
    let kept = run.results().files();
    assert!(!run.results().folder.join(".work").exists());
    run.finish();
    let files = run.results().files();
    let cells = kept.keys().filter(|path| path.starts_with("cells"));
    assert!(cells.clone().count() >= 2);
    assert!(cells.into_iter().all(|path| files[path] == kept[path]));
    run.results().assert_same(&WHOLE);
}

#[test]
fn two_runs_do_not_work_in_one_folder() {
    let run = Run::new();
    let mut child = run.start_until(1);
    let said = run.place.run_with_bad(&run.suite, "out");
    child.kill().unwrap();
    child.wait().unwrap();
    said.code(1).says(&["another run works in", "--out"]);
}

#[test]
fn the_board_is_made_again_from_the_cells_alone() {
    let it = Run::new();
    it.finish();
    let results = it.results();
    let boards = [
        "leaderboard.csv",
        "metrics.csv",
        "mitigations.csv",
        "comparisons.csv",
    ];
    for board in boards {
        std::fs::remove_file(results.folder.join(board)).unwrap();
    }
    let mut command = it.place.command("leaderboard", &it.suite, "out");
    let library = eidetic_tests::cdylib(eidetic_tests::MISBEHAVING, eidetic_tests::Profile::Debug);
    run(command.arg("--plugin").arg(library)).code(0);
    results.assert_same(&WHOLE);
}

#[test]
fn a_batch_size_changes_no_finding() {
    let place = Place::new();
    let suite = place.suite(
        "batches",
        "models: [ memorizer, memorizer-onnx ]\nmitigations: [ none, filter ]\nattacks:\n\
         - { id: random, options: { samples: 70, batch: 64 } }\n\
         - { id: random, options: { samples: 70, batch: 7 } }\n\
         - { id: random, options: { samples: 70, batch: 1000 } }",
    );
    place.run(&suite, "out").code(0);
    let results = place.results("out", "batches");
    for model in ["memorizer", "memorizer-onnx"] {
        for mitigation in ["none", "filter"] {
            let found = [7, 64, 1000].map(|batch| {
                let records = results.records();
                let of = |r: &&eidetic_harness::cell::Record| {
                    r.spec.model.label == model
                        && r.spec.mitigation_label == mitigation
                        && r.spec.attack.plugin.options["batch"] == batch
                };
                let record = records.iter().find(of).unwrap();
                assert_eq!(record.n, 70);
                record.findings_sha256.clone()
            });
            assert!(
                found.iter().all(|sha256| *sha256 == found[0]),
                "{model} {mitigation}"
            );
        }
    }
}
