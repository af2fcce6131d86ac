//! What a model says of itself, in plain Rust types.

pub use eidetic_abi::info::{ImageShape, LatentSpace};
pub use eidetic_abi::tensor::ElementType;

/// One named input beside x and sigma.
#[derive(Debug, Clone, PartialEq)]
pub struct ConditionSpec {
    /// Its name in a batch.
    pub name: String,
    /// Type of one element.
    pub element: ElementType,
    /// Dimensions of one row: empty for a label, `[77, 768]` for text embeddings.
    pub dims: Vec<u64>,
    /// Number of classes where it is a label.
    pub classes: Option<u64>,
    /// Whether rows may be null.
    pub nullable: bool,
}

/// What a model can do and in which ranges; sigma in the variance-exploding convention.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    /// Shape of an image in pixels.
    pub image: ImageShape,
    /// Present where `denoise` works in a latent space.
    pub latent: Option<LatentSpace>,
    /// Smallest sigma that `denoise` was made for.
    pub sigma_min: f64,
    /// Largest such sigma.
    pub sigma_max: f64,
    /// Standard deviation of the training pixels in [-1, 1].
    pub sigma_data: f64,
    /// The sigmas of the noise schedule, ascending; empty where sigma is continuous.
    pub schedule: Vec<f64>,
    /// What the model can be conditioned on.
    pub conditions: Vec<ConditionSpec>,
    /// Channels that `denoise` takes behind the image's own.
    pub extra_channels: u32,
    /// Whether `denoise` is offered.
    pub denoises: bool,
    /// Whether `denoise_vjp` is offered.
    pub differentiates: bool,
    /// Whether the model has a sampler of its own.
    pub samples: bool,
    /// Length of one embedding; 0 where `embed` is not offered.
    pub embedding: u32,
}

impl ModelInfo {
    /// An unconditional denoiser in pixel space with EDM's range of sigma (0.002..80).
    pub fn pixel_denoiser(image: ImageShape, sigma_data: f64) -> Self {
        Self {
            image,
            latent: None,
            sigma_min: 0.002,
            sigma_max: 80.0,
            sigma_data,
            schedule: Vec::new(),
            conditions: Vec::new(),
            extra_channels: 0,
            denoises: true,
            differentiates: false,
            samples: false,
            embedding: 0,
        }
    }

    /// Shape of what `denoise` works on, without extra channels: the latent's or the image's.
    pub fn space(&self) -> ImageShape {
        self.latent.map_or(self.image, |latent| latent.shape)
    }

    /// `[B, C, H, W]` of what `denoise` works on, without extra channels.
    pub fn space_dim(&self, rows: usize) -> [usize; 4] {
        dim(self.space(), rows)
    }

    /// `[B, C, H, W]` of images in pixels.
    pub fn image_dim(&self, rows: usize) -> [usize; 4] {
        dim(self.image, rows)
    }

    /// What is wrong with it, if anything: an empty shape, a range of sigma that is none.
    pub fn fault(&self) -> Option<String> {
        let shape = self.space();
        let dims = [self.image, shape].map(|s| [s.channels, s.height, s.width]);
        if dims.iter().flatten().any(|&n| n == 0 || n > 1 << 14) {
            return Some(format!(
                "expected an image shape of 1..=16384 a side, got {dims:?}"
            ));
        }
        let (low, high) = (self.sigma_min, self.sigma_max);
        if !(low.is_finite() && high.is_finite() && 0.0 <= low && low < high) {
            return Some(format!(
                "expected 0 <= sigma_min < sigma_max, got {low} and {high}"
            ));
        }
        if !(self.sigma_data.is_finite() && self.sigma_data > 0.0) {
            return Some(format!("expected sigma_data > 0, got {}", self.sigma_data));
        }
        let ascending = self.schedule.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending || self.schedule.iter().any(|sigma| !sigma.is_finite()) {
            return Some("expected a schedule of finite, strictly ascending sigmas".into());
        }
        (!self.denoises && !self.samples).then(|| "it neither denoises nor samples".into())
    }
}

fn dim(shape: ImageShape, rows: usize) -> [usize; 4] {
    let [c, h, w] = [shape.channels, shape.height, shape.width].map(|n| n as usize);
    [rows, c, h, w]
}
