//! Damaged and foreign results are told and done again; a disk that takes nothing loses nothing.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use eidetic_tests::{Files, Place, Results, run};

const REST: &str = "\
models: [ memorizer ]
attacks: [ { id: random, options: { samples: 16 } } ]
seeds: [ 0, 1 ]
";

struct Finished {
    place: Place,
    suite: PathBuf,
}

impl Finished {
    fn new() -> Self {
        let place = Place::new();
        let suite = place.suite("damaged", REST);
        let run = Self { place, suite };
        run.place.run(&run.suite, "out").code(0);
        run
    }

    fn results(&self) -> Results {
        self.place.results("out", "damaged")
    }

    /// Runs again: this file is named for this reason, and everything is as it was.
    fn mends(&self, file: &Path, reason: &str) {
        let name = file.file_name().unwrap().to_str().unwrap();
        let said = self
            .place
            .run(&self.suite, "out")
            .code(0)
            .says(&[name, reason]);
        assert!(
            said.stderr.contains("3 were there, 1 ran"),
            "{}",
            said.stderr
        );
        self.results().assert_same(&WHOLE);
    }
}

static WHOLE: LazyLock<Files> = LazyLock::new(|| Finished::new().results().files());

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn cut(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

#[test]
fn damaged_records_are_told_and_done_again() {
    let run = Finished::new();
    let records = run.results().record_files();
    let text = fs::read_to_string(&records[0]).unwrap();
    // A digit of a score, which leaves the JSON whole.
    let score = text
        .find("\"value\": 0.")
        .or(text.find("\"value\": 1."))
        .unwrap();
    flip(&records[0], score + 11);
    run.mends(&records[0], "its checksum does not fit its content");
    cut(&records[1]);
    run.mends(&records[1], "not a whole cell");
    fs::write(&records[2], "").unwrap();
    run.mends(&records[2], "not a whole cell");
    fs::write(&records[3], "{\"format\": 1}").unwrap();
    run.mends(&records[3], "not a whole cell");
    let other = text.replacen("\"format\": 1", "\"format\": 99", 1);
    assert_ne!(other, text);
    fs::write(&records[0], other).unwrap();
    run.mends(&records[0], "format");
}

#[test]
fn a_foreign_record_is_told_and_done_again() {
    let run = Finished::new();
    let records = run.results().record_files();
    // Whole and true, but another cell's.
    fs::copy(&records[0], &records[1]).unwrap();
    run.mends(&records[1], "it is the cell");
}

#[test]
fn damaged_findings_are_told_and_done_again() {
    let run = Finished::new();
    let findings = |at: usize| run.results().record_files()[at].with_extension("npz");
    flip(&findings(0), 400);
    run.mends(&findings(0), "SHA-256");
    cut(&findings(1));
    run.mends(&findings(1), "SHA-256");
    fs::remove_file(findings(2)).unwrap();
    run.mends(&findings(2), "No such file");
}

#[test]
fn pictures_that_are_gone_are_made_again() {
    let run = Finished::new();
    let records = run.results().record_files();
    fs::remove_file(records[0].with_extension("png")).unwrap();
    fs::remove_file(records[1].with_extension("similarity.csv")).unwrap();
    let said = run.place.run(&run.suite, "out").code(0);
    assert!(
        said.stderr.contains("4 were there, 0 ran"),
        "{}",
        said.stderr
    );
    run.results().assert_same(&WHOLE);
}

#[test]
fn results_cannot_go_where_a_file_is() {
    let place = Place::new();
    let suite = place.suite("damaged", REST);
    place.file("taken", "a file");
    place.run(&suite, "taken").code(1).says(&[
        "cannot create",
        "taken/damaged/cells",
        "Not a directory",
    ]);
    assert_eq!(fs::read(place.path("taken")).unwrap(), b"a file");
}

/// No byte can be written to any file, as on a full disk. The signal that comes with this limit
/// is ignored, so that writing fails.
#[allow(unsafe_code)]
#[test]
fn a_disk_that_takes_nothing_ends_the_run_and_loses_nothing() {
    let it = Finished::new();
    let longer = it
        .place
        .suite("damaged", &REST.replace("[ 0, 1 ]", "[ 0, 1, 2 ]"));
    let before = it.results().files();
    let mut command = it.place.command("run", &longer, "out");
    // SAFETY: between fork and exec only two system calls are made, which is allowed there.
    unsafe {
        command.pre_exec(|| {
            let none = libc::rlimit {
                rlim_cur: 0,
                rlim_max: 0,
            };
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            match libc::setrlimit(libc::RLIMIT_FSIZE, &none) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        });
    }
    let folder = it.results().folder;
    run(&mut command).code(1).says(&[
        "cannot write",
        folder.to_str().unwrap(),
        "File too large",
        "go on with",
    ]);
    it.results().assert_same(&before);
    let said = it.place.run(&longer, "out").code(0);
    assert!(
        said.stderr.contains("4 were there, 2 ran"),
        "{}",
        said.stderr
    );
}

/// Disks that fill up sooner and later in the run, where the system lets anybody mount one: what
/// was finished is whole, and a run elsewhere goes on from it.
#[test]
#[allow(clippy::print_stderr)]
fn a_disk_that_fills_up_keeps_what_is_finished() {
    let place = Place::new();
    let suite = place.suite("damaged", REST);
    let inside = |script: &str| {
        let mut command = std::process::Command::new("unshare");
        let apart = ["--user", "--map-root-user", "--mount"];
        command.args(apart).args(["sh", "-c", script, "sh"]);
        command
    };
    let probe = inside("mount -t tmpfs none /mnt").status();
    if !probe.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this system lets nobody mount a disk");
        return;
    }
    let script = "folder=$1; kept=$2; size=$3; shift 3; mkdir \"$folder\"; \
                  mount -t tmpfs -o size=\"$size\" none \"$folder\"; \"$@\"; code=$?; \
                  mkdir \"$kept\"; cp -r \"$folder\"/. \"$kept\"; exit $code";
    let all: usize = WHOLE.values().map(Vec::len).sum();
    let mut counts = Vec::new();
    for percent in [15, 30, 45, 60, 75, 90] {
        let (small, kept) = (format!("small-{percent}"), format!("kept-{percent}"));
        let host = place.command("run", &suite, &small);
        let mut command = inside(script);
        command
            .args([place.path(&small), place.path(&kept)])
            .arg((all * percent / 100).to_string())
            .arg(host.get_program())
            .args(host.get_args())
            .args(["--jobs", "1"]);
        let said = run(&mut command).code(1);
        let phrases = ["No space left on device", &format!("{small}/damaged")];
        let said = said.says(&phrases);
        assert!(!said.stderr.contains("panicked"), "{}", said.stderr);
        let results = place.results(&kept, "damaged");
        // Reading checks each of them.
        let finished = results.records();
        let finished = finished.iter().filter(|record| record.status.is_settled());
        counts.push(finished.count());
        let said = place.run(&suite, &kept).code(0);
        let were_there = format!(" {} were there", counts[counts.len() - 1]);
        let none = counts.last() == Some(&0);
        assert!(none || said.stderr.contains(&were_there), "{}", said.stderr);
        results.assert_same(&WHOLE);
    }
    assert!(counts.iter().any(|&count| count > 0), "{counts:?}");
    assert!(counts.iter().all(|&count| count <= 4), "{counts:?}");
}
