//! A cell's process: started, watched, ended.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::context::PROGRESS;

/// How long a child may take to end by itself once it was asked to.
const GRACE: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(10);
const TAIL_LINES: usize = 20;
const TAIL_LINE_BYTES: u64 = 400;

/// How a process ended.
#[derive(Debug)]
pub(super) enum End {
    /// By itself.
    Exited(ExitStatus),
    /// It was ended for taking too long.
    TimedOut,
    /// It was ended because the run was.
    Cancelled,
}

/// What is left of a process.
pub(super) struct Ended {
    pub(super) end: End,
    /// Last lines of its stderr.
    pub(super) stderr_tail: String,
}

/// Runs a command to its end, or to the timeout's, or the run's. The child is asked to
/// end by closing its stdin, which is also what it sees when this process dies.
pub(super) fn run(
    mut command: Command,
    timeout: Duration,
    cancel: &AtomicBool,
    progress: impl Fn(u64) + Send + 'static,
    quiet: bool,
) -> std::io::Result<Ended> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A terminal's Ctrl-C is for this process, which decides what becomes of the child.
        .process_group(0)
        .spawn()?;
    let stdout = child
        .stdout
        .take()
        .map(|pipe| thread::spawn(move || watch(pipe, progress)));
    let stderr = child
        .stderr
        .take()
        .map(|pipe| thread::spawn(move || tail(pipe, quiet)));
    let end = wait(&mut child, timeout, cancel)?;
    // A grandchild may hold the pipes open; what it says after the child's end is nobody's.
    let patience = Instant::now() + GRACE;
    let stderr_tail = stderr
        .and_then(|reader| join(reader, patience))
        .unwrap_or_default();
    if let Some(reader) = stdout {
        join(reader, patience);
    }
    Ok(Ended { end, stderr_tail })
}

fn wait(child: &mut Child, timeout: Duration, cancel: &AtomicBool) -> std::io::Result<End> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(End::Exited(status));
        }
        let end = if cancel.load(Ordering::SeqCst) {
            End::Cancelled
        } else if started.elapsed() >= timeout {
            End::TimedOut
        } else {
            thread::sleep(POLL);
            continue;
        };
        drop(child.stdin.take());
        let asked = Instant::now();
        while child.try_wait()?.is_none() {
            if asked.elapsed() >= GRACE {
                child.kill()?;
                child.wait()?;
                break;
            }
            thread::sleep(POLL);
        }
        return Ok(end);
    }
}

fn join<T>(reader: JoinHandle<T>, until: Instant) -> Option<T> {
    while !reader.is_finished() {
        if Instant::now() >= until {
            return None;
        }
        thread::sleep(POLL);
    }
    reader.join().ok()
}

/// Lines of a pipe, each cut at a length, whatever is in them.
fn lines(pipe: impl Read, mut line: impl FnMut(&str)) {
    let mut reader = BufReader::new(pipe);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        match reader
            .by_ref()
            .take(TAIL_LINE_BYTES)
            .read_until(b'\n', &mut bytes)
        {
            Ok(0) | Err(_) => return,
            Ok(_) => line(String::from_utf8_lossy(&bytes).trim_end()),
        }
    }
}

fn watch(pipe: impl Read, progress: impl Fn(u64)) {
    lines(pipe, |line| {
        if let Some(permille) = line
            .strip_prefix(PROGRESS)
            .and_then(|rest| rest.parse().ok())
        {
            progress(permille);
        }
    });
}

fn tail(pipe: impl Read, quiet: bool) -> String {
    let mut last: VecDeque<String> = VecDeque::with_capacity(TAIL_LINES);
    lines(pipe, |line| {
        if !quiet {
            tracing::debug!(target: "cell", "{line}");
        }
        if last.len() == TAIL_LINES {
            last.pop_front();
        }
        last.push_back(line.to_string());
    });
    last.make_contiguous().join("\n")
}

/// An exit that was not expected, in words.
pub(super) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("its process exited with code {code} before it was done"),
        (None, Some(signal)) => {
            let name = signal_name(signal)
                .map(|name| format!(" ({name})"))
                .unwrap_or_default();
            format!("its process was ended by signal {signal}{name}")
        }
        (None, None) => "its process ended in an unknown way".into(),
    }
}

fn signal_name(signal: i32) -> Option<&'static str> {
    // The numbers are the same on every architecture that Linux and this project share.
    Some(match signal {
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        15 => "SIGTERM",
        _ => return None,
    })
}
