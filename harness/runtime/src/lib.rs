//! Finds ONNX Runtime and runs models with it, deterministically.
