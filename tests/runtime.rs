//! ONNX Runtime: found, installed, refused. Each case runs the command in a process of
//! its own with a time limit, since a library that will not do may hang or abort it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use labelvet::packages::{OFFLINE, PackageError};
use labelvet::train::runtime::{self, Build, Choice, Device, Runtime, RuntimeError};
use serde_json::Value;

/// Time after which a command counts as hanging. A download on a slow line has the most.
const PATIENCE: Duration = Duration::from_secs(300);

/// Returns the library for tests, installed below the target folder where
/// `ORT_DYLIB_PATH` names none; `None` only where `LABELVET_OFFLINE` forbids to get it,
/// which is said.
pub(crate) fn onnx_runtime() -> Option<&'static Path> {
    static LIBRARY: OnceLock<Option<PathBuf>> = OnceLock::new();
    let library = LIBRARY.get_or_init(|| {
        if let Some(named) = std::env::var_os("ORT_DYLIB_PATH") {
            return Some(named.into());
        }
        match runtime::install(Build::Cpu, &cache(), &|_, _| {}) {
            Ok(library) => Some(library),
            Err(RuntimeError::Package(PackageError::Offline { file })) => {
                skipped(&format!("needs {file}"));
                None
            }
            Err(error) => panic!("{error}"),
        }
    });
    library.as_deref()
}

/// Returns the runtime for tests, loaded, on the CPU; `None` as [`onnx_runtime`].
pub(crate) fn loaded() -> Option<Runtime> {
    onnx_runtime()?;
    let choice = Choice { device: Device::Cpu, cache: Some(cache()) };
    Some(Runtime::load(&choice).unwrap_or_else(|error| panic!("{error}")))
}

/// Says that a test did not run, past the test runner, which shows only what fails.
fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {why}, and {OFFLINE} is set");
}

/// Returns the folder below the target folder that tests install to.
pub(crate) fn cache() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_labelvet"));
    program.ancestors().nth(2).expect("the command lies in the target folder").join("test-cache")
}

/// Returns the command without any runtime but what the test names: no variable, no
/// Python, an empty cache.
fn bare(cache: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_labelvet"));
    for variable in ["ORT_DYLIB_PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "LD_LIBRARY_PATH", OFFLINE] {
        command.env_remove(variable);
    }
    command.env("PATH", "").env("LABELVET_CACHE", cache);
    command
}

fn within_limit(command: &mut Command) -> Output {
    let mut child = (command.stdin(Stdio::null()))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let start = Instant::now();
    while child.try_wait().expect("a status").is_none() {
        if start.elapsed() > PATIENCE {
            child.kill().expect("it ends");
            panic!("{command:?} hangs");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().expect("its output")
}

/// Runs a command that must not be able to work; returns its one message.
fn refusal(command: &mut Command) -> String {
    let output = within_limit(command);
    let stderr = String::from_utf8(output.stderr).expect("messages are UTF-8");
    assert_eq!(output.status.code(), Some(2), "{command:?}: {stderr}");
    assert!(output.stdout.is_empty(), "{command:?} printed to stdout");
    assert_eq!(stderr.trim_end().lines().count(), 1, "one message, not {stderr}");
    stderr
}

fn success(command: &mut Command) -> String {
    let output = within_limit(command);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{command:?}: {stderr}");
    String::from_utf8(output.stdout).expect("results are UTF-8")
}

/// Compiles C to a library.
#[cfg(unix)]
fn compile(code: &str, library: &Path) {
    let source = library.with_extension("c");
    fs::write(&source, code).expect("a source");
    let done = (Command::new("cc").args(["-shared", "-fPIC", "-o"]))
        .args([library, &source])
        .output()
        .expect("a C compiler");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// Returns the source of a library that says it is a version of ONNX Runtime and has no
/// functions.
fn stub(version: &str) -> String {
    format!(
        "static const void *api(unsigned v) {{ return 0; }}
         static const char *version(void) {{ return \"{version}\"; }}
         static const struct {{ const void *(*a)(unsigned); const char *(*v)(void); }}
             base = {{ api, version }};
         const void *OrtGetApiBase(void) {{ return &base; }}"
    )
}

/// Asks for a device with a library that `ORT_DYLIB_PATH` names.
fn refused(library: &Path) -> String {
    let empty = tempfile::tempdir().expect("a folder");
    let mut command = bare(empty.path());
    let command = command.args(["runtime", "status", "--device", "cpu"]);
    let message = refusal(command.env("ORT_DYLIB_PATH", library));
    assert!(message.contains(&*library.to_string_lossy()), "{message}");
    message
}

#[test]
fn no_runtime_says_where_it_looked_and_what_to_run() {
    let empty = tempfile::tempdir().expect("a folder");
    for device in ["auto", "cpu", "cuda"] {
        let message = refusal(bare(empty.path()).args(["runtime", "status", "--device", device]));
        let places = ["ORT_DYLIB_PATH", "beside the program", "labelvet's cache", "Python"];
        for part in places.iter().chain(&["`labelvet runtime install`"]) {
            assert!(message.contains(part), "{part} is not in {message}");
        }
    }
    // Without a demand the same is the answer, not a failure.
    let text = success(bare(empty.path()).args(["runtime", "status"]));
    assert!(text.contains("labelvet runtime install"), "{text}");
    let json = success(bare(empty.path()).args(["runtime", "status", "--json"]));
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["schema"], 1);
    assert!(json["library"].is_null() && json["problem"].is_string(), "{json}");
}

#[test]
fn library_that_is_missing_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(refused(&folder.path().join("libonnxruntime.so")).contains("no such file"));
}

#[test]
fn text_file_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let library = folder.path().join("libonnxruntime.so");
    fs::write(&library, "not a library").expect("a file");
    assert!(refused(&library).contains("not a library that this system can load"));
}

#[test]
#[cfg(unix)]
fn pipe_is_refused_without_waiting_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let library = folder.path().join("libonnxruntime.so");
    let made = Command::new("mkfifo").arg(&library).status().expect("mkfifo");
    assert!(made.success());
    refused(&library);
}

#[test]
#[cfg(unix)]
fn other_library_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let library = folder.path().join("libother.so");
    compile("int answer(void) { return 42; }", &library);
    assert!(refused(&library).contains("no usable OrtGetApiBase"));
}

#[test]
#[cfg(unix)]
fn old_version_is_refused_by_its_number() {
    let folder = tempfile::tempdir().expect("a folder");
    let library = folder.path().join("libonnxruntime.so");
    compile(&stub("1.10.0"), &library);
    let message = refused(&library);
    let needed = format!("version 1.10.0, but 1.{} or newer is needed", runtime::OLDEST);
    assert!(message.contains(&needed), "{message}");
}

#[test]
#[cfg(unix)]
fn new_version_without_its_functions_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let library = folder.path().join("libonnxruntime.so");
    compile(&stub("1.99.0"), &library);
    assert!(refused(&library).contains("no usable OrtGetApiBase"));
}

#[test]
fn installed_runtime_is_found_and_used() {
    let Some(library) = onnx_runtime() else { return };
    let json = success(
        bare(&cache())
            .args(["runtime", "status", "--device", "cpu", "--json"])
            .env("ORT_DYLIB_PATH", library),
    );
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["schema"], 1);
    assert_eq!(json["library"].as_str().map(Path::new), Some(library));
    assert_eq!(json["found"], "ORT_DYLIB_PATH");
    assert_eq!(json["device"], "cpu");
    assert_eq!(json["devices"][0], "cpu");
    assert!(json["version"].as_str().is_some_and(|version| version.starts_with("1.")), "{json}");
    let providers = json["providers"].as_array().expect("providers");
    assert!(providers.contains(&"CPUExecutionProvider".into()), "{json}");

    let loaded = loaded().expect("a runtime");
    assert_eq!(json["version"], loaded.version());
    loaded.session(&runtime::SessionSettings::default()).expect("a builder");
}

#[test]
fn cache_is_found_and_installing_again_needs_no_network() {
    if std::env::var_os("ORT_DYLIB_PATH").is_some() {
        return;
    }
    let Some(library) = onnx_runtime() else { return };
    let words = ["runtime", "install"];
    let printed = success(bare(&cache()).args(words).env(OFFLINE, "1"));
    assert_eq!(Path::new(printed.trim_end()), library);
    let json = success(bare(&cache()).args(["runtime", "status", "--json"]));
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["found"], "labelvet's cache", "{json}");
}

#[test]
fn download_that_is_forbidden_is_not_tried_and_keeps_what_is_there() {
    let cache = tempfile::tempdir().expect("a folder");
    let install = || {
        let mut command = bare(cache.path());
        refusal(command.args(["runtime", "install", "--quiet"]).env(OFFLINE, "1"))
    };
    let message = install();
    assert!(message.contains(OFFLINE), "{message}");
    let wheel = &runtime::wheels(Build::Cpu).expect("wheels")[0];
    let damaged = cache.path().join("runtime").join(wheel.stem()).join("libonnxruntime.so");
    fs::create_dir_all(damaged.parent().expect("a folder")).expect("a folder");
    fs::write(&damaged, "damaged").expect("a file");
    install();
    assert!(damaged.is_file());
}

#[test]
fn processes_that_install_at_once_share_one_download() {
    if std::env::var_os(OFFLINE).is_some() {
        return skipped("downloads a runtime");
    }
    let cache = tempfile::tempdir().expect("a folder");
    let wheel = &runtime::wheels(Build::Cpu).expect("wheels")[0];
    // Damaged, as if the disk had been full: it is replaced.
    let folder = cache.path().join("runtime").join(wheel.stem());
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("libonnxruntime.so.1.32.0"), "half").expect("a file");
    let install = || success(bare(cache.path()).args(["runtime", "install"]));
    // Without a path there is no Python: these download directly.
    let printed: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(install)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a path")).collect()
    });
    assert!(printed.iter().all(|path| *path == printed[0]), "{printed:?}");
    assert!(Path::new(printed[0].trim_end()).is_file());
    let root = fs::read_dir(cache.path().join("runtime")).expect("the folder");
    let mut names: Vec<_> = root.map(|entry| entry.expect("an entry").file_name()).collect();
    names.sort();
    assert_eq!(names, ["lock".into(), std::ffi::OsString::from(wheel.stem())]);
}

#[test]
#[cfg(unix)]
fn package_of_the_active_python_environment_is_found() {
    let Some(library) = onnx_runtime() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let made = (Command::new("python3").args(["-m", "venv", "--without-pip"]))
        .arg(folder.path())
        .status()
        .expect("Python");
    assert!(made.success());
    let lib = fs::read_dir(folder.path().join("lib")).expect("lib").next().expect("a Python");
    let capi = lib.expect("an entry").path().join("site-packages/onnxruntime/capi");
    fs::create_dir_all(&capi).expect("a folder");
    let linked = capi.join(library.file_name().expect("a name"));
    std::os::unix::fs::symlink(library, &linked).expect("a link");
    let mut command = bare(&folder.path().join("no-cache"));
    let command = command.args(["runtime", "status", "--device", "cpu", "--json"]);
    let json = success(command.env("VIRTUAL_ENV", folder.path()));
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["found"], "the Python environment", "{json}");
    assert_eq!(json["library"].as_str().map(Path::new), Some(&*linked));
}

#[test]
fn cuda_that_is_not_there_is_refused_by_name_and_not_replaced() {
    let Some(library) = onnx_runtime() else { return };
    let empty = tempfile::tempdir().expect("a folder");
    let mut command = bare(empty.path());
    let command = command.args(["runtime", "status", "--device", "cuda"]);
    let message = refusal(command.env("ORT_DYLIB_PATH", library));
    assert!(message.contains("CUDA cannot be used with"), "{message}");
    assert!(message.contains("onnxruntime_providers_cuda"), "{message}");
    // What is installed would not be used while the variable is set.
    let advice = "unset ORT_DYLIB_PATH and run `labelvet runtime install --cuda`";
    assert!(message.contains(advice), "{message}");
}

/// A folder with a runtime, its provider for CUDA and all libraries that it needs, each
/// an empty stub, and a driver that tells a version.
#[cfg(target_os = "linux")]
fn cuda_stubs(library: &Path, driver: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    std::os::unix::fs::symlink(library, at("libonnxruntime.so")).expect("a link");
    let empty = at("empty.so");
    compile("int nothing;", &empty);
    for name in [
        "libonnxruntime_providers_cuda.so",
        "libcudart.so.13",
        "libcublasLt.so.13",
        "libcublas.so.13",
        "libcurand.so.10",
        "libcudnn.so.9",
    ] {
        fs::copy(&empty, at(name)).expect("a copy");
    }
    let driver = format!(
        "int cuInit(unsigned flags) {{ return 0; }}
         int cuDriverGetVersion(int *v) {{ *v = {driver}; return 0; }}
         int cuDeviceGetCount(int *n) {{ *n = 1; return 0; }}
         int cuDeviceGet(int *d, int i) {{ *d = i; return 0; }}
         int cuDeviceGetName(char *n, int l, int d) {{ n[0] = 'G'; n[1] = 0; return 0; }}"
    );
    compile(&driver, &at("libcuda.so.1"));
    folder
}

#[test]
#[cfg(target_os = "linux")]
fn each_library_that_cuda_needs_is_told_by_name_and_version() {
    let Some(library) = onnx_runtime() else { return };
    let ask = |folder: &Path| {
        let mut command = bare(&folder.join("no-cache"));
        let command = command.args(["runtime", "status", "--device", "cuda"]);
        let named = command.env("ORT_DYLIB_PATH", folder.join("libonnxruntime.so"));
        refusal(named.env("LD_LIBRARY_PATH", folder))
    };
    for (file, part_of, package) in [
        ("libcudart.so.13", "CUDA 13", "nvidia-cuda-runtime "),
        ("libcublasLt.so.13", "CUDA 13", "nvidia-cublas "),
        ("libcublas.so.13", "CUDA 13", "nvidia-cublas "),
        ("libcurand.so.10", "CUDA 13", "nvidia-curand "),
        ("libcudnn.so.9", "cuDNN 9", "nvidia-cudnn-cu13 "),
        ("libcuda.so.1", "driver 580", ""),
    ] {
        let folder = cuda_stubs(library, 13_000);
        fs::remove_file(folder.path().join(file)).expect("a stub");
        let message = ask(folder.path());
        for part in [file, part_of, package, "was not found"] {
            assert!(message.contains(part), "{part} is not in {message}");
        }
        assert_eq!(message.matches("was not found").count(), 1, "only one: {message}");
    }
    let old = cuda_stubs(library, 12_080);
    let message = ask(old.path());
    assert!(message.contains("libcuda.so.1"), "{message}");
    assert!(message.contains("supports CUDA 12.8 at most"), "{message}");
    // All are there, but the provider is none: ONNX Runtime's own error, not the CPU.
    let message = ask(cuda_stubs(library, 13_000).path());
    assert!(message.contains("ONNX Runtime failed"), "{message}");
}

#[test]
#[cfg(target_os = "linux")]
fn provider_that_fails_is_told_and_the_processor_used_where_that_will_do() {
    let Some(library) = onnx_runtime() else { return };
    let folder = cuda_stubs(library, 13_000);
    let mut command = bare(&folder.path().join("no-cache"));
    let command = command.args(["runtime", "status", "--device", "auto", "--json"]);
    let named = command.env("ORT_DYLIB_PATH", folder.path().join("libonnxruntime.so"));
    let json = success(named.env("LD_LIBRARY_PATH", folder.path()));
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["device"], "cpu", "{json}");
    assert_eq!(json["devices"], serde_json::json!(["cpu"]));
    assert_eq!(json["cuda"]["usable"], false);
    let missing = &json["cuda"]["missing"][0];
    assert_eq!(missing["file"], "libonnxruntime_providers_cuda.so");
    let reason = missing["reason"].as_str().expect("a reason");
    assert!(reason.starts_with("cannot be used: ONNX Runtime failed: "), "{reason}");
}

#[test]
fn audit_needs_no_runtime() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = bare(&folder.path().join("cache"));
    command.args(["audit", "fixtures/mirror-mouse", "--labels-only", "--out"]);
    command.arg(folder.path().join("audit")).env("ORT_DYLIB_PATH", "/no/such/library");
    success(command.current_dir(env!("CARGO_MANIFEST_DIR")));
}
