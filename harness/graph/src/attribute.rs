//! Attributes of operators.

use crate::proto::{AttributeProto, AttributeType, TensorProto};

impl AttributeProto {
    /// An integer.
    pub fn int(name: &str, value: i64) -> Self {
        Self {
            i: value,
            ..Self::of(name, AttributeType::Int)
        }
    }

    /// A list of integers.
    pub fn ints(name: &str, values: &[i64]) -> Self {
        Self {
            ints: values.to_vec(),
            ..Self::of(name, AttributeType::Ints)
        }
    }

    /// A float.
    pub fn float(name: &str, value: f32) -> Self {
        Self {
            f: value,
            ..Self::of(name, AttributeType::Float)
        }
    }

    /// A list of floats.
    pub fn floats(name: &str, values: &[f32]) -> Self {
        Self {
            floats: values.to_vec(),
            ..Self::of(name, AttributeType::Floats)
        }
    }

    /// Text.
    pub fn string(name: &str, value: &str) -> Self {
        Self {
            s: value.as_bytes().to_vec(),
            ..Self::of(name, AttributeType::String)
        }
    }

    /// A tensor.
    pub fn tensor(name: &str, value: TensorProto) -> Self {
        Self {
            t: Some(value),
            ..Self::of(name, AttributeType::Tensor)
        }
    }

    fn of(name: &str, kind: AttributeType) -> Self {
        Self {
            name: name.to_owned(),
            r#type: kind as i32,
            ..Self::default()
        }
    }
}
