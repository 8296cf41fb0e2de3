//! Finds ONNX Runtime, checks it, loads it once per process.
//!
//! Takes a [`Choice`]: the device that is wanted and labelvet's cache. Gives a
//! [`Runtime`], on which sessions are built. `ort` sees a library only after it was
//! checked here, since it waits for ever for one that is missing and panics at one that
//! is too old. A device that was asked for is used or refused, never replaced by
//! another.

mod check;
mod cuda;
mod error;
mod find;
mod install;
mod wheels;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use ort::ep::{self, ArenaExtendStrategy, ExecutionProvider as _};
use ort::session::Session;
use ort::session::builder::SessionBuilder;

pub use check::{OLDEST, Unusable};
pub use cuda::{Cuda, Driver, Missing};
pub use error::RuntimeError;
pub use find::{Looked, Place};
pub use install::{Build, install, installed, wheels};

/// Where a graph is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// CUDA where all it needs is there, otherwise the processor.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// An NVIDIA GPU, or an error.
    Cuda,
}

impl FromStr for Device {
    type Err = String;

    fn from_str(name: &str) -> Result<Device, String> {
        match name {
            "auto" => Ok(Device::Auto),
            "cpu" => Ok(Device::Cpu),
            "cuda" => Ok(Device::Cuda),
            _ => Err("expected auto, cpu or cuda".into()),
        }
    }
}

impl Device {
    /// Returns the device's name, as `--device` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Device::Auto => "auto",
            Device::Cpu => "cpu",
            Device::Cuda => "cuda",
        }
    }
}

/// Which runtime is wanted.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Where graphs are to be computed.
    pub device: Device,
    /// labelvet's cache, where [`install`] puts runtimes; `None` where it is off.
    pub cache: Option<PathBuf>,
}

/// ONNX Runtime, loaded.
#[derive(Debug, Clone)]
pub struct Runtime {
    loaded: Loaded,
    device: Device,
    missing: Vec<Missing>,
}

/// What a process has once: a second library beside it would not work.
#[derive(Debug, Clone)]
struct Loaded {
    library: PathBuf,
    place: Place,
    version: String,
    environment: Environment,
}

/// The runtime of this process. It stays to the end, as ONNX Runtime demands.
static LOADED: Mutex<Option<Loaded>> = Mutex::new(None);

impl Runtime {
    /// Finds the library, checks it and loads it; a process loads one only. Looks at
    /// `ORT_DYLIB_PATH`, beside the binary, in labelvet's cache, in the active Python
    /// environment, in this order. Later calls use the library of the first.
    ///
    /// # Errors
    /// Fails when no library will do, and when CUDA was asked for and cannot be used. Where
    /// it was not asked for, [`Runtime::missing`] tells why it is not used.
    pub fn load(choice: &Choice) -> Result<Runtime, RuntimeError> {
        let mut process = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = process.clone();
        let found = match &loaded {
            Some(loaded) => find::Found {
                library: loaded.library.clone(),
                place: loaded.place,
                version: loaded.version.clone(),
            },
            None => find::find(choice)?,
        };
        let missing = match (choice.device, cuda::provider_missing(&found.library)) {
            (Device::Cpu, _) => Vec::new(),
            // There is no use in loading the rest into the process.
            (Device::Auto, Some(provider)) => vec![provider],
            _ => Cuda::look(&found.library, choice.cache.as_deref()).missing,
        };
        let device = match choice.device {
            Device::Cuda if !missing.is_empty() => {
                let find::Found { library, place, .. } = found;
                return Err(RuntimeError::Cuda { library, place, missing });
            }
            Device::Auto if missing.is_empty() => Device::Cuda,
            Device::Auto => Device::Cpu,
            asked => asked,
        };
        let loaded = match loaded {
            Some(loaded) => loaded,
            None => process.insert(start(found)?).clone(),
        };
        let runtime = Runtime { loaded, device, missing };
        if device == Device::Cpu {
            return Ok(runtime);
        }
        // Loads the provider's library, which fails here or never.
        match runtime.session(&SessionSettings::default()) {
            Ok(_) => Ok(runtime),
            Err(error) if choice.device == Device::Cuda => Err(error),
            Err(error) => {
                let missing = vec![cuda::provider_fails(&error)];
                Ok(Runtime { device: Device::Cpu, missing, ..runtime })
            }
        }
    }

    /// Loads the runtime, and installs it to the cache first if there is none that will
    /// do: what `--install` does. Nothing is installed around a library that
    /// `ORT_DYLIB_PATH` names, since that is the user's choice, nor for want of a driver.
    ///
    /// # Errors
    /// Fails as [`Runtime::load`] and [`install`] do.
    pub fn load_or_install(
        choice: &Choice,
        progress: crate::packages::Progress<'_>,
    ) -> Result<Runtime, RuntimeError> {
        let Some(cache) = &choice.cache else { return Runtime::load(choice) };
        let loaded = Runtime::load(choice);
        let Some(build) = loaded.as_ref().err().and_then(|error| helpful(error, choice.device))
        else {
            return loaded;
        };
        install(build, cache, progress)?;
        Runtime::load(choice)
    }

    /// Returns the library's file.
    pub fn library(&self) -> &Path {
        &self.loaded.library
    }

    /// Returns where the library was found.
    pub fn place(&self) -> Place {
        self.loaded.place
    }

    /// Returns the library's version, such as `1.32.0`.
    pub fn version(&self) -> &str {
        &self.loaded.version
    }

    /// Returns the device that was chosen, never [`Device::Auto`].
    pub fn device(&self) -> Device {
        self.device
    }

    /// Returns what kept [`Device::Auto`] from CUDA; empty where nothing did or it was
    /// not looked at.
    pub fn missing(&self) -> &[Missing] {
        &self.missing
    }

    /// Returns the names of the execution providers that the library was built with, in
    /// its order of preference. That one is listed does not mean that it can run.
    pub fn providers(&self) -> Vec<String> {
        check::providers()
    }

    /// Returns a builder of sessions on the chosen device.
    ///
    /// The memory pattern is off and the arena of CUDA grows by what is asked for, not by
    /// powers of two: a training step of EfficientNet-b0 at 8 × 256² then takes 1.40 GB of
    /// arena, instead of 2.45 with the pattern (onnxruntime-gpu 1.31.1 over a stub of
    /// CUDA). On CUDA a node that has no kernel there is an error.
    ///
    /// # Errors
    /// Fails when ONNX Runtime refuses a setting or cannot load the device's provider.
    pub fn session(&self, settings: &SessionSettings) -> Result<SessionBuilder, RuntimeError> {
        let mut builder = Session::builder(&self.loaded.environment)?
            .with_memory_pattern(false)?
            .with_intra_threads(settings.threads)?
            .with_intra_op_spinning(settings.waiting == Waiting::Spin)?;
        if self.device == Device::Cuda {
            builder = builder.with_disable_cpu_fallback()?;
            let mut provider = ep::CUDA::default()
                .with_arena_extend_strategy(ArenaExtendStrategy::SameAsRequested)
                .with_cuda_graph(settings.cuda_graph)
                .with_tf32(settings.tf32);
            if settings.gpu_memory_mib > 0 {
                provider = provider.with_memory_limit(settings.gpu_memory_mib << 20);
            }
            // Registered by hand: the builder's own way goes on without a provider that fails.
            provider.register(&mut builder)?;
        }
        Ok(builder)
    }
}

/// How a session computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionSettings {
    /// Threads within an operator; 0 takes one per core.
    pub threads: usize,
    /// What threads do between operators and runs.
    pub waiting: Waiting,
    /// Captures the graph at its first run and replays it afterwards; CUDA only.
    pub cuda_graph: bool,
    /// Lets CUDA round the factors of products to 10 bits of mantissa.
    pub tf32: bool,
    /// Most memory that a session's arena takes on the GPU, MiB; 0 for no limit. CUDA only.
    pub gpu_memory_mib: usize,
}

/// Returns the build whose installation helps against an error, if one does.
fn helpful(error: &RuntimeError, device: Device) -> Option<Build> {
    match error {
        RuntimeError::NotFound { .. } if device == Device::Cuda => Some(Build::Cuda),
        RuntimeError::NotFound { .. } => Some(Build::Cpu),
        // The library that the variable names would still be the one that is used.
        RuntimeError::Cuda { place: Place::Variable, .. } => None,
        // Without a driver the rest would be downloaded for nothing.
        RuntimeError::Cuda { missing, .. } if missing.iter().any(Missing::is_driver) => None,
        RuntimeError::Cuda { .. } => Some(Build::Cuda),
        _ => None,
    }
}

/// What the threads of a session do when there is nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Waiting {
    /// They look for work for a while: ready at once, but in the way of others meanwhile.
    #[default]
    Spin,
    /// They sleep until they are woken.
    Sleep,
}

/// Gives a checked library to `ort`.
fn start(found: find::Found) -> Result<Loaded, RuntimeError> {
    let builder = ort::init_from(&found.library)
        .map_err(|error| RuntimeError::Ort { message: error.to_string() })?;
    let environment = builder.with_name("labelvet").with_telemetry(false).build()?;
    let find::Found { library, place, version } = found;
    Ok(Loaded { library, place, version, environment })
}

/// Returns the runtime for this crate's tests, installed below the target folder where
/// `ORT_DYLIB_PATH` names none. `None` only where `LABELVET_OFFLINE` forbids to get it:
/// the test then says so and ends.
#[cfg(test)]
pub(crate) fn for_tests() -> Option<Runtime> {
    let program = std::env::current_exe().expect("a test has a path");
    // target/release/deps/labelvet-…
    let target = program.ancestors().nth(3).expect("a test lies in the target folder");
    let choice = Choice { device: Device::Cpu, cache: Some(target.join("test-cache")) };
    if std::env::var_os(find::VARIABLE).is_none() {
        use crate::packages::PackageError::Offline;
        match install(Build::Cpu, &target.join("test-cache"), &|_, _| {}) {
            Err(RuntimeError::Package(Offline { file })) => {
                use std::io::Write as _;
                let why = format!("skipped: needs {file}, and LABELVET_OFFLINE is set");
                // Past the test runner, which shows only what fails.
                let _ = writeln!(std::io::stderr(), "{why}");
                return None;
            }
            done => drop(done.unwrap_or_else(|error| panic!("{error}"))),
        }
    }
    Some(Runtime::load(&choice).unwrap_or_else(|error| panic!("{error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtime_loads_once_and_makes_sessions() {
        let Some(runtime) = for_tests() else { return };
        assert_eq!(runtime.device(), Device::Cpu);
        assert!(runtime.providers().iter().any(|name| name == "CPUExecutionProvider"));
        let again = for_tests().expect("it is there now");
        assert_eq!(again.library(), runtime.library());
        let settings = SessionSettings { threads: 1, ..SessionSettings::default() };
        let mut builder = runtime.session(&settings).expect("a builder");
        let error = builder.commit_from_memory(b"no model").expect_err("no model");
        assert!(!error.to_string().is_empty());
    }

    #[test]
    fn what_helps_is_installed_and_nothing_else() {
        let nothing = RuntimeError::NotFound { looked: Vec::new() };
        assert_eq!(helpful(&nothing, Device::Cpu), Some(Build::Cpu));
        assert_eq!(helpful(&nothing, Device::Auto), Some(Build::Cpu));
        assert_eq!(helpful(&nothing, Device::Cuda), Some(Build::Cuda));
        let without = |place, file, package: Option<&str>| {
            let (package, reason) = (package.map(String::from), "was not found".into());
            let missing = vec![Missing { file, part_of: "CUDA 13", package, reason }];
            let error = RuntimeError::Cuda { library: "runtime.so".into(), place, missing };
            helpful(&error, Device::Cuda)
        };
        let curand = ("libcurand.so.10", Some("nvidia-curand"));
        assert_eq!(without(Place::Cache, curand.0, curand.1), Some(Build::Cuda));
        assert_eq!(without(Place::Python, curand.0, curand.1), Some(Build::Cuda));
        assert_eq!(without(Place::Variable, curand.0, curand.1), None);
        assert_eq!(without(Place::Cache, cuda::DRIVER_LIBRARY, None), None);
        let named = RuntimeError::Named { path: "old.so".into(), reason: Unusable::NoApi };
        assert_eq!(helpful(&named, Device::Cuda), None);
        let refused = RuntimeError::Ort { message: "no".into() };
        assert_eq!(helpful(&refused, Device::Cuda), None);
    }

    #[test]
    fn devices_have_the_names_of_the_option() {
        for device in [Device::Auto, Device::Cpu, Device::Cuda] {
            assert_eq!(device.name().parse(), Ok(device));
        }
        assert!("gpu".parse::<Device>().is_err());
    }
}
