//! Model info in both forms.

use eidetic_abi::info as abi;

use crate::info::{ConditionSpec, ModelInfo};

impl From<ModelInfo> for abi::ModelInfo {
    fn from(info: ModelInfo) -> Self {
        Self {
            image: info.image,
            latent: info.latent.into(),
            sigma_min: info.sigma_min,
            sigma_max: info.sigma_max,
            sigma_data: info.sigma_data,
            schedule: info.schedule.into(),
            conditions: info
                .conditions
                .into_iter()
                .map(|spec| abi::ConditionSpec {
                    name: spec.name.into(),
                    element: spec.element,
                    dims: spec.dims.into(),
                    classes: spec.classes.into(),
                    nullable: spec.nullable,
                })
                .collect(),
            extra_channels: info.extra_channels,
            denoises: info.denoises,
            differentiates: info.differentiates,
            samples: info.samples,
            embedding: info.embedding,
        }
    }
}

impl From<abi::ModelInfo> for ModelInfo {
    fn from(info: abi::ModelInfo) -> Self {
        Self {
            image: info.image,
            latent: info.latent.into_option(),
            sigma_min: info.sigma_min,
            sigma_max: info.sigma_max,
            sigma_data: info.sigma_data,
            schedule: info.schedule.into(),
            conditions: info
                .conditions
                .into_iter()
                .map(|spec| ConditionSpec {
                    name: spec.name.into(),
                    element: spec.element,
                    dims: spec.dims.into(),
                    classes: spec.classes.into_option(),
                    nullable: spec.nullable,
                })
                .collect(),
            extra_channels: info.extra_channels,
            denoises: info.denoises,
            differentiates: info.differentiates,
            samples: info.samples,
            embedding: info.embedding,
        }
    }
}
