//! The digest of each first-party plugin's sources: a plugin that is linked in has no file of its
//! own whose bytes could name it.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Folder under `plugins`, and the constant with its digest.
const PLUGINS: [(&str, &str); 15] = [
    ("attack-inpainting", "ATTACK_INPAINTING"),
    ("attack-membership", "ATTACK_MEMBERSHIP"),
    ("attack-noise", "ATTACK_NOISE"),
    ("attack-random", "ATTACK_RANDOM"),
    ("attack-side", "ATTACK_SIDE"),
    ("mitigation-agc", "MITIGATION_AGC"),
    ("mitigation-ambient", "MITIGATION_AMBIENT"),
    ("mitigation-ambient-noise", "MITIGATION_AMBIENT_NOISE"),
    ("mitigation-dedup", "MITIGATION_DEDUP"),
    ("mitigation-dp", "MITIGATION_DP"),
    ("mitigation-early-stop", "MITIGATION_EARLY_STOP"),
    ("mitigation-filter", "MITIGATION_FILTER"),
    ("mitigation-labels", "MITIGATION_LABELS"),
    ("mitigation-repel", "MITIGATION_REPEL"),
    ("model-memorizer", "MODEL_MEMORIZER"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let plugins = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../plugins");
    let mut code = String::new();
    for (folder, name) in PLUGINS {
        let sha256 = digest(&plugins.join(folder))?;
        code += &format!("pub(super) const {name}: &str = \"{sha256}\";\n");
    }
    fs::write(Path::new(&env::var("OUT_DIR")?).join("digests.rs"), code)?;
    Ok(())
}

/// SHA-256, hex, over path and content of `Cargo.toml` and every file of `src`, in order of path.
fn digest(root: &Path) -> Result<String, Box<dyn Error>> {
    let (manifest, sources) = (root.join("Cargo.toml"), root.join("src"));
    println!("cargo::rerun-if-changed={}", manifest.display());
    println!("cargo::rerun-if-changed={}", sources.display());
    let mut files = vec![manifest];
    list(&sources, &mut files)?;
    files.sort();
    let mut digest = Sha256::new();
    for file in files {
        let bytes = fs::read(&file)?;
        // Each length before its bytes: no two lists of files run into the same.
        let path = file.strip_prefix(root)?.to_string_lossy().into_owned();
        for part in [path.as_bytes(), &bytes] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
    }
    Ok(digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
