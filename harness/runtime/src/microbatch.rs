//! One microbatch after another through one session.

use ndarray::{ArrayD, ArrayViewD, Axis, Slice};
use ort::memory::Allocator;
use ort::session::{HasSelectedOutputs, OutputSelector, RunOptions, Session, SessionInputValue};
use ort::value::{PrimitiveTensorElementType, Tensor};

use crate::{Error, Feed, Value};

/// The tensors that one worker fills again for each microbatch.
///
/// Rows are copied into tensors that ONNX Runtime allocated, aligned, instead of being borrowed:
/// the bits of a result can depend on where the caller's memory begins. `ReduceMean` over 37 floats
/// gave four different results for sixteen alignments of the same input (ONNX Runtime 1.24.4). The
/// copy is small beside a pass.
pub(crate) struct Microbatches<'a> {
    model: &'a str,
    outputs: &'a [&'a str],
    staged: Vec<(&'a str, Staged<'a>)>,
    options: RunOptions<HasSelectedOutputs>,
    microbatch: usize,
}

/// An input's tensor, with the rows that it is filled from; `None` for a constant.
enum Staged<'a> {
    F32(Tensor<f32>, Option<ArrayViewD<'a, f32>>),
    ThenZeros(Tensor<f32>, ArrayViewD<'a, f32>),
    I64(Tensor<i64>, Option<ArrayViewD<'a, i64>>),
}

impl<'a> Microbatches<'a> {
    /// Makes the tensors. The feeds have been checked: `[rows, ...]` or constant.
    pub(crate) fn new(
        model: &'a str,
        feeds: &'a [Feed<'_>],
        outputs: &'a [&'a str],
        microbatch: usize,
    ) -> Result<Self, Error> {
        let failed = |error: ort::Error| Error::Run {
            model: model.to_owned(),
            reason: error.to_string(),
        };
        let staged = feeds
            .iter()
            .map(|feed| Ok((feed.name, Staged::new(&feed.value, microbatch)?)))
            .collect::<ort::Result<_>>()
            .map_err(failed)?;
        let selected = outputs
            .iter()
            .fold(OutputSelector::no_default(), |selected, name| {
                selected.with(*name)
            });
        let options = RunOptions::new().map_err(failed)?.with_outputs(selected);
        Ok(Self {
            model,
            outputs,
            staged,
            options,
            microbatch,
        })
    }

    /// Runs microbatch `index` and returns the outputs.
    pub(crate) fn run(
        &mut self,
        session: &mut Session,
        index: usize,
    ) -> Result<Vec<ArrayD<f32>>, Error> {
        let failed = |error: ort::Error| Error::Run {
            model: self.model.to_owned(),
            reason: error.to_string(),
        };
        for (_, staged) in &mut self.staged {
            staged.fill(index * self.microbatch, self.microbatch);
        }
        let inputs: Vec<(&str, SessionInputValue<'_>)> = self
            .staged
            .iter()
            .map(|(name, staged)| (*name, staged.value()))
            .collect();
        let values = session
            .run_with_options(inputs, &self.options)
            .map_err(failed)?;
        let mut outputs = Vec::with_capacity(self.outputs.len());
        for name in self.outputs {
            let value = values[*name].try_extract_array::<f32>().map_err(failed)?;
            outputs.push(value.to_owned());
        }
        Ok(outputs)
    }
}

impl<'a> Staged<'a> {
    fn new(value: &'a Value<'_>, microbatch: usize) -> ort::Result<Self> {
        Ok(match value {
            Value::Rows(rows) => Self::F32(batch(rows, microbatch)?, Some(rows.view())),
            Value::RowsThenZeros(rows) => Self::ThenZeros(batch(rows, microbatch)?, rows.view()),
            Value::RowsI64(rows) => Self::I64(batch(rows, microbatch)?, Some(rows.view())),
            Value::Constant(constant) => Self::F32(copy(constant)?, None),
            Value::ConstantI64(constant) => Self::I64(copy(constant)?, None),
        })
    }

    fn fill(&mut self, start: usize, microbatch: usize) {
        match self {
            Self::F32(tensor, Some(rows)) => {
                fill(tensor, rows, start, microbatch);
            }
            Self::ThenZeros(tensor, rows) => {
                let filled = fill(tensor, rows, start, microbatch);
                let mut tensor = tensor.extract_array_mut();
                tensor
                    .slice_axis_mut(Axis(0), Slice::from(filled..))
                    .fill(0.0);
            }
            Self::I64(tensor, Some(rows)) => {
                fill(tensor, rows, start, microbatch);
            }
            Self::F32(_, None) | Self::I64(_, None) => {}
        }
    }

    fn value(&self) -> SessionInputValue<'_> {
        match self {
            Self::F32(tensor, _) | Self::ThenZeros(tensor, _) => tensor.into(),
            Self::I64(tensor, _) => tensor.into(),
        }
    }
}

/// An empty tensor for one microbatch of these rows.
fn batch<T: PrimitiveTensorElementType + std::fmt::Debug>(
    rows: &ArrayViewD<'_, T>,
    microbatch: usize,
) -> ort::Result<Tensor<T>> {
    let mut shape = rows.shape().to_owned();
    shape[0] = microbatch;
    Tensor::new(&Allocator::default(), shape)
}

fn copy<T: PrimitiveTensorElementType + std::fmt::Debug + Clone>(
    constant: &ArrayViewD<'_, T>,
) -> ort::Result<Tensor<T>> {
    let mut tensor = Tensor::new(&Allocator::default(), constant.shape().to_owned())?;
    tensor.extract_array_mut().assign(constant);
    Ok(tensor)
}

/// Copies the rows from `start` on, and says how many; where they end, repeats the last one.
fn fill<T: PrimitiveTensorElementType + std::fmt::Debug + Clone>(
    tensor: &mut Tensor<T>,
    rows: &ArrayViewD<'_, T>,
    start: usize,
    microbatch: usize,
) -> usize {
    let mut target = tensor.extract_array_mut();
    let end = rows.len_of(Axis(0)).min(start + microbatch);
    let (mut whole, mut rest) = target.view_mut().split_at(Axis(0), end - start);
    whole.assign(&rows.slice_axis(Axis(0), Slice::from(start..end)));
    for mut row in rest.outer_iter_mut() {
        row.assign(&rows.index_axis(Axis(0), end - 1));
    }
    end - start
}
