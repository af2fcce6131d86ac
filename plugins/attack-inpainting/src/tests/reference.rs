//! RePaint, DDNM and DPS as written in PyTorch, in the authors' variables:
//! `tests/fixtures/make_solvers.py`.

use serde_json::Value;

use super::*;
use crate::plugin::levels;
use crate::solver::Solver;
use crate::walk::Walk;
use crate::{Ddnm, Dps, RePaint};

fn numbers(value: &Value) -> Vec<f64> {
    let row = |value: &Value| match value {
        Value::Array(_) => numbers(value),
        number => vec![number.as_f64().unwrap()],
    };
    value.as_array().unwrap().iter().flat_map(row).collect()
}

/// Uniform noise of variance 1, as the script draws it.
fn draw(state: &mut u32, values: &mut [f64]) {
    for value in values {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *value = (f64::from(*state >> 8) / f64::from(1 << 23) - 1.0) * 3.0_f64.sqrt();
    }
}

#[test]
fn solvers_agree_with_an_independent_implementation() {
    let fixture = include_str!("../../tests/fixtures/solvers.json");
    let fixture: Value = serde_json::from_str(fixture).unwrap();
    let dim = (2, 2, 3, 4);
    let singles = numbers(&fixture["given"]).into_iter().map(|v| v as f32);
    let given = Array4::from_shape_vec(dim, singles.collect()).unwrap();
    let flags = numbers(&fixture["known"]).into_iter().map(|v| v as u8);
    let known = Array3::from_shape_vec((2, 3, 4), flags.collect()).unwrap();
    let images = fixture["images"].as_array().unwrap();
    let form = Mixture {
        images: images.iter().map(numbers).collect(),
        variance: fixture["variance"].as_f64().unwrap(),
    };
    let mut model = Model::new(form, [2, 3, 4]);
    model.info.schedule = numbers(&fixture["sigmas"]);
    model.info.sigma_max = *model.info.schedule.last().unwrap();

    let steps = 12;
    let repaint = RePaint {
        steps,
        jump_length: 3,
        resampling: 2,
        ..RePaint::default()
    };
    let ddnm = Ddnm {
        steps,
        jump_length: 2,
        resampling: 3,
        ..Ddnm::default()
    };
    let dps = Dps {
        steps,
        zeta: 0.8,
        ..Dps::default()
    };
    let solvers: [(&str, &dyn Solver); 3] = [("repaint", &repaint), ("ddnm", &ddnm), ("dps", &dps)];
    for (name, solver) in solvers {
        let service = Service::new(&model, Access::Gradient, Vec::new(), u64::MAX);
        let levels = levels(solver, &model.info).unwrap();
        let mut states = [1, 2];
        let mut draw = |row: usize, values: &mut [f64]| draw(&mut states[row], values);
        let walk = Walk::new(&service, &[0, 1], given.view(), known.view(), &mut draw);
        let x = walk.solve(solver, &levels, &Run::default()).unwrap();
        let expected = numbers(&fixture[name]);
        assert_eq!(x.len(), expected.len());
        for (at, (got, want)) in x.iter().zip(&expected).enumerate() {
            let off = (got - want).abs() / want.abs().max(0.01);
            assert!(off < 1e-4, "{name}, value {at}: {got} against {want}");
        }
    }
}
