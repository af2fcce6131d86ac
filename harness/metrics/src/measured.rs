//! A figure, or why there is none.

use std::fmt;

/// A figure, or the reason that the evidence does not carry one. Unlike an
/// [`Error`](crate::Error) nothing is wrong with the input; the row is printed with an empty
/// value (never 0) and the reason.
///
/// Collecting many into one keeps the first reason:
///
/// ```
/// use eidetic_metrics::{Measured, Reason};
///
/// let all: Measured<Vec<f64>> = [1.0, 2.0].map(Measured::Value).into_iter().collect();
/// assert_eq!(all.value(), Some(vec![1.0, 2.0]));
///
/// let few = Reason::TooFew { what: "seeds", needed: 2, got: 1 };
/// let some: Measured<Vec<f64>> =
///     [Measured::Value(1.0), Measured::Missing(few)].into_iter().collect();
/// assert_eq!(some.reason().unwrap().to_string(), "too few seeds: 1, expected at least 2");
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub enum Measured<T> {
    /// The figure.
    Value(T),
    /// Why there is none.
    Missing(Reason),
}

impl<T> Measured<T> {
    /// The figure, if there is one.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Missing(_) => None,
        }
    }

    /// Why there is none, if so.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Value(_) => None,
            Self::Missing(reason) => Some(*reason),
        }
    }

    /// The same, borrowed.
    pub fn as_ref(&self) -> Measured<&T> {
        match self {
            Self::Value(value) => Measured::Value(value),
            Self::Missing(reason) => Measured::Missing(*reason),
        }
    }

    /// Computes on the figure, if there is one.
    pub fn map<U>(self, function: impl FnOnce(T) -> U) -> Measured<U> {
        match self {
            Self::Value(value) => Measured::Value(function(value)),
            Self::Missing(reason) => Measured::Missing(reason),
        }
    }

    /// Computes what may be missing itself on the figure, if there is one.
    pub fn and_then<U>(self, function: impl FnOnce(T) -> Measured<U>) -> Measured<U> {
        match self {
            Self::Value(value) => function(value),
            Self::Missing(reason) => Measured::Missing(reason),
        }
    }
}

impl<T, C: FromIterator<T>> FromIterator<Measured<T>> for Measured<C> {
    fn from_iter<I: IntoIterator<Item = Measured<T>>>(values: I) -> Self {
        let all: Result<C, Reason> = values
            .into_iter()
            .map(|measured| match measured {
                Measured::Value(value) => Ok(value),
                Measured::Missing(reason) => Err(reason),
            })
            .collect();
        match all {
            Ok(values) => Self::Value(values),
            Err(reason) => Self::Missing(reason),
        }
    }
}

/// Why a figure is missing; prints as a lower-case fragment for a reason column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// There are too few of something.
    TooFew {
        /// Of what.
        what: &'static str,
        /// The least that carries the figure.
        needed: usize,
        /// What there was.
        got: usize,
    },
    /// What the figure is divided by is 0.
    NoSpread {
        /// What does not spread.
        what: &'static str,
    },
}

impl Reason {
    /// `Missing(TooFew)` unless there are enough.
    pub(crate) fn unless_enough(what: &'static str, needed: usize, got: usize) -> Measured<()> {
        if got < needed {
            Measured::Missing(Self::TooFew { what, needed, got })
        } else {
            Measured::Value(())
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFew { what, needed, got } => {
                write!(f, "too few {what}: {got}, expected at least {needed}")
            }
            Self::NoSpread { what } => write!(f, "no spread: {what} are all the same"),
        }
    }
}

/// A figure with its 95 % interval. `low <= value <= high`, except that the bootstrap of a
/// biased statistic may lie to one side of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The figure itself.
    pub value: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end of the interval.
    pub high: f64,
}
