//! Einsum of one or two operands with a letter for every axis.

use crate::error::Error;
use crate::evaluate::array;
use crate::gradient::Vjp;
use crate::node::Call;
use crate::proto::AttributeProto;
use crate::value::{Type, Value};

use super::Array;
use super::window::corners;

/// Letters of the operands and of the result.
struct Equation {
    operands: Vec<Vec<char>>,
    result: Vec<char>,
}

fn parse(call: &Call<'_>) -> Result<Equation, String> {
    let text: String = call.node.text("equation", "").split_whitespace().collect();
    let (left, right) = match text.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (text.as_str(), None),
    };
    let operands: Vec<Vec<char>> = left.split(',').map(|list| list.chars().collect()).collect();
    let result: Vec<char> = match right {
        Some(right) => right.chars().collect(),
        None => {
            // Without a result it has the letters that are there once, in their order.
            let mut letters: Vec<char> = left.chars().filter(|c| *c != ',').collect();
            letters.sort_unstable();
            let once = |letter: &char| left.matches(*letter).count() == 1;
            letters.into_iter().filter(once).collect()
        }
    };
    let distinct = |list: &[char]| {
        let mut sorted = list.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        sorted.len() == list.len() && list.iter().all(char::is_ascii_alphabetic)
    };
    let known = |letter: &char| operands.iter().any(|operand| operand.contains(letter));
    let plain = operands.iter().chain([&result]).all(|list| distinct(list));
    if operands.len() != call.node.inputs.len() || operands.len() > 2 || !plain {
        return Err(format!(
            "expected one or two operands with one letter an axis, got {text:?} for {} inputs",
            call.node.inputs.len()
        ));
    }
    if !result.iter().all(known) {
        return Err(format!(
            "expected a result of the operands' letters, got {text:?}"
        ));
    }
    Ok(Equation { operands, result })
}

/// All letters, those of the result first, with their sizes.
fn sizes(call: &Call<'_>, equation: &Equation) -> Result<Vec<(char, usize)>, String> {
    let mut sizes: Vec<(char, usize)> = equation.result.iter().map(|&c| (c, 0)).collect();
    for (place, letters) in equation.operands.iter().enumerate() {
        let shape = call.shape(place)?;
        if shape.len() != letters.len() {
            return Err(format!(
                "expected input {place} of {} axes, got {shape:?}",
                letters.len()
            ));
        }
        for (&letter, &size) in letters.iter().zip(shape) {
            match sizes.iter_mut().find(|(known, _)| *known == letter) {
                None => sizes.push((letter, size)),
                Some((_, known)) if *known == 0 => *known = size,
                Some((_, known)) if *known == size => {}
                Some((_, known)) => {
                    return Err(format!("expected size {known} for {letter:?}, got {size}"));
                }
            }
        }
    }
    Ok(sizes)
}

pub(crate) fn infer(call: &Call<'_>) -> Result<Vec<Type>, String> {
    let equation = parse(call)?;
    let sizes = sizes(call, &equation)?;
    let shape: Vec<usize> = sizes[..equation.result.len()]
        .iter()
        .map(|(_, size)| *size)
        .collect();
    Ok(vec![Type::new(call.kind(0)?.element, &shape)])
}

pub(crate) fn evaluate(call: &Call<'_>, inputs: &[Option<&Array>]) -> Result<Vec<Array>, String> {
    let equation = parse(call)?;
    let sizes = sizes(call, &equation)?;
    let (outer, inner) = sizes.split_at(equation.result.len());
    let extent = |list: &[(char, usize)]| list.iter().map(|(_, size)| *size).collect::<Vec<_>>();
    let place = |letter: char| {
        sizes
            .iter()
            .position(|(known, _)| *known == letter)
            .unwrap_or(0)
    };
    let axes: Vec<Vec<usize>> = equation
        .operands
        .iter()
        .map(|letters| letters.iter().map(|&letter| place(letter)).collect())
        .collect();
    let summed = corners(&extent(inner));
    let mut values = Vec::new();
    for kept in corners(&extent(outer)) {
        let mut sum = 0.0;
        for rest in &summed {
            let index = [kept.as_slice(), rest].concat();
            let mut product = 1.0;
            for (axes, input) in axes.iter().zip(inputs) {
                let at: Vec<usize> = axes.iter().map(|&axis| index[axis]).collect();
                product *= input.ok_or("expected an input, got none")?[at.as_slice()];
            }
            sum += product;
        }
        values.push(sum);
    }
    Ok(vec![array(&extent(outer), values)?])
}

/// The cotangent takes the operand's place in the product; letters that were summed over alone are
/// broadcast.
pub(crate) fn vjp(vjp: &mut Vjp<'_>) -> Result<Vec<Option<Value>>, Error> {
    let dy = vjp.dy()?;
    let equation = parse(&vjp.call()).map_err(|what| vjp.fault(&what))?;
    let operands = &equation.operands;
    let mut made = vec![None; operands.len()];
    for place in 0..operands.len() {
        if !vjp.needs(place) {
            continue;
        }
        let x = vjp.x(place)?;
        let other = (operands.len() == 2).then_some(1 - place);
        let other_letters = other.map_or(&[][..], |other| &operands[other]);
        let there =
            |letter: &char| equation.result.contains(letter) || other_letters.contains(letter);
        let kept: Vec<char> = operands[place].iter().copied().filter(there).collect();
        let text = |letters: &[char]| letters.iter().collect::<String>();
        let mut inputs = vec![dy];
        let mut left = text(&equation.result);
        if let Some(other) = other {
            inputs.push(vjp.x(other)?);
            left = format!("{left},{}", text(other_letters));
        }
        let equation = AttributeProto::string("equation", &format!("{left}->{}", text(&kept)));
        let graph = &mut *vjp.graph;
        let product = graph.op_with("Einsum", &inputs, vec![equation])?;
        let shape = graph.shape(x).to_vec();
        let sized = operands[place].iter().zip(&shape);
        let ones: Vec<usize> = sized
            .map(|(c, &size)| if there(c) { size } else { 1 })
            .collect();
        let product = graph.reshape(product, &ones)?;
        made[place] = Some(graph.expand(product, &shape)?);
    }
    Ok(made)
}
