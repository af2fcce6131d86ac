//! What is refused: inputs that no metric can be computed from. Too little evidence is not an
//! error: see [`Measured`](crate::Measured).

/// An input that no metric takes, with the place and what was expected there.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Rows without pixels have no distance.
    #[error("expected images of at least one pixel, got a dimension of 0")]
    ZeroDim,
    /// The pixels do not divide into whole rows.
    #[error("expected a whole number of images of {dim} pixels, got {pixels} pixels")]
    Ragged {
        /// Pixels given.
        pixels: usize,
        /// Pixels of one image.
        dim: usize,
    },
    /// More images than an index of 32 bits can name.
    #[error("expected at most {} images, got {images}", u32::MAX)]
    TooManyImages {
        /// Images given.
        images: usize,
    },
    /// Two sets of images of different sizes.
    #[error("expected reference images of {queries} pixels as the queries have, got {reference}")]
    DimMismatch {
        /// Pixels of a query.
        queries: usize,
        /// Pixels of a reference image.
        reference: usize,
    },
    /// More neighbours were asked for than there are images to be one.
    #[error("expected at least {k} reference images for the {k} nearest, got {references}")]
    TooFewReferences {
        /// Neighbours asked for.
        k: usize,
        /// Reference images that may be a neighbour.
        references: usize,
    },
    /// No neighbour was asked for.
    #[error("expected at least one neighbour, got k = 0")]
    ZeroNeighbours,
    /// Two lists that go together differ in length.
    #[error("expected {expected} {what}, got {got}")]
    Length {
        /// What the list holds.
        what: &'static str,
        /// Entries needed.
        expected: usize,
        /// Entries given.
        got: usize,
    },
    /// An index that points past what it indexes.
    #[error("expected {what} below {bound}, got {got} at index {index}")]
    OutOfRange {
        /// What the list holds.
        what: &'static str,
        /// Where in the list.
        index: usize,
        /// What was there.
        got: u64,
        /// The first value that is too large.
        bound: usize,
    },
    /// NaN or an infinity where a number was needed.
    #[error("expected finite numbers, got {got} at index {index} of the {what}")]
    NotFinite {
        /// What the list holds.
        what: &'static str,
        /// Where in the list.
        index: usize,
        /// NaN or an infinity.
        got: f64,
    },
    /// A parameter outside its range.
    #[error("expected {name} {expected}, got {got}")]
    Parameter {
        /// The parameter.
        name: &'static str,
        /// Its range.
        expected: &'static str,
        /// What was given.
        got: f64,
    },
    /// Histogram edges that do not ascend.
    #[error("expected at least two finite edges that ascend, got a fault at edge {index}")]
    Edges {
        /// The first edge at fault.
        index: usize,
    },
    /// Duplicates on both sides of a line that no group may cross.
    #[error(
        "expected each group of duplicates in one half, and of members or of non-members alone, \
         got group {group} in two at index {index}"
    )]
    GroupAcross {
        /// The group.
        group: u32,
        /// Where it was met on another side.
        index: usize,
    },
    /// Two lists that should be of the same candidates.
    #[error("expected the same candidates on both sides, got another at index {index}")]
    Unpaired {
        /// The first that differs in membership or group.
        index: usize,
    },
    /// More successes than trials.
    #[error("expected at most as many hits as trials, got {hits} of {trials}")]
    Proportion {
        /// Successes.
        hits: u64,
        /// Trials.
        trials: u64,
    },
}

pub(crate) fn refuse_non_finite(what: &'static str, values: &[f64]) -> Result<(), Error> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(Error::NotFinite {
            what,
            index,
            got: values[index],
        }),
        None => Ok(()),
    }
}
