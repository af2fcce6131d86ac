//! Constants of a graph.

use crate::proto::{DataLocation, DataType, TensorProto};
use crate::shape::{Element, element_bytes, element_name};

impl TensorProto {
    /// An f32 tensor of these dimensions, in row-major order.
    pub fn f32(name: &str, dims: &[usize], values: &[f32]) -> Self {
        let raw_data = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        Self::raw(name, Element::F32, dims, raw_data)
    }

    /// An f64 tensor of these dimensions, in row-major order.
    pub fn f64(name: &str, dims: &[usize], values: &[f64]) -> Self {
        let raw_data = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        Self::raw(name, Element::F64, dims, raw_data)
    }

    /// An i64 tensor of these dimensions, in row-major order.
    pub fn i64(name: &str, dims: &[usize], values: &[i64]) -> Self {
        let raw_data = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        Self::raw(name, Element::I64, dims, raw_data)
    }

    /// A tensor of these elements, rounded to the element type.
    pub(crate) fn of_values(name: &str, element: Element, dims: &[usize], values: &[f64]) -> Self {
        let mut raw_data = Vec::new();
        for &value in values {
            match element {
                Element::F64 => raw_data.extend(value.to_le_bytes()),
                Element::F32 => raw_data.extend((value as f32).to_le_bytes()),
                Element::F16 => raw_data.extend(half::f16::from_f64(value).to_le_bytes()),
                Element::I64 => raw_data.extend((value as i64).to_le_bytes()),
                Element::I32 => raw_data.extend((value as i32).to_le_bytes()),
                Element::U8 => raw_data.push(value as u8),
                Element::Bool => raw_data.push(u8::from(value != 0.0)),
            }
        }
        Self::raw(name, element, dims, raw_data)
    }

    /// Its elements; integers beyond 2^53 are rounded.
    pub(crate) fn values(&self) -> Result<Vec<f64>, String> {
        if let Some(file) = self.external_file() {
            return Err(format!(
                "expected the elements of {:?}, got a reference to the file {file:?}",
                self.name
            ));
        }
        if let Some(fault) = self.fault() {
            return Err(format!("constant {:?}: {fault}", self.name));
        }
        let raw = self.raw_data.as_slice();
        let typed = raw.is_empty();
        let words = |list: &[i32]| list.iter().map(|&x| f64::from(x)).collect();
        Ok(match DataType::try_from(self.data_type) {
            Ok(DataType::Float) if typed => self.float_data.iter().map(|&x| x.into()).collect(),
            Ok(DataType::Float) => each(raw, |bytes| f32::from_le_bytes(bytes).into()),
            Ok(DataType::Double) if typed => self.double_data.clone(),
            Ok(DataType::Double) => each(raw, f64::from_le_bytes),
            Ok(DataType::Int64) if typed => self.int64_data.iter().map(|&x| x as f64).collect(),
            Ok(DataType::Int64) => each(raw, |bytes| i64::from_le_bytes(bytes) as f64),
            Ok(DataType::Int32 | DataType::Uint8 | DataType::Bool) if typed => {
                words(&self.int32_data)
            }
            Ok(DataType::Int32) => each(raw, |bytes| i32::from_le_bytes(bytes).into()),
            Ok(DataType::Uint8 | DataType::Bool) => raw.iter().map(|&x| x.into()).collect(),
            Ok(DataType::Float16) if typed => self
                .int32_data
                .iter()
                .map(|&bits| half::f16::from_bits(bits as u16).to_f64())
                .collect(),
            Ok(DataType::Float16) => each(raw, |bytes| half::f16::from_le_bytes(bytes).to_f64()),
            _ => {
                return Err(format!(
                    "expected numbers in {:?}, got {}",
                    self.name,
                    element_name(self.data_type)
                ));
            }
        })
    }

    fn raw(name: &str, element: Element, dims: &[usize], raw_data: Vec<u8>) -> Self {
        Self {
            dims: dims.iter().map(|&dim| dim as i64).collect(),
            data_type: element.data_type(),
            name: name.to_owned(),
            raw_data,
            ..Self::default()
        }
    }

    /// Number of elements by its dimensions; `None` where they are negative or overflow.
    pub fn elements(&self) -> Option<u64> {
        let size = |&dim: &i64| u64::try_from(dim).ok();
        self.dims
            .iter()
            .try_fold(1_u64, |product, dim| product.checked_mul(size(dim)?))
    }

    /// The file of the elements, relative to the model's folder, if they are not in the model.
    pub fn external_file(&self) -> Option<&str> {
        if self.data_location != DataLocation::External as i32 {
            return None;
        }
        let location = self
            .external_data
            .iter()
            .find(|entry| entry.key == "location");
        Some(location.map_or("", |entry| entry.value.as_str()))
    }

    /// What is wrong with it, if anything: dimensions that do not fit the elements.
    pub(crate) fn fault(&self) -> Option<String> {
        let Some(elements) = self.elements() else {
            return Some(format!("expected dimensions from 0, got {:?}", self.dims));
        };
        if self.external_file().is_some() {
            return None;
        }
        let bytes = element_bytes(self.data_type)? as u64;
        let typed = [
            self.float_data.len(),
            self.int32_data.len(),
            self.int64_data.len(),
            self.double_data.len(),
            self.uint64_data.len(),
        ];
        let typed = typed.iter().sum::<usize>() as u64;
        let raw = self.raw_data.len() as u64;
        // A complex number is two entries of a typed list.
        let fits = match (raw, typed) {
            (0, typed) => typed == elements || (bytes >= 8 && typed == 2 * elements),
            (raw, 0) => elements.checked_mul(bytes) == Some(raw),
            _ => false,
        };
        (!fits).then(|| {
            format!(
                "expected {elements} elements for {:?}, got {raw} bytes and {typed} values",
                self.dims
            )
        })
    }
}

fn each<const N: usize>(raw: &[u8], read: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    let (chunks, _) = raw.as_chunks::<N>();
    chunks.iter().map(|&bytes| read(bytes)).collect()
}
