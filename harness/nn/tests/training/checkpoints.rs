//! A checkpoint is what was written or it is refused.

use std::fs;

use eidetic_nn::{Checkpoint, Error, Moments, Parameter, Parameters};
use proptest::prelude::*;
use tempfile::TempDir;

fn parameters() -> Parameters {
    let one = |name: &str, shape: &[usize]| Parameter {
        name: name.to_owned(),
        shape: shape.to_vec(),
        values: (0..shape.iter().product())
            .map(|place| place as f32 / 7.0 - 0.5)
            .collect(),
    };
    // Two tensors of one shape, which offsets could exchange.
    Parameters {
        list: vec![
            one("a.weight", &[2, 3]),
            one("b.weight", &[2, 3]),
            one("scalar", &[]),
        ],
    }
}

fn checkpoint() -> Checkpoint {
    let weights = parameters();
    let mut ema = parameters();
    ema.list[0].values[0] = 9.0;
    let mut moments = Moments::new(&weights);
    moments.first.list[1].values[2] = -0.25;
    moments.second.list[2].values[0] = f32::MIN_POSITIVE;
    Checkpoint {
        run: "0123abcd".to_owned(),
        seed: u64::MAX,
        step: 120,
        stopped: false,
        weights,
        ema,
        moments,
        state: b"remembered".to_vec(),
    }
}

fn read(bytes: &[u8]) -> Result<Option<Checkpoint>, Error> {
    thread_local! {
        static FOLDER: TempDir = tempfile::tempdir().unwrap();
    }
    FOLDER.with(|folder| {
        let path = folder.path().join("c.safetensors");
        fs::write(&path, bytes).unwrap();
        Checkpoint::read(&path, "0123abcd", u64::MAX, &parameters())
    })
}

fn written(checkpoint: &Checkpoint) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.safetensors");
    fs::write(&path, "what was there before").unwrap();
    checkpoint.write(&path).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    fs::read(&path).unwrap()
}

fn refusal(bytes: &[u8]) -> String {
    match read(bytes) {
        Err(Error::Checkpoint { what, .. }) => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_written_is_read() {
    let bytes = written(&checkpoint());
    assert_eq!(read(&bytes).unwrap(), Some(checkpoint()));
    assert_eq!(written(&checkpoint()), bytes);
    let folder = tempfile::tempdir().unwrap();
    let none = Checkpoint::read(&folder.path().join("none"), "", 0, &parameters());
    assert_eq!(none.unwrap(), None);
}

#[test]
fn another_run_seed_or_network_is_refused() {
    let other = |change: fn(&mut Checkpoint)| {
        let mut other = checkpoint();
        change(&mut other);
        refusal(&written(&other))
    };
    let what = other(|other| other.run = "ffff".to_owned());
    assert!(what.starts_with("expected the run 0123abcd"), "{what}");
    assert!(other(|other| other.seed = 0).contains("with seed 0"));
    let what = other(|other| {
        for each in [
            &mut other.weights,
            &mut other.ema,
            &mut other.moments.first,
            &mut other.moments.second,
        ] {
            each.list[0].shape = vec![3, 2];
        }
    });
    assert_eq!(what, "weight.a.weight: expected F32 [2, 3], got F32 [3, 2]");
    let what = other(|other| other.ema.list[2].name = "c".to_owned());
    assert_eq!(what, "expected a tensor ema.scalar, got none");
    let what = other(|other| {
        other.weights.list.pop();
    });
    assert!(what.contains("expected the 13 tensors"), "{what}");
    let what = other(|other| other.weights.list[1].values[4] = f32::INFINITY);
    assert_eq!(what, "weight.b.weight: expected finite values, got inf");
    let what = other(|other| other.moments.second.list[2].values[0] = f32::NAN);
    assert_eq!(what, "second.scalar: expected finite values, got NaN");
}

#[test]
fn every_truncation_is_refused() {
    let bytes = written(&checkpoint());
    for length in 0..bytes.len() {
        refusal(&bytes[..length]);
    }
    refusal(&[bytes.as_slice(), b"\0"].concat());
}

#[test]
fn every_bit_counts() {
    let bytes = written(&checkpoint());
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut broken = bytes.clone();
            broken[place] ^= 1 << bit;
            refusal(&broken);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever bytes are exchanged: refused, or the same content written otherwise.
    #[test]
    fn no_damage_passes_for_another_checkpoint(
        places in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = written(&checkpoint());
        for (place, byte) in places {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        match read(&bytes) {
            Err(Error::Checkpoint { .. }) => {}
            Ok(Some(same)) => prop_assert_eq!(same, checkpoint()),
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
