//! Which class each sample is asked for.

use eidetic_sdk::batch::condition;
use eidetic_sdk::ndarray::{Array4, ArrayView1, Ix1};
use eidetic_sdk::{ConditionSpec, Error, ErrorCode, ModelInfo, Result, SampleRequest, Target};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which classes are asked for, of a model that is told them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Classes {
    /// One after another: sample i has class i modulo their number.
    Each,
    /// None: samples are unconditional.
    None,
}

/// What is asked of a model beside the number of samples.
pub(crate) struct Asked {
    /// The label's name among the model's conditions, and its number of classes.
    label: Option<(String, u64)>,
    guidance_scale: f32,
}

impl Asked {
    /// # Errors
    /// `Unsupported` where guidance was wished for and the model has no classes to guide towards,
    /// or none of them may be left out.
    pub(crate) fn new(info: &ModelInfo, classes: Classes, guidance_scale: f32) -> Result<Self> {
        let mut labels = info.conditions.iter();
        let label = match classes {
            Classes::Each => labels.find(|condition| condition.classes.is_some()),
            Classes::None => None,
        };
        if guidance_scale != 1.0 && !label.is_some_and(|label: &ConditionSpec| label.nullable) {
            return Err(Error::new(
                ErrorCode::Unsupported,
                format!(
                    "guidance_scale {guidance_scale}: it takes a model that is asked for classes and \
                 has a null class"
                ),
            ));
        }
        Ok(Self {
            label: label.and_then(|label| Some((label.name.clone(), label.classes?))),
            guidance_scale,
        })
    }

    /// Model calls in the place of one: under guidance the model is asked with and without a class.
    pub(crate) fn calls_per_denoise(&self) -> u64 {
        if self.guidance_scale == 1.0 { 1 } else { 2 }
    }

    /// Conditions under which samples are drawn; sample i is of condition i modulo their number.
    pub(crate) fn conditions(&self) -> u64 {
        self.label
            .as_ref()
            .map_or(1, |&(_, classes)| classes.max(1))
    }

    /// `count` samples from the index `first` on.
    pub(crate) fn sample(
        &self,
        target: &dyn Target,
        first: u64,
        count: usize,
    ) -> Result<Array4<u8>> {
        let Some((name, classes)) = &self.label else {
            return target.sample_images(first, count);
        };
        let labels: Vec<i64> = (first..)
            .take(count)
            .map(|i| (i % classes) as i64)
            .collect();
        let null = vec![0; count];
        let asked = condition::<i64, Ix1>(name, ArrayView1::from(&labels), &null)?;
        let request = SampleRequest {
            first_index: first,
            conditions: &[asked],
            guidance_scale: self.guidance_scale,
        };
        let mut out = Array4::zeros(target.info()?.image_dim(count));
        target.sample(request, out.view_mut())?;
        Ok(out)
    }
}
