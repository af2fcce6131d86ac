//! Output filter: reject near copies of the training set and draw again.
