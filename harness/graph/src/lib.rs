//! ONNX graphs as values.
