//! Attacks across the boundary.

use eidetic_abi::abi_stable::erased_types::TD_Opaque;
use eidetic_abi::abi_stable::std_types::{ROption, RVec};
use eidetic_abi::attack::{self as abi, Attack_TO, AttackBox};
use eidetic_abi::error::AbiResult;
use eidetic_abi::host::{ContextRef, SinkRef, TargetRef};
use eidetic_abi::info as abi_info;

use super::guard::{guard, open};
use super::host::{LocalContext, LocalSink, LocalTarget, RemoteContext, RemoteSink, RemoteTarget};
use crate::attack::{Attack, Probe};
use crate::error::Result;
use crate::host::{Context, Sink, Target};
use crate::info::{ImageShape, ModelInfo};

struct LocalAttack<A>(A);

/// An attack of this side, for the other.
pub(crate) fn attack_to_abi<A: Attack + 'static>(attack: A) -> AttackBox {
    Attack_TO::from_value(LocalAttack(attack), TD_Opaque)
}

impl<A: Attack> abi::Attack for LocalAttack<A> {
    fn probes(&self, candidates: u64, shape: ImageShape, seed: u64) -> AbiResult<RVec<abi::Probe>> {
        guard(|| {
            let probes = self.0.probes(candidates, shape, seed)?;
            Ok(probes
                .into_iter()
                .map(|probe| abi::Probe {
                    name: probe.name.into(),
                    known: probe.known.into(),
                    sigma: probe.sigma,
                })
                .collect())
        })
    }

    fn run(
        &self,
        target: TargetRef<'_>,
        context: ContextRef<'_>,
        sink: SinkRef<'_>,
    ) -> AbiResult<()> {
        guard(|| {
            self.0.run(
                &RemoteTarget(target),
                &RemoteContext(context),
                &RemoteSink(sink),
            )
        })
    }

    fn model_calls(
        &self,
        info: abi_info::ModelInfo,
        calls_per_sample: u64,
        candidates: u64,
    ) -> AbiResult<ROption<u64>> {
        guard(|| {
            let calls = self
                .0
                .model_calls(&info.into(), calls_per_sample, candidates)?;
            Ok(calls.into())
        })
    }
}

/// An attack of the other side.
pub(crate) struct RemoteAttack(pub(crate) AttackBox);

impl Attack for RemoteAttack {
    fn probes(&self, candidates: u64, shape: ImageShape, seed: u64) -> Result<Vec<Probe>> {
        Ok(open(self.0.probes(candidates, shape, seed))?
            .into_iter()
            .map(|probe| Probe {
                name: probe.name.into(),
                known: probe.known.into(),
                sigma: probe.sigma,
            })
            .collect())
    }

    fn run(&self, target: &dyn Target, context: &dyn Context, sink: &dyn Sink) -> Result<()> {
        let (target, context, sink) = (LocalTarget(target), LocalContext(context), LocalSink(sink));
        open(self.0.run(target.lend(), context.lend(), sink.lend()))
    }

    fn model_calls(
        &self,
        info: &ModelInfo,
        calls_per_sample: u64,
        candidates: u64,
    ) -> Result<Option<u64>> {
        let info = info.clone().into();
        Ok(open(self.0.model_calls(info, calls_per_sample, candidates))?.into_option())
    }
}
