//! Attacks that give the harness what it has to refuse, and one honest attack beside them.

use eidetic_sdk::Batch;
use eidetic_sdk::ndarray::Array4;

use crate::macros::attacks;

attacks! {
    Honest, "honest", Extraction, Samples, "emits its samples", |run| run.emit().map(|_| ());
    NanScore, "nan-score", Extraction, Samples, "gives a confidence that is NaN",
        |run| {
            let first = run.emit()?;
            run.sink.confidence(first, &[f64::NAN])
        };
    WrongShape, "wrong-shape", Extraction, Samples, "emits an image of 3 x 3 pixels",
        |run| run.sink.images(Array4::zeros((1, 1, 3, 3)).view()).map(|_| ());
    TooManyConfidences, "too-many-confidences", Extraction, Samples,
        "gives more confidences than images",
        |run| {
            let first = run.emit()?;
            run.sink.confidence(first, &vec![0.5; run.options.samples + 1])
        };
    Stubborn, "stubborn", Extraction, Samples,
        "goes on after each refusal; only its honest samples may count",
        |run| {
            let refused = [
                run.sink.images(Array4::zeros((1, 1, 3, 3)).view()).is_err(),
                run.sink.confidence(7, &[0.5]).is_err(),
                run.sink.confidence(u64::MAX, &[0.5]).is_err(),
                run.sink.scores(&[0], &[0.5]).is_err(),
                run.sink.reconstructions(0, &[0], Array4::zeros((1, 1, 28, 28)).view()).is_err(),
                run.target.candidates(0).is_err(),
            ];
            if refused.contains(&false) {
                return Err(format!("not everything was refused: {refused:?}").into());
            }
            run.emit().map(|_| ())
        };
    Greedy, "greedy", Extraction, Samples, "draws samples for as long as the budget lasts",
        |run| {
            for index in 0.. {
                let images = run.target.sample_images(index, 1)?;
                run.sink.images(images.view())?;
            }
            Ok(())
        };
    Oversteps, "oversteps", Extraction, Samples, "asks for the denoiser that it did not declare",
        |run| {
            let x = Array4::zeros(run.target.info()?.space_dim(1));
            let mut out = x.clone();
            run.target.denoise(Batch::unconditional(x.view(), &[1.0], &[0]), out.view_mut())
        };
    NeedsGradient, "needs-gradient", Extraction, Gradient, "needs a gradient and does nothing",
        |_| Ok(());
    NanScores, "nan-scores", Membership, Denoiser, "gives a score that is NaN",
        |run| run.sink.scores(&[0], &[f64::NAN]);
    UnknownCandidate, "unknown-candidate", Membership, Denoiser,
        "scores a candidate that is not there",
        |run| run.sink.scores(&[1 << 40], &[0.5]);
}
