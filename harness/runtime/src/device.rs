//! Where sessions run.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The processor that sessions run on: `cpu` or `cuda`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// ONNX Runtime's own CPU kernels; the only device in the default library.
    #[default]
    Cpu,
    /// NVIDIA GPUs. Needs the library of the `onnxruntime-gpu` package with CUDA and cuDNN;
    /// opening a model fails when the provider does not load, it never falls back to the CPU.
    Cuda,
}

/// A device name that is neither `cpu` nor `cuda`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected device `cpu` or `cuda`, got `{0}`")]
pub struct ParseDeviceError(String);

impl FromStr for Device {
    type Err = ParseDeviceError;

    fn from_str(name: &str) -> Result<Self, ParseDeviceError> {
        match name {
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda),
            other => Err(ParseDeviceError(other.to_owned())),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_go_there_and_back() {
        for device in [Device::Cpu, Device::Cuda] {
            assert_eq!(device.to_string().parse::<Device>().unwrap(), device);
        }
        let error = "CUDA".parse::<Device>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected device `cpu` or `cuda`, got `CUDA`"
        );
    }
}
