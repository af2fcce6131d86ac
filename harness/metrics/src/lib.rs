//! Memorization metrics of generated images: neighbours, bands, ROC and intervals.
