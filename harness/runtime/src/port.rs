//! What a model takes and gives.

use std::fmt;

use ort::value::{Outlet, TensorElementType, ValueType};

/// Element type of a tensor, as far as this crate feeds or reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Element {
    /// 32-bit float.
    F32,
    /// 64-bit signed integer.
    I64,
    /// Anything else, by ONNX Runtime's short name (`f16`, `i32`), or a value that is no tensor.
    Other(String),
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::F32 => f.write_str("f32"),
            Self::I64 => f.write_str("i64"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

/// An input or output of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Name in the graph.
    pub name: String,
    /// Element type.
    pub element: Element,
    /// Dimensions; `None` where the model leaves one open. Empty for a scalar (rank 0).
    pub dims: Vec<Option<usize>>,
}

impl Port {
    pub(crate) fn new(outlet: &Outlet) -> Self {
        let (element, dims) = match outlet.dtype() {
            ValueType::Tensor { ty, shape, .. } => (
                match ty {
                    TensorElementType::Float32 => Element::F32,
                    TensorElementType::Int64 => Element::I64,
                    other => Element::Other(other.to_string()),
                },
                shape.iter().map(|&dim| usize::try_from(dim).ok()).collect(),
            ),
            other => (Element::Other(other.to_string()), Vec::new()),
        };
        Self {
            name: outlet.name().to_owned(),
            element,
            dims,
        }
    }

    /// The shape in words, `?` where the model leaves a dimension open: `f32 [?, 1, 28, 28]`.
    pub fn shape(&self) -> String {
        let dims: Vec<String> = self
            .dims
            .iter()
            .map(|dim| dim.map_or_else(|| "?".to_owned(), |dim| dim.to_string()))
            .collect();
        format!("{} [{}]", self.element, dims.join(", "))
    }

    /// Whether a tensor of this shape fits.
    pub(crate) fn fits(&self, shape: &[usize]) -> bool {
        self.dims.len() == shape.len()
            && self
                .dims
                .iter()
                .zip(shape)
                .all(|(want, got)| want.is_none_or(|want| want == *got))
    }
}
