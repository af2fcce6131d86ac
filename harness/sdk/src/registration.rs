//! From an author's type to a registration, and from a registration to a trait object.

use eidetic_abi::abi_stable::std_types::{ROption, RStr, RString};
use eidetic_abi::attack::AttackBox;
use eidetic_abi::error::AbiResult;
use eidetic_abi::mitigation::MitigationBox;
use eidetic_abi::model::ModelBox;
use eidetic_abi::module as abi;
use eidetic_abi::training::TrainingSet as AbiTrainingSet;

pub use eidetic_abi::module::{Kind, Registration};

use crate::attack::{Attack, AttackPlugin};
use crate::bridge::attack::{RemoteAttack, attack_to_abi};
use crate::bridge::guard::{guard, open};
use crate::bridge::mitigation::{RemoteMitigation, mitigation_to_abi};
use crate::bridge::model::{RemoteModel, model_to_abi};
use crate::error::{Error, Result};
use crate::mitigation::{Mitigation, MitigationPlugin};
use crate::model::{Model, ModelPlugin};
use crate::options::{self, Options};
use crate::training::TrainingSet;

/// Version and licence of the crate that registers; [`crate::export_plugins!`] fills it in.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// `CARGO_PKG_VERSION`.
    pub version: &'static str,
    /// `CARGO_PKG_LICENSE`.
    pub licence: &'static str,
}

fn registration<O: Options>(
    id: &str,
    summary: &str,
    origin: Origin,
    resolve: extern "C" fn(RStr<'_>) -> AbiResult<RString>,
    kind: Kind,
) -> Registration {
    Registration {
        id: id.into(),
        summary: summary.into(),
        version: origin.version.into(),
        licence: origin.licence.into(),
        options_schema: options::schema::<O>().into(),
        resolve,
        kind,
    }
}

/// The registration of a model.
pub fn model<P: ModelPlugin>(origin: Origin) -> Registration {
    extern "C" fn resolve<P: ModelPlugin>(json: RStr<'_>) -> AbiResult<RString> {
        guard(|| Ok(options::resolve(json.as_str(), P::check)?.into()))
    }
    extern "C" fn make<P: ModelPlugin>(
        json: RStr<'_>,
        train: ROption<AbiTrainingSet<'_>>,
    ) -> AbiResult<ModelBox> {
        guard(|| {
            let train = train
                .into_option()
                .map(|set| TrainingSet::from_abi(&set))
                .transpose()?;
            Ok(model_to_abi(P::make(
                options::parse(json.as_str())?,
                train,
            )?))
        })
    }
    let kind = Kind::Model {
        trains: P::TRAINS,
        make: make::<P>,
    };
    registration::<P::Options>(P::ID, P::SUMMARY, origin, resolve::<P>, kind)
}

/// The registration of an attack.
pub fn attack<P: AttackPlugin>(origin: Origin) -> Registration {
    extern "C" fn resolve<P: AttackPlugin>(json: RStr<'_>) -> AbiResult<RString> {
        guard(|| Ok(options::resolve(json.as_str(), P::check)?.into()))
    }
    extern "C" fn make<P: AttackPlugin>(json: RStr<'_>) -> AbiResult<AttackBox> {
        guard(|| Ok(attack_to_abi(P::make(options::parse(json.as_str())?)?)))
    }
    let kind = Kind::Attack {
        goal: P::GOAL,
        access: P::ACCESS,
        make: make::<P>,
    };
    registration::<P::Options>(P::ID, P::SUMMARY, origin, resolve::<P>, kind)
}

/// The registration of a mitigation.
pub fn mitigation<P: MitigationPlugin>(origin: Origin) -> Registration {
    extern "C" fn resolve<P: MitigationPlugin>(json: RStr<'_>) -> AbiResult<RString> {
        guard(|| Ok(options::resolve(json.as_str(), P::check)?.into()))
    }
    extern "C" fn make<P: MitigationPlugin>(
        json: RStr<'_>,
        train: AbiTrainingSet<'_>,
    ) -> AbiResult<MitigationBox> {
        guard(|| {
            let train = TrainingSet::from_abi(&train)?;
            Ok(mitigation_to_abi(P::make(
                options::parse(json.as_str())?,
                train,
            )?))
        })
    }
    let kind = Kind::Mitigation {
        stages: P::STAGES,
        make: make::<P>,
    };
    registration::<P::Options>(P::ID, P::SUMMARY, origin, resolve::<P>, kind)
}

fn wrong_kind(registration: &Registration, wanted: &str) -> Error {
    Error::bad_input(format!("plugin `{}` is not {wanted}", registration.id))
}

/// Options (JSON) with every default filled in.
///
/// # Errors
/// `BadOptions`: what the plugin does not know or does not take.
pub fn resolve_options(registration: &Registration, json: &str) -> Result<String> {
    open((registration.resolve)(json.into())).map(Into::into)
}

/// Makes the model of a registration.
///
/// # Errors
/// A registration of another kind; whatever stops the model from being made; info without sense.
pub fn make_model(
    registration: &Registration,
    options: &str,
    train: Option<TrainingSet<'_>>,
) -> Result<Box<dyn Model>> {
    let abi::Kind::Model { make, .. } = registration.kind else {
        return Err(wrong_kind(registration, "a model"));
    };
    let train = train.map(TrainingSet::to_abi).transpose()?;
    Ok(Box::new(RemoteModel::new(open(make(
        options.into(),
        train.into(),
    ))?)?))
}

/// Makes the attack of a registration.
///
/// # Errors
/// A registration of another kind; whatever stops the attack from being made.
pub fn make_attack(registration: &Registration, options: &str) -> Result<Box<dyn Attack>> {
    let abi::Kind::Attack { make, .. } = registration.kind else {
        return Err(wrong_kind(registration, "an attack"));
    };
    Ok(Box::new(RemoteAttack(open(make(options.into()))?)))
}

/// Makes the mitigation of a registration.
///
/// # Errors
/// A registration of another kind; whatever stops the mitigation from being made.
pub fn make_mitigation(
    registration: &Registration,
    options: &str,
    train: TrainingSet<'_>,
) -> Result<Box<dyn Mitigation>> {
    let abi::Kind::Mitigation { make, .. } = registration.kind else {
        return Err(wrong_kind(registration, "a mitigation"));
    };
    let inner = open(make(options.into(), train.to_abi()?))?;
    Ok(Box::new(RemoteMitigation::new(inner)))
}
