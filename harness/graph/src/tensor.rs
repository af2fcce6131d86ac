//! Constants of a graph.

use crate::proto::{DataLocation, TensorProto};
use crate::shape::{Element, element_bytes};

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
