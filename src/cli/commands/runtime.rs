//! `labelvet runtime install` and `labelvet runtime status`: the ONNX Runtime that
//! training needs.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::cli::{Common, output, progress};
use crate::train::runtime::{self, Build, Choice, Cuda, Device, Runtime};

/// Install the ONNX Runtime that training needs, or tell what there is
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Download ONNX Runtime to labelvet's cache; prints the library's file
    Install {
        /// The build for NVIDIA GPUs with the libraries it needs, about 1.3 GB
        #[arg(long)]
        cuda: bool,
    },
    /// Tell which ONNX Runtime is used, its version, providers and devices, and what is
    /// missing for CUDA
    Status {
        /// Fail unless this device can be used: auto, cpu or cuda
        #[arg(long, value_name = "DEVICE")]
        device: Option<Device>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(in crate::cli) fn run(options: &Options, common: &Common) -> Result<()> {
    match options.action {
        Action::Install { cuda } => install(if cuda { Build::Cuda } else { Build::Cpu }, common),
        Action::Status { device, json } => status(device, json, common),
    }
}

fn install(build: Build, common: &Common) -> Result<()> {
    let Some(cache) = common.cache_folder() else {
        bail!("there is no cache to install to; name a folder with --cache DIR");
    };
    let wheels = runtime::wheels(build)?;
    let wanted: Vec<_> = wheels.iter().filter(|wheel| !runtime::installed(wheel, &cache)).collect();
    if !common.quiet && !wanted.is_empty() {
        for wheel in &wanted {
            let size = progress::size(wheel.bytes);
            let (package, version) = (wheel.package(), wheel.version());
            output::say(&format!("{package} {version}: {size}, {}", wheel.licence));
        }
        let total = progress::size(wanted.iter().map(|wheel| wheel.bytes).sum());
        output::say(&format!("downloading {total} from PyPI to {}", cache.display()));
    }
    let downloads = progress::Downloads::new(common.quiet);
    let library = runtime::install(build, &cache, &|wheel, bytes| downloads.show(wheel, bytes));
    downloads.finish();
    let library = library?;
    if build == Build::Cuda && !common.quiet {
        for missing in Cuda::look(&library, Some(&cache)).missing {
            output::say(&format!("CUDA cannot be used yet: {missing}"));
        }
    }
    output::print(&format!("{}\n", output::safe(&library.display().to_string())))
}

fn status(device: Option<Device>, json: bool, common: &Common) -> Result<()> {
    let cache = common.cache_folder();
    let choice = Choice { device: device.unwrap_or_default(), cache };
    let text = match Runtime::load(&choice) {
        Ok(runtime) => {
            let cuda = cuda_of(&runtime, &choice);
            if json { as_json(&runtime, &cuda) } else { output::safe(&as_text(&runtime, &cuda)) }
        }
        Err(error) if device.is_some() => return Err(error.into()),
        Err(error) if json => {
            let problem = error.to_string();
            format!("{:#}\n", json!({ "schema": 1, "library": null, "problem": problem }))
        }
        Err(error) => output::safe(&format!("{error}\n")),
    };
    output::print(&text)
}

/// Returns what there is of CUDA: what can be seen, and what showed when it was used.
fn cuda_of(runtime: &Runtime, choice: &Choice) -> Cuda {
    let mut cuda = Cuda::find(choice.cache.as_deref()).unwrap_or_default();
    if cuda.missing.is_empty() {
        cuda.missing = runtime.missing().to_vec();
    }
    cuda
}

/// Returns the devices that graphs can be computed on.
fn devices(cuda: &Cuda) -> Vec<String> {
    let gpus = cuda.driver.iter().flat_map(|driver| &driver.gpus).enumerate();
    let gpus = gpus.map(|(ordinal, name)| format!("cuda:{ordinal} {name}"));
    let usable = gpus.filter(|_| cuda.missing.is_empty());
    std::iter::once("cpu".to_string()).chain(usable).collect()
}

fn as_json(runtime: &Runtime, cuda: &Cuda) -> String {
    let missing: Vec<Value> = (cuda.missing.iter())
        .map(|one| {
            json!({ "file": one.file, "part_of": one.part_of, "package": one.package,
                "reason": one.reason })
        })
        .collect();
    let driver =
        (cuda.driver.as_ref()).map(|driver| json!({ "cuda": driver.cuda, "gpus": driver.gpus }));
    let status = json!({
        "schema": 1,
        "library": runtime.library(),
        "found": runtime.place().to_string(),
        "version": runtime.version(),
        "providers": runtime.providers(),
        "devices": devices(cuda),
        "device": runtime.device().name(),
        "cuda": { "usable": cuda.missing.is_empty(), "missing": missing, "driver": driver },
        "problem": null,
    });
    format!("{status:#}\n")
}

fn as_text(runtime: &Runtime, cuda: &Cuda) -> String {
    let mut rows = vec![
        ("library", format!("{} ({})", runtime.library().display(), runtime.place())),
        ("version", runtime.version().to_string()),
        ("providers", runtime.providers().join(", ")),
        ("devices", devices(cuda).join(", ")),
    ];
    if let Some(driver) = &cuda.driver {
        rows.push(("driver", format!("NVIDIA, up to CUDA {}", driver.cuda)));
    }
    for (index, missing) in cuda.missing.iter().enumerate() {
        rows.push((if index == 0 { "no CUDA" } else { "" }, missing.to_string()));
    }
    rows.iter().map(|(name, value)| format!("{name:9}  {value}\n")).collect()
}
