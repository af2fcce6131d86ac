//! `eidetic doctor`.

use std::path::Path;
use std::process::{Command, Stdio};

use eidetic_harness::dataset::{Entry, Readiness, datasets_in};
use eidetic_harness::files::cache_dir;
use eidetic_runtime::{Attempt, Device, Host, Library, Outcome, Runtime, attempts};
use serde_json::json;

use super::list::readiness;
use crate::args::Global;
use crate::exit::{Exit, Failure};
use crate::registry::Plugins;
use crate::setup::{benchmarks, search};
use crate::{output, talk};

pub(crate) fn run(global: &Global) -> Result<Exit, Failure> {
    let host = Host::detect();
    let tried = attempts(&search(global));
    let library = in_use(&tried);
    let devices = library.map(devices);
    let benchmarks = benchmarks(global, None).ok();
    let datasets = benchmarks
        .as_ref()
        .map(|folder| datasets_in(&folder.join("datasets"), global.data.as_deref()));
    let plugins = Plugins::load(&global.plugin);
    let pip = has_pip();

    let mut missing = Vec::new();
    if library.is_none() && (global.offline || !pip) {
        missing.push(
            "ONNX Runtime: install it with `python3 -m pip install onnxruntime`, name it with \
             --onnxruntime PATH, or let it be fetched (python3 with pip, no --offline)"
                .to_owned(),
        );
    }
    if let Some(Err(why)) = &devices {
        missing.push(format!("a working ONNX Runtime: {why}"));
    }
    if let (Device::Cuda, Some(Ok(devices))) = (global.device, &devices)
        && !devices.contains(&Device::Cuda)
    {
        missing.push("CUDA in ONNX Runtime: install the Python package onnxruntime-gpu".to_owned());
    }
    match &datasets {
        None => missing.push(
            "a folder `benchmarks` above the current folder or this program: name it with \
             --benchmarks DIR"
                .to_owned(),
        ),
        Some(Err(error)) => missing.push(format!("datasets: {error}")),
        Some(Ok(_)) => {}
    }
    missing.extend(plugins.problems.iter().map(ToString::to_string));

    let datasets: Vec<Entry> = datasets.and_then(Result::ok).unwrap_or_default();
    let devices = devices.and_then(Result::ok).unwrap_or_default();
    if global.json {
        let datasets = datasets.iter().map(|entry| {
            let ready = entry.readiness == Readiness::Ready;
            json!({ "name": entry.manifest.name, "ready": ready, "readiness": readiness(&entry.readiness) })
        });
        output::json(&json!({
            "version": env!("CARGO_PKG_VERSION"),
            "host": host,
            "onnxruntime": { "used": library, "devices": devices, "tried": tried },
            "pip": pip,
            "cache": cache_dir().ok(),
            "benchmarks": benchmarks,
            "datasets": datasets.collect::<Vec<_>>(),
            "missing": missing,
        }))?;
    } else {
        let mut text = of_host(&host, global);
        text += &of_runtime(&tried, library, &devices, pip);
        text += &of_data(benchmarks.as_deref(), &datasets);
        let verdict = match missing.len() {
            0 => "\nnothing is missing\n".to_owned(),
            _ => format!("\nmissing:\n  - {}\n", missing.join("\n  - ")),
        };
        output::text(&(text + &verdict))?;
    }
    match missing.len() {
        0 => Ok(Exit::Done),
        _ => {
            talk::error("something is missing");
            Ok(Exit::Failed)
        }
    }
}

/// The library that a run would use: what the user names goes before all else, usable or not.
fn in_use(tried: &[Attempt]) -> Option<&Library> {
    for attempt in tried {
        match &attempt.outcome {
            Outcome::Usable(library) => return Some(library),
            Outcome::Unusable { .. } if is_named(attempt) => return None,
            _ => {}
        }
    }
    None
}

fn is_named(attempt: &Attempt) -> bool {
    use eidetic_runtime::Found::{Environment, Explicit};
    matches!(attempt.way, Explicit | Environment)
}

fn devices(library: &Library) -> Result<Vec<Device>, String> {
    Runtime::load(library)
        .map(|runtime| runtime.devices())
        .map_err(|error| error.to_string())
}

/// Whether the one downloader is there.
fn has_pip() -> bool {
    Command::new("python3")
        .args(["-m", "pip", "--version"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn of_host(host: &Host, global: &Global) -> String {
    let memory = host.memory_bytes.map_or_else(
        || "unknown".to_owned(),
        |bytes| format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)),
    );
    let landlock = host.sandbox.landlock_abi.map_or_else(
        || "no landlock".to_owned(),
        |abi| format!("landlock ABI {abi}"),
    );
    let has = |there, what| {
        if there {
            String::from(what)
        } else {
            format!("no {what}")
        }
    };
    format!(
        "eidetic     {}\nplatform    {}, kernel {}\nprocessor   {} ({})\ncores       {}, --jobs {}\n\
         memory      {memory}\nsandbox     {landlock}, {}, {}\ncache       {}\n",
        env!("CARGO_PKG_VERSION"),
        host.platform,
        host.kernel,
        host.cpu,
        host.cpu_features.join(", "),
        host.cpus,
        global.jobs(),
        has(host.sandbox.seccomp, "seccomp"),
        has(host.sandbox.user_namespaces, "user namespaces"),
        cache_dir().map_or_else(|error| error.to_string(), |dir| dir.display().to_string()),
    )
}

fn of_runtime(
    tried: &[Attempt],
    library: Option<&Library>,
    devices: &[Device],
    pip: bool,
) -> String {
    let mut text = String::from("\nONNX Runtime, in the order of the search\n");
    for attempt in tried {
        let used = match &attempt.outcome {
            Outcome::Usable(usable) => Some(usable) == library,
            _ => false,
        };
        let mark = if used { '*' } else { ' ' };
        text += &format!("{mark} {attempt}\n");
    }
    if library.is_some() {
        let devices: Vec<String> = devices.iter().map(Device::to_string).collect();
        text += &format!("  devices: {}\n", devices.join(", "));
    } else if !pip {
        text += "  `python3 -m pip` cannot be run, so nothing can be fetched\n";
    }
    text
}

fn of_data(benchmarks: Option<&Path>, datasets: &[Entry]) -> String {
    let Some(benchmarks) = benchmarks else {
        return String::new();
    };
    let mut text = format!("\nbenchmarks in {}\n", benchmarks.display());
    for entry in datasets {
        let mark = if entry.readiness == Readiness::Ready {
            '*'
        } else {
            ' '
        };
        text += &format!(
            "{mark} {}: {}\n",
            entry.manifest.name,
            readiness(&entry.readiness)
        );
    }
    text
}
