//! Why findings cannot be scored or shown.

/// What is wrong with findings, with what the harness knows of the candidates, or with an output.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A metric does not take them: not whole images, scores that are not finite.
    #[error("findings cannot be scored: {0}")]
    Metric(#[from] eidetic_metrics::Error),
    /// Two things that go together differ in number.
    #[error("expected {expected} {what}, got {got}")]
    Count {
        /// What was counted.
        what: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        got: usize,
    },
    /// A finding of something that does not exist.
    #[error("expected {what} below {bound}, got {got}")]
    OutOfRange {
        /// What was named.
        what: &'static str,
        /// How many there are.
        bound: usize,
        /// What was named instead.
        got: u64,
    },
    /// A mask that is no mask.
    #[error("probe {probe:?}: expected masks of 0 and 1, got {got} at place {place}")]
    Mask {
        /// The probe's name.
        probe: String,
        /// Where.
        place: usize,
        /// What was there.
        got: u8,
    },
    /// A probe that leaves a candidate whole, so that there is nothing to reconstruct.
    #[error("probe {probe:?}: expected a masked pixel or noise, got candidate {candidate} whole")]
    Whole {
        /// The probe's name.
        probe: String,
        /// The candidate.
        candidate: usize,
    },
    /// Two probes that would share their figures' names.
    #[error("expected another name for each probe, got {name:?} twice")]
    SameName {
        /// Their name.
        name: String,
    },
    /// An image that was made whole twice.
    #[error("expected one reconstruction a probe and candidate, got two of {probe:?}, {candidate}")]
    Twice {
        /// The probe's name.
        probe: String,
        /// The candidate.
        candidate: u64,
    },
    /// Findings of an attack on candidates, without the candidates.
    #[error("expected the candidates of a {goal} attack, got none")]
    NoTruth {
        /// The attack's goal.
        goal: &'static str,
    },
    /// Scores of other findings than those to be shown.
    #[error("expected scores with the column {column:?} of {images} images, got {got}")]
    Column {
        /// The column.
        column: &'static str,
        /// Images to be shown.
        images: usize,
        /// What the scores have.
        got: String,
    },
    /// The picture cannot be encoded.
    #[error("cannot encode the picture: {0}")]
    Png(#[from] png::EncodingError),
    /// The table cannot be written.
    #[error("cannot write the table: {0}")]
    Csv(#[from] csv::Error),
}
