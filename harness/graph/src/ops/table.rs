//! Which functions serve which operator.

use ndarray::ArrayD;

use crate::error::Error;
use crate::gradient::Vjp;
use crate::node::Call;
use crate::value::{Type, Value};

use super::{
    activation, arithmetic, cast, constant, conv, einsum, gather, layout, linear, logic, norm, pad,
    pieces, pool, reduce, resize, softmax,
};

/// Elements of a value, in row-major order.
pub(crate) type Array = ArrayD<f64>;

/// Types of all outputs that an operator can have.
pub(crate) type Infer = fn(&Call<'_>) -> Result<Vec<Type>, String>;
/// Outputs, as many as were inferred or fewer at the end. Inputs are in row-major order.
pub(crate) type Evaluate = fn(&Call<'_>, &[Option<&Array>]) -> Result<Vec<Array>, String>;
/// Cotangents of the inputs that need one, by place.
pub(crate) type Pullback = fn(&mut Vjp<'_>) -> Result<Vec<Option<Value>>, Error>;

/// What there is to know of an operator.
#[derive(Clone, Copy)]
pub(crate) struct Operator {
    pub(crate) infer: Infer,
    pub(crate) evaluate: Evaluate,
    /// None where it has no gradient here.
    pub(crate) vjp: Option<Pullback>,
}

/// An operator by its name; the default domain only.
pub(crate) fn find(domain: &str, op_type: &str) -> Option<&'static Operator> {
    if !matches!(domain, "" | "ai.onnx") {
        return None;
    }
    TABLE
        .iter()
        .find(|(name, _)| *name == op_type)
        .map(|(_, operator)| operator)
}

/// Whether an operator's outputs are no function of its inputs' values that has a derivative: sizes,
/// truth values and integers.
pub(crate) fn stops(op_type: &str) -> bool {
    const STOPS: [&str; 16] = [
        "And",
        "ConstantOfShape",
        "Equal",
        "Greater",
        "GreaterOrEqual",
        "IsNaN",
        "Less",
        "LessOrEqual",
        "Mod",
        "Not",
        "Or",
        "Range",
        "Shape",
        "Size",
        "Constant",
        "Xor",
    ];
    STOPS.contains(&op_type)
}

const fn with(infer: Infer, evaluate: Evaluate, vjp: Pullback) -> Operator {
    Operator {
        infer,
        evaluate,
        vjp: Some(vjp),
    }
}

const fn without(infer: Infer, evaluate: Evaluate) -> Operator {
    Operator {
        infer,
        evaluate,
        vjp: None,
    }
}

const UNARY: Operator = with(activation::infer, activation::evaluate, activation::vjp);
const BINARY: Operator = with(arithmetic::infer, arithmetic::evaluate, arithmetic::vjp);
const SUMMED: Operator = with(reduce::infer, reduce::evaluate, reduce::vjp);
const REDUCED: Operator = without(reduce::infer, reduce::evaluate);
const RESHAPED: Operator = with(
    layout::infer_reshape,
    layout::evaluate_reshape,
    layout::vjp_reshape,
);
const COMPARED: Operator = without(logic::infer_binary, logic::evaluate_binary);
const STEP: Operator = without(activation::infer, activation::evaluate);

static TABLE: &[(&str, Operator)] = &[
    ("Abs", UNARY),
    ("Add", BINARY),
    ("And", COMPARED),
    (
        "AveragePool",
        with(pool::infer, pool::evaluate_average, pool::vjp_average),
    ),
    (
        "BatchNormalization",
        with(norm::infer_batch, norm::evaluate_batch, norm::vjp_batch),
    ),
    ("Cast", with(cast::infer, cast::evaluate, cast::vjp)),
    ("CastLike", with(cast::infer, cast::evaluate, cast::vjp)),
    ("Ceil", STEP),
    (
        "Clip",
        with(logic::infer_clip, logic::evaluate_clip, logic::vjp_clip),
    ),
    (
        "Concat",
        with(
            pieces::infer_concat,
            pieces::evaluate_concat,
            pieces::vjp_concat,
        ),
    ),
    (
        "Constant",
        without(constant::infer_constant, constant::evaluate_constant),
    ),
    (
        "ConstantOfShape",
        without(constant::infer_filled, constant::evaluate_filled),
    ),
    ("Conv", with(conv::infer, conv::evaluate, conv::vjp)),
    (
        "ConvTranspose",
        with(
            conv::infer_transposed,
            conv::evaluate_transposed,
            conv::vjp_transposed,
        ),
    ),
    ("Cos", UNARY),
    ("Div", BINARY),
    (
        "Dropout",
        with(cast::infer_same, cast::evaluate_same, cast::vjp_same),
    ),
    ("Einsum", with(einsum::infer, einsum::evaluate, einsum::vjp)),
    ("Equal", COMPARED),
    ("Erf", UNARY),
    ("Exp", UNARY),
    (
        "Expand",
        with(
            layout::infer_expand,
            layout::evaluate_expand,
            layout::vjp_expand,
        ),
    ),
    ("Flatten", RESHAPED),
    ("Floor", STEP),
    ("Gather", with(gather::infer, gather::evaluate, gather::vjp)),
    ("Gelu", UNARY),
    (
        "Gemm",
        with(linear::infer_gemm, linear::evaluate_gemm, linear::vjp_gemm),
    ),
    (
        "GlobalAveragePool",
        with(pool::infer_global, pool::evaluate_global, pool::vjp_global),
    ),
    ("Greater", COMPARED),
    ("GreaterOrEqual", COMPARED),
    (
        "GroupNormalization",
        with(norm::infer_first, norm::evaluate_group, norm::vjp_group),
    ),
    (
        "Identity",
        with(cast::infer_same, cast::evaluate_same, cast::vjp_same),
    ),
    (
        "InstanceNormalization",
        with(
            norm::infer_first,
            norm::evaluate_instance,
            norm::vjp_instance,
        ),
    ),
    ("IsNaN", without(logic::infer_unary, logic::evaluate_unary)),
    (
        "LayerNormalization",
        with(norm::infer_layer, norm::evaluate_layer, norm::vjp_layer),
    ),
    ("LeakyRelu", UNARY),
    ("Less", COMPARED),
    ("LessOrEqual", COMPARED),
    ("Log", UNARY),
    (
        "LogSoftmax",
        with(softmax::infer, softmax::evaluate, softmax::vjp),
    ),
    (
        "MatMul",
        with(
            linear::infer_matmul,
            linear::evaluate_matmul,
            linear::vjp_matmul,
        ),
    ),
    ("Max", without(arithmetic::infer, arithmetic::evaluate)),
    (
        "MaxPool",
        with(pool::infer_max, pool::evaluate_max, pool::vjp_max),
    ),
    ("Min", without(arithmetic::infer, arithmetic::evaluate)),
    ("Mod", without(arithmetic::infer, arithmetic::evaluate)),
    ("Mul", BINARY),
    ("Neg", UNARY),
    ("Not", without(logic::infer_unary, logic::evaluate_unary)),
    ("Or", COMPARED),
    ("Pad", with(pad::infer, pad::evaluate, pad::vjp)),
    ("Pow", BINARY),
    (
        "Range",
        without(constant::infer_range, constant::evaluate_range),
    ),
    ("Reciprocal", UNARY),
    ("ReduceMax", REDUCED),
    ("ReduceMean", SUMMED),
    ("ReduceMin", REDUCED),
    ("ReduceProd", REDUCED),
    ("ReduceSum", SUMMED),
    ("Relu", UNARY),
    ("Reshape", RESHAPED),
    ("Resize", with(resize::infer, resize::evaluate, resize::vjp)),
    ("Round", STEP),
    (
        "ScatterElements",
        without(gather::infer_scatter, gather::evaluate_scatter),
    ),
    (
        "Shape",
        without(constant::infer_shape, constant::evaluate_shape),
    ),
    ("Sigmoid", UNARY),
    ("Sign", STEP),
    ("Sin", UNARY),
    (
        "Size",
        without(constant::infer_size, constant::evaluate_size),
    ),
    (
        "Slice",
        with(
            pieces::infer_slice,
            pieces::evaluate_slice,
            pieces::vjp_slice,
        ),
    ),
    (
        "Softmax",
        with(softmax::infer, softmax::evaluate, softmax::vjp),
    ),
    (
        "Split",
        with(
            pieces::infer_split,
            pieces::evaluate_split,
            pieces::vjp_split,
        ),
    ),
    ("Sqrt", UNARY),
    ("Squeeze", RESHAPED),
    ("Sub", BINARY),
    ("Tanh", UNARY),
    (
        "Tile",
        with(layout::infer_tile, layout::evaluate_tile, layout::vjp_tile),
    ),
    (
        "Transpose",
        with(
            layout::infer_transpose,
            layout::evaluate_transpose,
            layout::vjp_transpose,
        ),
    ),
    ("Unsqueeze", RESHAPED),
    (
        "Where",
        with(logic::infer_where, logic::evaluate_where, logic::vjp_where),
    ),
    ("Xor", COMPARED),
];
