//! What guidance costs: the attack's own sampling of a model with and without it, in turn.
//!
//! ```text
//! cargo run --release -p eidetic-attack-side --example cost -- MODEL [THREADS] [REPEATS] [OPTIONS]
//! ```
//!
//! MODEL is the ONNX file of a denoiser, `sample` and `sigma` to D(x; sigma) in pixel space; OPTIONS
//! is the JSON of the attack's options, `lambda` that of the guided runs. Time is the wall clock from the
//! first call of the denoiser on, which is where guided sampling begins, to the end of the attack;
//! processor time is all threads' over the same. Synthetic samples (drawn once for all runs) and
//! training come before.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use eidetic_attack_side::{Options, Side};
use eidetic_nn::names;
use eidetic_runtime::{Feed, ModelSource, Runtime, Search, SessionOptions, Sessions, find};
use eidetic_sdk::ndarray::{Array4, ArrayView4, ArrayViewD, ArrayViewMut2, ArrayViewMut4, Ix4};
use eidetic_sdk::pixels::to_u8;
use eidetic_sdk::sampler::{RowNoise, Sampler, SamplerKind, draw};
use eidetic_sdk::{
    Access, Attack, AttackPlugin, Batch, Candidates, Context, Denoiser, Error, ImageShape,
    LogLevel, ModelInfo, Result, SampleRequest, Sink, Target,
};

type Failure = Box<dyn std::error::Error>;

/// Of the pixels, as ModelInfo says it; it scales what the classifier sees and costs nothing.
const SIGMA_DATA: f64 = 0.66;
/// Rows in one pass of the model, as the harness has it by default.
const MICROBATCH: usize = 16;

fn main() -> std::result::Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |place: usize, default: &'static str| {
        arguments
            .get(place)
            .map_or(default, String::as_str)
            .to_owned()
    };
    let file = argument(0, "benchmarks/models/fm16-n128/unet/model.onnx");
    let threads: usize = argument(1, "1").parse()?;
    let repeats: usize = argument(2, "5").parse()?;
    let options = argument(
        3,
        r#"{"n_syn": 256, "samples": 128, "tau": 0.5, "classifier": {"steps": 10}}"#,
    );
    let options: Options = serde_json::from_str(&options)?;

    let runtime = Runtime::load(&find(&Search::default())?)?;
    let sessions = SessionOptions {
        sessions: threads,
        microbatch: MICROBATCH,
        ..SessionOptions::default()
    };
    let model = Model::open(Path::new(&file), &runtime, &sessions)?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()?;

    let measure = |lambda: f64| -> std::result::Result<Cost, Failure> {
        let attack = Side::make(Options {
            lambda,
            ..options.clone()
        })?;
        let measured = Measured::new(&model);
        pool.install(|| attack.run(&measured, &measured, &measured))?;
        measured.cost()
    };
    // The first run warms what there is to warm.
    measure(options.lambda)?;
    let (mut plain, mut guided) = (Vec::new(), Vec::new());
    for _ in 0..repeats.max(1) {
        plain.push(measure(0.0)?);
        guided.push(measure(options.lambda)?);
    }
    println!(
        "{file}, {} samples, {threads} threads, lambda {}, {} repeats",
        options.samples,
        options.lambda,
        plain.len()
    );
    let median = |costs: &[Cost], of: fn(&Cost) -> f64| {
        let mut values: Vec<f64> = costs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    for (what, of) in [
        ("wall", (|cost| cost.wall) as fn(&Cost) -> f64),
        ("processor", |cost| cost.processor),
        ("the model alone", |cost| cost.model),
    ] {
        let (plain, guided) = (median(&plain, of), median(&guided, of));
        println!(
            "{what}: plain {plain:.3} s, guided {guided:.3} s, ratio {:.3}",
            guided / plain
        );
    }
    let beside = median(&guided, |cost| cost.wall / cost.model);
    println!("guided: all over the model alone {beside:.3}");
    Ok(())
}

/// Seconds of guided sampling.
struct Cost {
    wall: f64,
    processor: f64,
    /// Of the wall, in calls of the model.
    model: f64,
}

struct Model {
    sessions: Sessions,
    output: String,
    info: ModelInfo,
    /// By the index of the first.
    synthetic: Mutex<BTreeMap<u64, Array4<u8>>>,
}

impl Model {
    fn open(
        file: &Path,
        runtime: &Runtime,
        options: &SessionOptions,
    ) -> std::result::Result<Self, Failure> {
        let sessions = runtime.open(ModelSource::File(file), options)?;
        let sample = sessions
            .inputs()
            .iter()
            .find(|port| port.name == names::SAMPLE);
        let [_, channels, height, width] = sample.map_or(&[][..], |port| &port.dims) else {
            return Err("expected an input `sample` [N, C, H, W]".into());
        };
        let size = |size: &Option<usize>| size.map(|size| size as u32).ok_or("a size is not fixed");
        let shape = ImageShape {
            channels: size(channels)?,
            height: size(height)?,
            width: size(width)?,
        };
        let output = sessions
            .outputs()
            .first()
            .ok_or("expected an output")?
            .name
            .clone();
        Ok(Self {
            sessions,
            output,
            info: ModelInfo::pixel_denoiser(shape, SIGMA_DATA),
            synthetic: Mutex::default(),
        })
    }

    fn run(&self, batch: Batch<'_>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        let sigma = ArrayViewD::from_shape(vec![batch.rows()], batch.sigma)?;
        let feeds = [
            Feed::rows(names::SAMPLE, batch.x.into_dyn()),
            Feed::rows(names::SIGMA, sigma),
        ];
        let made = self.sessions.run(batch.rows(), &feeds, &[&self.output]);
        let made = made.map_err(|error| Error::from(error.to_string()))?.pop();
        let made = made.ok_or_else(|| Error::from("the model gave nothing"))?;
        out.assign(&made.into_dimensionality::<Ix4>()?);
        Ok(())
    }
}

/// A model as a target whose calls are free, and the clock.
struct Measured<'a> {
    model: &'a Model,
    /// Since the first call of the denoiser: the clock, the processor's seconds then, and the
    /// model's seconds since.
    started: Mutex<Option<(Instant, f64, f64)>>,
}

impl<'a> Measured<'a> {
    fn new(model: &'a Model) -> Self {
        let started = Mutex::new(None);
        Self { model, started }
    }

    fn cost(&self) -> std::result::Result<Cost, Failure> {
        let started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        let (clock, processor, model) = started.ok_or("nothing was sampled")?;
        Ok(Cost {
            wall: clock.elapsed().as_secs_f64(),
            processor: processor_seconds() - processor,
            model,
        })
    }
}

/// User and system time of this process: fields 14 and 15 of its line, in hundredths of a second.
fn processor_seconds() -> f64 {
    let line = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = line
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace();
    let ticks = fields
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

impl Denoiser for Measured<'_> {
    fn info(&self) -> Result<ModelInfo> {
        Ok(self.model.info.clone())
    }
    fn denoise(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        self.model.run(batch, out)
    }
}

impl Target for Measured<'_> {
    fn info(&self) -> Result<ModelInfo> {
        Denoiser::info(self)
    }
    fn access(&self) -> Access {
        Access::Denoiser
    }
    fn calls_left(&self) -> u64 {
        u64::MAX
    }
    fn sample(&self, request: SampleRequest<'_>, mut out: ArrayViewMut4<'_, u8>) -> Result<()> {
        let mut made = self
            .model
            .synthetic
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(images) = made.get(&request.first_index) {
            out.assign(images);
            return Ok(());
        }
        let info = Denoiser::info(self)?;
        let rows = out.dim().0 as u64;
        let ids: Vec<u64> = (request.first_index..request.first_index + rows).collect();
        let sampler = Sampler::for_model(SamplerKind::Heun, &info);
        let mut noise = RowNoise::new(self.seed(), "sample", &ids);
        let mut drawn = Array4::zeros(info.space_dim(ids.len()));
        draw(&sampler, self, &ids, &[], &mut noise, drawn.view_mut())?;
        out.assign(&drawn.mapv(to_u8));
        made.insert(request.first_index, out.to_owned());
        Ok(())
    }
    fn denoise(&self, batch: Batch<'_>, out: ArrayViewMut4<'_, f32>) -> Result<()> {
        let clock = Instant::now();
        let processor = processor_seconds();
        let made = self.model.run(batch, out);
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, _, model) = started.get_or_insert((clock, processor, 0.0));
        *model += clock.elapsed().as_secs_f64();
        made
    }
    fn denoise_vjp(
        &self,
        _: Batch<'_>,
        _: ArrayView4<'_, f32>,
        _: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        Err(Error::unsupported("denoise_vjp"))
    }
    fn encode(&self, pixels: ArrayView4<'_, f32>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        out.assign(&pixels);
        Ok(())
    }
    fn decode(&self, latents: ArrayView4<'_, f32>, mut out: ArrayViewMut4<'_, f32>) -> Result<()> {
        out.assign(&latents);
        Ok(())
    }
    fn embed(&self, _: ArrayView4<'_, f32>, _: ArrayViewMut2<'_, f32>) -> Result<()> {
        Err(Error::unsupported("embed"))
    }
    fn candidates(&self, _: u32) -> Result<Candidates<'_>> {
        Err(Error::unsupported("candidates"))
    }
}

impl Context for Measured<'_> {
    fn seed(&self) -> u64 {
        0
    }
    fn cancelled(&self) -> bool {
        false
    }
    fn progress(&self, _: u64, _: u64) {}
    fn log(&self, level: LogLevel, message: &str) {
        if level == LogLevel::Warn {
            println!("{message}");
        }
    }
}

impl Sink for Measured<'_> {
    fn images(&self, _: ArrayView4<'_, u8>) -> Result<u64> {
        Ok(0)
    }
    fn confidence(&self, _: u64, _: &[f64]) -> Result<()> {
        Ok(())
    }
    fn reconstructions(&self, _: u32, _: &[u64], _: ArrayView4<'_, u8>) -> Result<()> {
        Err(Error::unsupported("reconstructions"))
    }
    fn scores(&self, _: &[u64], _: &[f64]) -> Result<()> {
        Err(Error::unsupported("scores"))
    }
}
