//! The nearest training images of a set of images, from files of raw pixels:
//!
//!     neighbours TRAINING QUERIES DIM OUT [brute] K...
//!
//! TRAINING and QUERIES hold rows of DIM bytes; `brute` prepares nothing. Writes the indices as little-endian u32 to OUT.K for
//! each K, and prints one line of JSON a search: seconds, and the peak of resident memory so far.

use std::error::Error;
use std::io::Write;
use std::time::Instant;

use eidetic_metrics::{Images, Index};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [training, queries, dim, out, ks @ ..] = &arguments[..] else {
        return Err("usage: neighbours TRAINING QUERIES DIM OUT [brute] K...".into());
    };
    let (brute, ks) = match ks {
        [first, ks @ ..] if first == "brute" => (true, ks),
        _ => (false, ks),
    };
    let dim = dim.parse()?;
    let (training, queries) = (std::fs::read(training)?, std::fs::read(queries)?);
    let (training, queries) = (Images::new(&training, dim)?, Images::new(&queries, dim)?);
    let mut stdout = std::io::stdout().lock();
    let read_bytes = peak_bytes();

    let started = Instant::now();
    let index = if brute {
        Index::unprepared(training)
    } else {
        Index::new(training)
    };
    writeln!(
        stdout,
        r#"{{"prepare_s": {:.4}, "index_bytes": {}, "read_bytes": {read_bytes}, "peak_bytes": {}}}"#,
        started.elapsed().as_secs_f64(),
        index.bytes(),
        peak_bytes(),
    )?;
    for k in ks {
        let started = Instant::now();
        let found = index.nearest(queries, k.parse()?)?;
        let seconds = started.elapsed().as_secs_f64();
        writeln!(
            stdout,
            r#"{{"k": {k}, "search_s": {seconds:.4}, "peak_bytes": {}}}"#,
            peak_bytes(),
        )?;
        let indices = (0..found.len()).flat_map(|query| found.indices(query));
        let bytes: Vec<u8> = indices.flat_map(|index| index.to_le_bytes()).collect();
        std::fs::write(format!("{out}.{k}"), bytes)?;
    }
    Ok(())
}

/// The most memory that was resident so far; 0 where Linux does not tell.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes =
        line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
