//! Element types and shapes of tensors.

use std::fmt;

use crate::proto::{
    DataType, DimensionProto, DimensionValue, TensorShapeProto, TensorTypeProto, TypeProto,
    TypeValue, ValueInfoProto,
};

/// The element types that graphs are built of here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Element {
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
    /// 64-bit signed integer.
    I64,
    /// 16-bit float.
    F16,
    /// 32-bit signed integer.
    I32,
    /// 8-bit unsigned integer.
    U8,
    /// Truth value.
    Bool,
}

impl Element {
    /// ONNX's number of it.
    pub fn data_type(self) -> i32 {
        match self {
            Self::F32 => DataType::Float as i32,
            Self::F64 => DataType::Double as i32,
            Self::I64 => DataType::Int64 as i32,
            Self::F16 => DataType::Float16 as i32,
            Self::I32 => DataType::Int32 as i32,
            Self::U8 => DataType::Uint8 as i32,
            Self::Bool => DataType::Bool as i32,
        }
    }

    /// The one with this number in ONNX; `None` for what graphs are not built of here.
    pub fn of(data_type: i32) -> Option<Self> {
        let all = [
            Self::F32,
            Self::F64,
            Self::I64,
            Self::F16,
            Self::I32,
            Self::U8,
            Self::Bool,
        ];
        all.into_iter()
            .find(|element| element.data_type() == data_type)
    }

    /// Whether it has gradients.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::F32 | Self::F64)
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(element_name(self.data_type()))
    }
}

/// One dimension of an input or output.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Dim {
    /// A size.
    Fixed(usize),
    /// The name of a size that is known when it is run.
    Named(String),
    /// Not said.
    Open,
}

/// Type of a tensor, for reading and for people: `f32 [batch, 1, 28, 28]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorType {
    /// A [`DataType`] of ONNX.
    pub data_type: i32,
    /// Its dimensions; `None` where not even the rank is said.
    pub dims: Option<Vec<Dim>>,
}

impl TensorType {
    /// The type of a value; `None` for what is no tensor.
    pub fn of(value: &ValueInfoProto) -> Option<Self> {
        let Some(TypeValue::Tensor(tensor)) = value.r#type.as_ref()?.value.as_ref() else {
            return None;
        };
        let dim = |dim: &DimensionProto| match &dim.value {
            Some(DimensionValue::DimValue(size)) => {
                usize::try_from(*size).map_or(Dim::Open, Dim::Fixed)
            }
            Some(DimensionValue::DimParam(name)) if !name.is_empty() => Dim::Named(name.clone()),
            _ => Dim::Open,
        };
        let dims = tensor
            .shape
            .as_ref()
            .map(|shape| shape.dim.iter().map(dim).collect());
        Some(Self {
            data_type: tensor.elem_type,
            dims,
        })
    }

    /// Whether its elements are of this type.
    pub fn is(&self, element: Element) -> bool {
        self.data_type == element.data_type()
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(element_name(self.data_type))?;
        let Some(dims) = &self.dims else {
            return f.write_str(" of unknown shape");
        };
        let dims: Vec<String> = dims.iter().map(ToString::to_string).collect();
        write!(f, " [{}]", dims.join(", "))
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(size) => write!(f, "{size}"),
            Self::Named(name) => f.write_str(name),
            Self::Open => f.write_str("?"),
        }
    }
}

/// A name and its type, as it stands in a graph.
pub(crate) fn value_info(name: &str, element: Element, dims: &[Dim]) -> ValueInfoProto {
    let dim = |dim: &Dim| DimensionProto {
        value: match dim {
            Dim::Fixed(size) => Some(DimensionValue::DimValue(*size as i64)),
            Dim::Named(name) => Some(DimensionValue::DimParam(name.clone())),
            Dim::Open => None,
        },
        denotation: String::new(),
    };
    let tensor = TensorTypeProto {
        elem_type: element.data_type(),
        shape: Some(TensorShapeProto {
            dim: dims.iter().map(dim).collect(),
        }),
    };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto {
            value: Some(TypeValue::Tensor(tensor)),
            ..TypeProto::default()
        }),
        ..ValueInfoProto::default()
    }
}

/// A short name of an element type, as the rest of the project writes them.
pub(crate) fn element_name(data_type: i32) -> &'static str {
    match DataType::try_from(data_type) {
        Ok(DataType::Float) => "f32",
        Ok(DataType::Uint8) => "u8",
        Ok(DataType::Int8) => "i8",
        Ok(DataType::Uint16) => "u16",
        Ok(DataType::Int16) => "i16",
        Ok(DataType::Int32) => "i32",
        Ok(DataType::Int64) => "i64",
        Ok(DataType::String) => "string",
        Ok(DataType::Bool) => "bool",
        Ok(DataType::Float16) => "f16",
        Ok(DataType::Double) => "f64",
        Ok(DataType::Uint32) => "u32",
        Ok(DataType::Uint64) => "u64",
        Ok(DataType::Complex64) => "c64",
        Ok(DataType::Complex128) => "c128",
        Ok(DataType::Bfloat16) => "bf16",
        Ok(DataType::Undefined) | Err(_) => "unknown",
    }
}

/// Bytes of one element in `raw_data`; `None` where elements have no fixed size of whole bytes.
pub(crate) fn element_bytes(data_type: i32) -> Option<usize> {
    Some(match DataType::try_from(data_type).ok()? {
        DataType::Uint8 | DataType::Int8 | DataType::Bool => 1,
        DataType::Uint16 | DataType::Int16 | DataType::Float16 | DataType::Bfloat16 => 2,
        DataType::Float | DataType::Int32 | DataType::Uint32 => 4,
        DataType::Int64 | DataType::Double | DataType::Uint64 | DataType::Complex64 => 8,
        DataType::Complex128 => 16,
        DataType::Undefined | DataType::String => return None,
    })
}
