//! Attacks that do not come to an orderly end.
#![allow(clippy::print_stderr)]

use std::ffi::c_char;
use std::hint::black_box;
use std::process::{Command, Stdio, abort, exit};
use std::time::Duration;

use crate::macros::attacks;

attacks! {
    Panics, "panics", Extraction, Samples, "panics at once",
        |_| panic!("deliberately: no more of this");
    Errors, "errors", Extraction, Samples, "returns an error at once",
        |_| Err("deliberately: this attack has no luck".into());
    Hangs, "hangs", Extraction, Samples, "emits its samples and never returns",
        |run| {
            run.emit()?;
            loop {
                std::thread::sleep(Duration::from_millis(20));
            }
        };
    Exits, "exits", Extraction, Samples, "leaves the process with code 7",
        |_| {
            eprintln!("deliberately: leaving with code 7");
            exit(7)
        };
    LeavesPolitely, "leaves-politely", Extraction, Samples, "leaves the process with code 0",
        |run| {
            run.emit()?;
            exit(0)
        };
    Aborts, "aborts", Extraction, Samples, "aborts the process",
        |_| {
            eprintln!("deliberately: aborting");
            abort()
        };
    Segfaults, "segfaults", Extraction, Samples, "reads through a null pointer",
        |_| read_null();
    Overflows, "overflows", Extraction, Samples, "recurses until the stack ends",
        |_| {
            eprintln!("deep: {}", deeper(0));
            Ok(())
        };
    EmitsThenPanics, "emits-then-panics", Extraction, Samples, "emits its samples and panics",
        |run| {
            run.emit()?;
            panic!("deliberately: after the findings")
        };
    EmitsThenAborts, "emits-then-aborts", Extraction, Samples, "emits its samples and aborts",
        |run| {
            run.emit()?;
            eprintln!("deliberately: aborting after the findings");
            abort()
        };
    LeavesChild, "leaves-child", Extraction, Samples,
        "leaves a process behind that holds its pipes open",
        |run| {
            run.emit()?;
            let sleep = Command::new("sleep").arg("20").stdin(Stdio::null()).spawn();
            sleep.map(|_| ()).map_err(|error| error.to_string().into())
        };
    Shouts, "shouts", Extraction, Samples, "fills stdout and stderr and returns an error",
        |_| {
            for line in 0..20_000 {
                println_all(&format!("shout {line} {}", "a".repeat(600)));
            }
            eprintln!("the last shout");
            Err("deliberately: hoarse".into())
        };
}

/// In C, where no debug check of Rust's turns it into a panic.
#[allow(unsafe_code)]
fn read_null() -> eidetic_sdk::Result<()> {
    unsafe extern "C" {
        fn strlen(text: *const c_char) -> usize;
    }
    // SAFETY: there is none; the fault is what this plugin is for, and it runs in a process of
    // its own.
    let length = unsafe { strlen(black_box(std::ptr::null())) };
    Err(format!("a null pointer had length {length}").into())
}

#[allow(unconditional_recursion)]
fn deeper(level: u64) -> u64 {
    let frame = black_box([level; 64]);
    deeper(level + 1) + frame[0]
}

#[allow(clippy::print_stdout)]
fn println_all(line: &str) {
    println!("{line}");
    // What the harness itself says on stdout, with a number that is none.
    println!("eidetic-progress {line}");
    eprintln!("{line}");
}
