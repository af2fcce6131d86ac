//! A panic must not reach the boundary: abi_stable ends the process there.

use std::panic::{AssertUnwindSafe, catch_unwind};

use eidetic_abi::error::AbiResult;
use eidetic_abi::model::Batch as AbiBatch;
use eidetic_abi::tensor::TensorMut;
use ndarray::ArrayViewMut4;

use crate::batch::Batch;
use crate::error::{Error, ErrorCode, Result};
use crate::view::write4;

/// Runs `work`; a panic comes back as an error with the panic's message.
pub(crate) fn guard<T>(work: impl FnOnce() -> Result<T>) -> AbiResult<T> {
    // Whatever a panic leaves half done is the plugin's own state, and its cell has failed.
    let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_string())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic without a message".into());
        // Dropping a payload may panic as well, so it is left alone.
        std::mem::forget(panic);
        Err(Error::new(ErrorCode::Panic, format!("panicked: {message}")))
    });
    result.map_err(Into::into).into()
}

/// As [`guard`], for calls that cannot fail: a panic gives `fallback`.
pub(crate) fn guard_or<T>(fallback: T, work: impl FnOnce() -> T) -> T {
    guard(|| Ok(work())).into_result().unwrap_or(fallback)
}

/// A result from the other side.
pub(crate) fn open<T>(result: AbiResult<T>) -> Result<T> {
    result.into_result().map_err(Into::into)
}

/// A batch and where its rows go, as they arrive: of so many rows, of one height and width.
pub(crate) fn call<'a>(
    batch: &AbiBatch<'a>,
    out: TensorMut<'a>,
) -> Result<(Batch<'a>, ArrayViewMut4<'a, f32>)> {
    let (batch, out) = (Batch::from_abi(batch)?, write4(out, "out")?);
    let (rows, _, height, width) = batch.x.dim();
    let (got, c, h, w) = out.dim();
    if (rows, height, width) != (got, h, w) {
        return Err(Error::bad_input(format!(
            "out: expected [{rows}, C, {height}, {width}] as x has, got [{got}, {c}, {h}, {w}]"
        )));
    }
    Ok((batch, out))
}
