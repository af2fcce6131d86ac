//! Through a mitigation that shows the network a part of x: the same plugins, another model.

use eidetic_sdk::ndarray::Array2;
use eidetic_sdk::registration::make_mitigation;
use eidetic_sdk::{Mitigation, TrainingSet};

use super::*;

const SHAPE: [usize; 3] = [1, 8, 8];

/// The perfect memorizer of what ambient's network sees: x behind a mask that is its last channel.
/// It weighs members by the pixels that are shown and gives whole ones.
struct Seeing {
    memorizer: Mixture,
    info: ModelInfo,
    masks: Mutex<BTreeMap<u64, Array2<f32>>>,
}

impl Seeing {
    fn new(members: &Array4<u8>) -> Self {
        let memorizer = Mixture::memorizer(members);
        let mut info = Model::new(Mixture::memorizer(members), SHAPE).info;
        info.extra_channels = 1;
        Self {
            memorizer,
            info,
            masks: Mutex::default(),
        }
    }

    /// x of a row, and the memorizer of the pixels that are shown of it.
    fn row(&self, batch: &Batch<'_>, row: usize) -> (Vec<f64>, Mixture) {
        let x: Vec<f64> = batch
            .x
            .slice(s![row, 0, .., ..])
            .iter()
            .map(|&x| x.into())
            .collect();
        let mask = batch.x.slice(s![row, 1, .., ..]);
        let shown: Vec<f64> = mask.iter().map(|&flag| flag.into()).collect();
        let mut masks = self.masks.lock().unwrap();
        let before = masks.insert(batch.row_id[row], mask.to_owned());
        assert!(
            before.is_none_or(|before| before == mask),
            "another mask for the same row"
        );
        let behind = |image: &Vec<f64>| image.iter().zip(&shown).map(|(a, b)| a * b).collect();
        let images = self.memorizer.images.iter().map(behind).collect();
        let variance = 0.0;
        (x, Mixture { images, variance })
    }
}

impl Denoiser for Seeing {
    fn info(&self) -> Result<ModelInfo> {
        Ok(self.info.clone())
    }
    fn denoise(&self, batch: Batch<'_>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        for row in 0..batch.rows() {
            let (x, behind) = self.row(&batch, row);
            let weights = behind.weights(&x, f64::from(batch.sigma[row]));
            for (pixel, out) in out.index_axis_mut(Axis(0), row).iter_mut().enumerate() {
                let images = weights.iter().zip(&self.memorizer.images);
                *out = images
                    .map(|(weight, image)| weight * image[pixel])
                    .sum::<f64>() as f32;
            }
        }
        Ok(())
    }
    /// sum_i w_i (x_i . v - sum_j w_j x_j . v) A x_i / sigma^2, and 0 for the mask.
    fn denoise_vjp(
        &self,
        batch: Batch<'_>,
        cotangent: ArrayView4<'_, f32>,
        mut out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        out.fill(0.0);
        for row in 0..batch.rows() {
            let (x, behind) = self.row(&batch, row);
            let sigma = f64::from(batch.sigma[row]);
            let weights = behind.weights(&x, sigma);
            let cotangent = cotangent.index_axis(Axis(0), row);
            let dot = |image: &Vec<f64>| -> f64 {
                image
                    .iter()
                    .zip(&cotangent)
                    .map(|(a, &b)| a * f64::from(b))
                    .sum()
            };
            let along: Vec<f64> = self.memorizer.images.iter().map(dot).collect();
            let mean: f64 = weights.iter().zip(&along).map(|(w, a)| w * a).sum();
            for (pixel, out) in out.slice_mut(s![row, 0, .., ..]).iter_mut().enumerate() {
                let terms = weights.iter().zip(&along).zip(&behind.images);
                let sum: f64 = terms
                    .map(|((w, a), image)| w * (a - mean) * image[pixel])
                    .sum();
                *out = (sum / (sigma * sigma)) as f32;
            }
        }
        Ok(())
    }
}

/// A mitigation around a denoiser, as the host puts it there.
struct Wrapped<'a>(Box<dyn Mitigation>, &'a Seeing);

impl Denoiser for Wrapped<'_> {
    fn info(&self) -> Result<ModelInfo> {
        Ok(self.0.wrapped_info(self.1.info()?))
    }
    fn denoise(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        self.0.denoise(self.1, batch, out)
    }
    fn denoise_vjp(
        &self,
        batch: Batch<'_>,
        cotangent: ArrayView4<'_, f32>,
        out: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        self.0.denoise_vjp(self.1, batch, cotangent, out)
    }
}

#[test]
fn members_come_back_from_a_part_of_x() {
    let members = random_images(5, SHAPE, 6);
    let index: Vec<u64> = (0..5).collect();
    let set = TrainingSet {
        images: members.view(),
        labels: None,
        index: &index,
        classes: 0,
    };
    let ambient = &eidetic_mitigation_ambient::registrations()[0];
    for id in IDS {
        let mut before = None;
        for batch in [1, 3, 64] {
            let network = Seeing::new(&members);
            let mitigation = make_mitigation(ambient, r#"{"p": 0.3}"#, set).unwrap();
            let model = Wrapped(mitigation, &network);
            let options =
                format!(r#"{{"masks": ["left-half", {{"pixels": 0.5}}], "batch": {batch}}}"#);
            let found = found(id, &options, &model, &members);
            for ((probe, candidate), image) in &found {
                let member = levels(&members, *candidate);
                assert_eq!(*image, member, "{id}, probe {probe}, candidate {candidate}");
            }
            // One mask a candidate, whatever the level, the probe and the batch.
            let masks = network.masks.into_inner().unwrap();
            assert_eq!(masks.len(), 5);
            let hidden = masks.values().map(|mask| 64.0 - mask.sum()).sum::<f32>();
            assert!(hidden > 64.0, "{hidden}");
            assert_eq!(*before.get_or_insert(masks.clone()), masks);
        }
    }
}
