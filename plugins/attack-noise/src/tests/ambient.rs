//! Through a mitigation that shows the network a part of x: the same plugin, another model.

use eidetic_sdk::ndarray::{Array2, s};
use eidetic_sdk::registration::make_mitigation;
use eidetic_sdk::{Mitigation, TrainingSet};

use super::*;

const SHAPE: [usize; 3] = [1, 8, 8];

/// The perfect memorizer of what ambient's network sees: x behind a mask that is its last channel.
/// It weighs members by the pixels that are shown and gives whole ones.
struct Seeing {
    memorizer: Mixture,
    masks: Mutex<BTreeMap<u64, Array2<f32>>>,
}

impl Denoiser for Seeing {
    fn info(&self) -> Result<ModelInfo> {
        Ok(self.memorizer.info.clone())
    }
    fn denoise(&self, batch: Batch<'_>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        for (row, mut out) in out.outer_iter_mut().enumerate() {
            let mask = batch.x.slice(s![row, 1, .., ..]);
            let mut masks = self.masks.lock().unwrap();
            let before = masks.insert(batch.row_id[row], mask.to_owned());
            assert!(
                before.is_none_or(|before| before == mask),
                "another mask for the same row"
            );
            let x = batch.x.slice(s![row, 0, .., ..]);
            let x: Vec<f64> = x.iter().map(|&x| x.into()).collect();
            let shown: Vec<f64> = mask.iter().map(|&flag| flag.into()).collect();
            let values = self.memorizer.at(&x, &shown, batch.sigma[row].into());
            out.iter_mut()
                .zip(values)
                .for_each(|(to, v)| *to = v as f32);
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
    let mut before = None;
    for batch in [1, 3, 64] {
        let mut memorizer = Mixture::around(&members, 0.0);
        memorizer.info.extra_channels = 1;
        let network = Seeing {
            memorizer,
            masks: Mutex::default(),
        };
        let mitigation = make_mitigation(ambient, r#"{"p": 0.3}"#, set).unwrap();
        let model = Wrapped(mitigation, &network);
        let options = format!(r#"{{"sigmas": [0.3, 0.6], "batch": {batch}}}"#);
        for ((probe, candidate), image) in found(&options, &model, &members) {
            assert_eq!(image, levels(&members, candidate), "probe {probe}");
        }
        // One mask a candidate, whatever the level, the probe and the batch.
        let masks = network.masks.into_inner().unwrap();
        assert_eq!(masks.len(), 5);
        let hidden = masks.values().map(|mask| 64.0 - mask.sum()).sum::<f32>();
        assert!(hidden > 64.0, "{hidden}");
        assert_eq!(*before.get_or_insert(masks.clone()), masks);
    }
}
