//! The harness was told to load an ONNX Runtime that no search would find: a process has one, so the
//! attack takes that. A test binary of its own, because it loads another library than the rest.
#![allow(clippy::unwrap_used)]

use eidetic_attack_side::registrations;
use eidetic_runtime::{Error, Runtime, Search, find};
use serde_json::json;

#[allow(dead_code, reason = "it uses its part")]
#[path = "../src/tests/support.rs"]
mod support;

use support::{Run, Service, attack, options, two_groups};

#[test]
fn the_runtime_that_is_loaded_is_taken() {
    let search = |explicit| Search {
        explicit,
        offline: true,
    };
    let found = find(&search(None)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = folder.path().join("libonnxruntime.so");
    std::fs::copy(&found.path, &elsewhere).unwrap();
    Runtime::load(&find(&search(Some(elsewhere))).unwrap()).unwrap();
    let refused = Runtime::load(&found).unwrap_err();
    assert!(matches!(refused, Error::AlreadyLoaded { .. }), "{refused}");

    let run = Run::default();
    let service = Service::new(two_groups());
    attack(&options(json!({ "samples": 2 })), &service, &run).unwrap();
    assert_eq!(run.findings().len(), 2);
    let logs = run.logs.lock().unwrap();
    assert!(logs[1].starts_with("trained the classifier"), "{logs:?}");
}
