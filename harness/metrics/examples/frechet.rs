//! The Frechet distance of two sets of features, from files of raw little-endian f32:
//!
//!     frechet GENERATED REFERENCE DIM
//!     frechet ROWS SEED DIM
//!
//! The second form makes two sets of ROWS rows from a seed. Prints one line of JSON: the distance,
//! seconds for the moments of either set and for the distance of the moments, and the peak of
//! resident memory.

use std::error::Error;
use std::io::Write;
use std::time::Instant;

use eidetic_metrics::{Features, Moments, frechet};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [first, second, dim] = &arguments[..] else {
        return Err("usage: frechet GENERATED REFERENCE DIM, or frechet ROWS SEED DIM".into());
    };
    let dim = dim.parse()?;
    let (generated, reference) = match (first.parse(), second.parse()) {
        (Ok(rows), Ok(seed)) => (made(rows, dim, seed), made(rows, dim, seed + 1)),
        _ => (read(first)?, read(second)?),
    };
    let started = Instant::now();
    let a = Moments::of(Features::new(&generated, dim)?);
    let of_generated = started.elapsed().as_secs_f64();
    let started = Instant::now();
    let b = Moments::of(Features::new(&reference, dim)?);
    let of_reference = started.elapsed().as_secs_f64();
    let started = Instant::now();
    let distance = frechet(&a, &b)?;
    let of_both = started.elapsed().as_secs_f64();
    if let Some(reason) = distance.reason() {
        return Err(reason.to_string().into());
    }
    writeln!(
        std::io::stdout(),
        r#"{{"frechet": {}, "moments_s": [{of_generated:.4}, {of_reference:.4}], "frechet_s": {of_both:.4}, "peak_bytes": {}}}"#,
        distance.value().unwrap_or_default(),
        peak_bytes(),
    )?;
    Ok(())
}

fn read(path: &str) -> Result<Vec<f32>, Box<dyn Error>> {
    let bytes = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    let (numbers, []) = bytes.as_chunks() else {
        return Err(format!("{path}: expected whole numbers of 4 bytes").into());
    };
    Ok(numbers
        .iter()
        .map(|&bytes| f32::from_le_bytes(bytes))
        .collect())
}

/// Uniform noise, every feature with a third of the one before it.
fn made(rows: usize, dim: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut before = 0.0;
    (0..rows * dim)
        .map(|_| {
            before = before / 3.0 + rng.next_u32() as f32 / u32::MAX as f32;
            before
        })
        .collect()
}

/// The most memory that was resident so far; 0 where Linux does not tell.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes =
        line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
