//! What a query keeps of the candidates that it is offered.

/// Takes candidates in any order. The result may not depend on that order.
pub(crate) trait Keep {
    /// The largest key that may still matter; `u64::MAX` while everything does.
    fn limit(&self) -> u64;

    /// Whether `reference` may be kept at all.
    fn wants(&self, reference: u32) -> bool;

    /// Takes a candidate with a key of at most [`Keep::limit`] that is wanted.
    fn offer(&mut self, reference: u32, key: u64);
}

/// The k smallest keys, ascending, equal ones by the lower index; unfilled places hold the
/// maxima of their types.
#[derive(Debug, Clone)]
pub(crate) struct Best {
    kept: Vec<(u64, u32)>,
    excluded: Option<u32>,
}

impl Best {
    /// For `k > 0` of the references other than `excluded`.
    pub(crate) fn new(k: usize, excluded: Option<u32>) -> Self {
        Self {
            kept: vec![(u64::MAX, u32::MAX); k],
            excluded,
        }
    }

    /// (key, reference) from the smallest on.
    pub(crate) fn kept(&self) -> &[(u64, u32)] {
        &self.kept
    }
}

impl Keep for Best {
    fn limit(&self) -> u64 {
        self.kept[self.kept.len() - 1].0
    }

    fn wants(&self, reference: u32) -> bool {
        self.excluded != Some(reference)
    }

    fn offer(&mut self, reference: u32, key: u64) {
        let place = self.kept.partition_point(|&kept| kept < (key, reference));
        if place < self.kept.len() {
            self.kept[place..].rotate_right(1);
            self.kept[place] = (key, reference);
        }
    }
}

/// Every reference from `first` on with a key of at most a limit, in the order of the offers.
#[derive(Debug, Clone)]
pub(crate) struct Within {
    limit: u64,
    first: u32,
    kept: Vec<(u64, u32)>,
}

impl Within {
    pub(crate) fn new(limit: u64, first: u32) -> Self {
        Self {
            limit,
            first,
            kept: Vec::new(),
        }
    }

    /// (key, reference), unordered.
    pub(crate) fn into_kept(self) -> Vec<(u64, u32)> {
        self.kept
    }
}

impl Keep for Within {
    fn limit(&self) -> u64 {
        self.limit
    }

    fn wants(&self, reference: u32) -> bool {
        reference >= self.first
    }

    fn offer(&mut self, reference: u32, key: u64) {
        self.kept.push((key, reference));
    }
}
