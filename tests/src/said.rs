//! A process run to its end: its exit code and what it said.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Nothing that these tests run takes this long, even where the cores are shared.
const LIMIT: Duration = Duration::from_secs(300);

/// What a process said.
#[derive(Debug)]
pub struct Said {
    /// Exit code; 128 and the signal's number where one ended it, as a shell has it.
    pub code: i32,
    /// All of stdout.
    pub stdout: String,
    /// All of stderr.
    pub stderr: String,
}

impl Said {
    /// Itself, if it ended with this code.
    ///
    /// # Panics
    /// With all that it said, if not.
    #[track_caller]
    pub fn code(self, expected: i32) -> Self {
        assert_eq!(
            self.code, expected,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        self
    }

    /// Itself, if each of these stands in its stderr.
    ///
    /// # Panics
    /// With stderr and what it lacks, if not.
    #[track_caller]
    pub fn says(self, phrases: &[&str]) -> Self {
        for phrase in phrases {
            assert!(
                self.stderr.contains(phrase),
                "expected {phrase:?} in stderr:\n{}",
                self.stderr
            );
        }
        self
    }
}

/// Runs a command to its end, or ends it after minutes.
pub fn run(command: &mut Command) -> Said {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let read = |mut pipe: Box<dyn Read + Send>| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            pipe.read_to_end(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let stdout = read(Box::new(child.stdout.take().unwrap()));
    let stderr = read(Box::new(child.stderr.take().unwrap()));
    let mut status = None;
    let in_time = wait_for(LIMIT, || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    if !in_time {
        child.kill().unwrap();
        panic!("{command:?} took more than {LIMIT:?}");
    }
    let status = status.unwrap();
    Said {
        code: status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap()),
        stdout: stdout.join().unwrap(),
        stderr: stderr.join().unwrap(),
    }
}

/// Looks every few milliseconds until it is so; false where it never was within the limit.
pub fn wait_for(limit: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    loop {
        if is_so() {
            return true;
        }
        if started.elapsed() > limit {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
}
