//! Quality of generated images, from the features of an embedder.

mod authenticity;
mod block;
mod copying;
mod factor;
mod features;
mod frechet;
mod kid;
mod likelihood;
mod moments;
mod nearest;
mod prdc;

pub use authenticity::auth_pct;
pub use copying::c_t;
pub use features::Features;
pub use frechet::frechet;
pub use kid::{Kid, kid};
pub use likelihood::{FLS_MAX_ROWS, fls};
pub use moments::Moments;
pub use prdc::{PRDC_NEIGHBOURS, Prdc, prdc};
