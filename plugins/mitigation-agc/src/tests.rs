#![allow(clippy::unwrap_used)]

use eidetic_sdk::batch::condition_values;
use eidetic_sdk::ndarray::{ArrayViewMut4, arr1};
use eidetic_sdk::registration::{make_mitigation, resolve_options};
use eidetic_sdk::{batch, conformance};

use super::*;

/// D is off by a known error an image: the one at its identity, plus the label where there is one.
struct Off(Vec<f32>);

impl Trainer for Off {
    fn seed(&self) -> u64 {
        0
    }
    fn denoise(&self, batch: Batch<'_>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        for (row, mut out) in out.outer_iter_mut().enumerate() {
            // x0 is 0.5 everywhere.
            let mut error = self.0[batch.row_id[row] as usize];
            if let Some(label) = batch.condition("class") {
                error += condition_values::<i64>(label)?[[row]] as f32;
            }
            out.fill(0.5 + error);
        }
        Ok(())
    }
    fn denoise_ema(&self, _: Batch<'_>, _: ArrayViewMut4<'_, f32>) -> Result<()> {
        Err(Error::unsupported("denoise_ema"))
    }
}

/// Images half 0, half 255: sd = 1.
fn make(options: &str) -> Box<dyn Mitigation> {
    let images = Array4::from_shape_vec((1, 1, 1, 2), vec![0, 255]).unwrap();
    let set = TrainingSet {
        images: images.view(),
        labels: None,
        index: &[0],
        classes: 0,
    };
    make_mitigation(&registrations()[0], options, set).unwrap()
}

/// A step over images of these identities, all at sigma 1.
fn step(agc: &dyn Mitigation, index: &[u64], trainer: &Off) -> Result<Vec<TrainingGroup>> {
    let x0 = Array4::from_elem((index.len(), 1, 1, 2), 0.5);
    let noise = Array4::from_shape_fn(x0.dim(), |(row, _, _, x)| (2 * row + x) as f32);
    let batch = TrainingBatch {
        step: 4,
        index,
        x0: x0.view(),
        sigma: &vec![1.0; index.len()],
        noise: noise.view(),
        conditions: &[],
    };
    agc.batch(batch, trainer)
}

#[test]
fn a_sample_of_low_loss_is_left_out_and_the_rest_weighs_more() {
    let agc = make("{}");
    // w(1) = 2 with sd = 1, so losses are 2, 2, 2, 0.08 and 0.5.
    let trainer = Off(vec![1.0, 1.0, 1.0, 0.2, 0.5]);
    let first = step(&*agc, &[0, 1, 2, 3], &trainer).unwrap();
    assert_eq!(first[0].row, [0, 1, 2, 3]);
    assert_eq!(first[0].weight, Array4::from_elem((4, 1, 1, 2), 1.0));
    // The mean is 0.8 (0.4 + 0.32 + 0.256) + 0.016 = 0.7968: below half of it is 0.08 alone.
    let groups = step(&*agc, &[0, 3, 4], &trainer).unwrap();
    assert_eq!(groups.len(), 1);
    let group = &groups[0];
    assert_eq!(group.row, [0, 2]);
    assert_eq!(group.weight, Array4::from_elem((2, 1, 1, 2), 1.5));
    assert_eq!(group.target, Array4::from_elem((2, 1, 1, 2), 0.5));
    // Rows 0 and 2 of 0.5 + noise.
    let x = Array4::from_shape_vec((2, 1, 1, 2), vec![0.5, 1.5, 4.5, 5.5]).unwrap();
    assert_eq!(group.x, x);
    assert_eq!(
        (group.sigma.as_slice(), group.extra.len()),
        (&[1.0, 1.0][..], 0)
    );
    let state = String::from_utf8(agc.state().unwrap()).unwrap();
    assert!(state.ends_with(r#""seen":7,"dropped":1}"#), "{state}");
}

#[test]
fn nothing_may_be_left() {
    let agc = make("{}");
    let trainer = Off(vec![3.0, 0.0]);
    step(&*agc, &[0], &trainer).unwrap();
    assert_eq!(step(&*agc, &[1, 1], &trainer).unwrap(), []);
    assert_eq!(step(&*agc, &[], &trainer).unwrap(), []);
}

#[test]
fn the_network_is_asked_with_the_labels() {
    let agc = make("{}");
    let x0 = Array4::from_elem((2, 1, 1, 2), 0.5);
    let noise = Array4::zeros(x0.dim());
    let labels = arr1(&[0i64, 2]);
    let class = [batch::condition("class", labels.view(), &[0, 0]).unwrap()];
    let batch = TrainingBatch {
        step: 0,
        index: &[0, 0],
        x0: x0.view(),
        sigma: &[1.0, 1.0],
        noise: noise.view(),
        conditions: &class,
    };
    agc.batch(batch, &Off(vec![0.0])).unwrap();
    // Losses 0 and 2 (0 + 2)^2 = 8: the mean of their bin becomes 1.6.
    let state = String::from_utf8(agc.state().unwrap()).unwrap();
    assert!(state.contains(",1.59999"), "{state}");
}

#[test]
fn a_resumed_run_is_the_uninterrupted_one() {
    let trainer = Off(vec![1.0, 0.3, 0.8, 0.1, 0.6]);
    let (through, resumed) = (make("{}"), make("{}"));
    let batches: [&[u64]; 4] = [&[0, 1, 2], &[3, 4], &[1, 1, 0], &[4, 3, 2]];
    for index in &batches[..2] {
        step(&*through, index, &trainer).unwrap();
    }
    resumed.restore(&through.state().unwrap()).unwrap();
    for index in &batches[2..] {
        assert_eq!(
            step(&*through, index, &trainer).unwrap(),
            step(&*resumed, index, &trainer).unwrap()
        );
    }
    assert_eq!(through.state().unwrap(), resumed.state().unwrap());
}

#[test]
fn a_state_that_is_not_its_own_is_refused_and_changes_nothing() {
    let agc = make(r#"{"bins": 2}"#);
    let before = agc.state().unwrap();
    for (state, message) in [
        ("", "EOF while parsing"),
        (r#"{"means":[0,1],"seen":1,"dropped":0"#, "EOF while"),
        (
            r#"{"means":[0.5],"seen":1,"dropped":0}"#,
            "expected 2 means, got 1",
        ),
        (
            r#"{"means":[0.5,-1],"seen":1,"dropped":0}"#,
            "expected means of 0 or more, got -1",
        ),
        (
            r#"{"means":[0.5,null],"seen":1,"dropped":0}"#,
            "invalid type: null",
        ),
        (
            r#"{"means":[0,1],"seen":1,"dropped":2}"#,
            "expected at most 1 dropped samples, got 2",
        ),
        (
            r#"{"means":[0,1],"seen":1,"dropped":0,"more":1}"#,
            "unknown field",
        ),
    ] {
        let error = agc.restore(state.as_bytes()).unwrap_err();
        assert_eq!(error.code, ErrorCode::BadInput);
        assert!(error.message.starts_with("state of agc: "), "{error}");
        assert!(error.message.contains(message), "{error}");
    }
    assert_eq!(agc.state().unwrap(), before);
}

#[test]
fn a_loss_that_is_not_finite_stops_it() {
    let agc = make("{}");
    let before = agc.state().unwrap();
    let error = step(&*agc, &[0, 1], &Off(vec![1.0, f32::NAN])).unwrap_err();
    assert_eq!(
        error.message,
        "agc: expected a finite loss, got NaN of image 1 at sigma 1 in step 4"
    );
    assert_eq!(agc.state().unwrap(), before);
}

#[test]
fn images_without_contrast_have_edms_deviation() {
    let flat = Array4::from_elem((1, 1, 1, 2), 9);
    for images in [flat, Array4::zeros((0, 1, 1, 2))] {
        let index: Vec<u64> = (0..images.dim().0 as u64).collect();
        let set = TrainingSet {
            images: images.view(),
            labels: None,
            index: &index,
            classes: 0,
        };
        assert_eq!(Agc::make(Options::default(), set).unwrap().sigma_data, 0.5);
    }
}

#[test]
fn options_without_sense_are_refused() {
    for (options, message) in [
        (
            r#"{"ratio": 0.5}"#,
            "ratio: expected a factor of at least 1, got 0.5",
        ),
        (r#"{"decay": 1}"#, "decay: expected 0 up to 1, got 1"),
        (r#"{"bins": 0}"#, "bins: expected 1 to 10000, got 0"),
    ] {
        let error = resolve_options(&registrations()[0], options).unwrap_err();
        assert_eq!(error.code, ErrorCode::BadOptions);
        assert_eq!(error.message, message);
    }
}

#[test]
fn it_keeps_the_rules_of_a_plugin() {
    conformance::check(registrations()).unwrap();
}
