//! The operators: sizes, evaluation and gradient of each family side by side.

mod activation;
mod arithmetic;
mod cast;
mod constant;
mod conv;
mod conv_weight;
mod einsum;
mod gather;
mod layout;
mod linear;
mod logic;
mod norm;
mod pad;
mod pieces;
mod pool;
mod reduce;
mod resize;
mod softmax;
mod table;
mod window;

pub(crate) use table::{Array, Operator, find, stops};
