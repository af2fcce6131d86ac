//! Sampling-stage guidance away from the nearest training image.
