//! Where nothing was loaded before (a model that is a plugin itself), the library is taken that
//! `ORT_DYLIB_PATH` names, and no other. In a process of its own, whose environment can be set.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use eidetic_attack_side::registrations;
use eidetic_runtime::{Search, find};
use serde_json::json;

#[allow(dead_code, reason = "it uses its part")]
#[path = "../src/tests/support.rs"]
mod support;

use support::{Run, Service, attack, options, two_groups};

const NAMED: &str = "ORT_DYLIB_PATH";
/// Says that this is the inner process.
const INNER: &str = "EIDETIC_TEST_INNER";

#[test]
fn the_named_runtime_is_taken() {
    if std::env::var_os(INNER).is_some() {
        return inner();
    }
    let search = Search {
        explicit: None,
        offline: true,
    };
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = folder.path().join("libonnxruntime.so");
    std::fs::copy(find(&search).unwrap().path, &elsewhere).unwrap();
    let mut test = Command::new(std::env::current_exe().unwrap());
    test.args(["the_named_runtime_is_taken", "--exact", "--nocapture"]);
    let ended = test
        .env(NAMED, &elsewhere)
        .env(INNER, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}");
}

fn inner() {
    let run = Run::default();
    let more = json!({ "samples": 2 });
    attack(&options(more), &Service::new(two_groups()), &run).unwrap();
    assert_eq!(run.findings().len(), 2);
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let loaded = |line: &&str| line.contains("libonnxruntime");
    let mut loaded: Vec<&str> = maps.lines().filter(loaded).collect();
    loaded
        .iter_mut()
        .for_each(|line| *line = line.split_whitespace().last().unwrap());
    loaded.dedup();
    let named = std::env::var(NAMED).unwrap();
    let named = std::fs::canonicalize(named).unwrap();
    assert_eq!(loaded, [named.to_str().unwrap()]);
}
