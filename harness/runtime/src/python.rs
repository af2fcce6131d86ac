//! The Python that is installed: where its `onnxruntime` package lies, without importing it.

use std::path::PathBuf;
use std::process::Command;

/// Prints the folder of the package. The working folder is taken off the search path, so that a
/// folder that happens to be called `onnxruntime` is not taken for it.
const FIND: &str = "\
import sys
sys.path = [p for p in sys.path if p]
from importlib.util import find_spec
spec = find_spec('onnxruntime')
print((list(spec.submodule_search_locations or [''])[0]) if spec else '')
";

/// The folder that holds the package's library; an error in words where there is none.
pub(crate) fn package_folder() -> Result<PathBuf, String> {
    let output = Command::new("python3")
        .args(["-c", FIND])
        .output()
        .map_err(|error| format!("python3 cannot be run: {error}"))?;
    if !output.status.success() {
        return Err(format!("python3 failed: {}", last_line(&output.stderr)));
    }
    let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if folder.is_empty() {
        return Err("python3 has no package onnxruntime".to_owned());
    }
    Ok(PathBuf::from(folder).join("capi"))
}

/// The last line of what a program said that is not empty.
pub(crate) fn last_line(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    line.unwrap_or("it said nothing").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_last_that_says_something() {
        assert_eq!(last_line(b"one\ntwo \n\n"), "two");
        assert_eq!(last_line(b"\n \n"), "it said nothing");
    }
}
