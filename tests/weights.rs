//! Weights: files that PyTorch and Python's safetensors wrote, the published
//! EfficientNet-Lite against hashes that PyTorch gave, the embedded trunk, the commands.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use labelvet::models::weights::{self, Data, FetchError, Tensor, Tensors};
use labelvet::packages::{OFFLINE, PackageError, hex};
use sha2::{Digest as _, Sha256};

use crate::runtime::cache;

fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

fn fixture(name: &str) -> PathBuf {
    path("fixtures/weights").join(name)
}

fn read(name: &str) -> Tensors {
    weights::read(&fixture(name)).unwrap_or_else(|error| panic!("{name}: {error:?}"))
}

/// Returns what `fixtures/weights/make.py` saved.
fn small() -> Tensors {
    let f32s = |shape: &[usize], values: &[f32]| {
        Tensor::new(shape.to_vec(), Data::F32(values.to_vec())).expect("shape and values fit")
    };
    let i64s = |shape: &[usize], values: &[i64]| {
        Tensor::new(shape.to_vec(), Data::I64(values.to_vec())).expect("shape and values fit")
    };
    // conv.weight[o, i, h, w] is number ((h * 2 + w) * 3 + i) * 2 + o of -1, -0.875, …
    let mut conv = Vec::new();
    for (o, i) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)] {
        for place in [0_u8, 1, 2, 3] {
            conv.push(f32::from((place * 3 + i) * 2 + o) / 8.0 - 1.0);
        }
    }
    let f16 = |bits: u16| half::f16::from_bits(bits).to_f32();
    let bf16 = |bits: u16| half::bf16::from_bits(bits).to_f32();
    [
        ("conv.weight", f32s(&[2, 3, 2, 2], &conv)),
        ("bn.weight", f32s(&[3], &[20.0, 30.0, 40.0])),
        ("bn.bias", f32s(&[3], &[10.0, 40.0, 70.0])),
        ("bn.num_batches_tracked", i64s(&[], &[7])),
        ("expanded", f32s(&[2, 3], &[0.5, 0.5, 0.5, -0.5, -0.5, -0.5])),
        ("empty", f32s(&[0, 3], &[])),
        ("f64", f32s(&[2], &[0.1, f32::NEG_INFINITY])),
        ("f16", f32s(&[2], &[f16(0x3555), 65504.0])),
        ("bf16", f32s(&[2], &[bf16(0x3eab), bf16(0x7f62)])),
        ("i32", i64s(&[2], &[-2, i32::MAX.into()])),
        ("i16", i64s(&[2], &[-2, i16::MAX.into()])),
        ("i8", i64s(&[2], &[-2, 127])),
        ("u8", i64s(&[2], &[2, 255])),
        ("bool", i64s(&[2], &[1, 0])),
    ]
    .into_iter()
    .map(|(name, tensor)| (name.to_string(), tensor))
    .collect()
}

#[test]
fn files_of_pytorch_and_safetensors_are_read() {
    for name in ["small.safetensors", "small.pth", "small_legacy.pth"] {
        let found = read(name);
        for (tensor, expected) in &small() {
            assert_eq!(found.get(tensor), Some(expected), "{name}: {tensor}");
        }
        assert_eq!(found.len(), small().len(), "{name}");
    }
}

#[test]
fn a_checkpoint_of_timms_training_script_gives_its_averaged_weights() {
    let found = read("timm_training_run.pth.tar");
    assert_eq!(found.len(), 1);
    let weight = found.get("fc.weight").expect("the wrapper's prefix is off");
    assert_eq!(weight.as_f32(), Some(&[5.0, 6.0][..]));
}

#[test]
fn a_pickle_that_would_run_a_command_is_refused() {
    let error = weights::read(&fixture("evil.pth")).expect_err("nothing runs a command");
    let cause = std::error::Error::source(&error).expect("a cause").to_string();
    assert!(cause.contains("posix.system"), "{cause}");
}

/// No damage makes a reader panic; what is cut off is noticed.
#[test]
fn damaged_files_are_survived() {
    for name in ["small.safetensors", "small.pth", "small_legacy.pth", "timm_training_run.pth.tar"]
    {
        let bytes = fs::read(fixture(name)).expect("a fixture");
        for end in 0..bytes.len() {
            assert!(weights::parse(&bytes[..end]).is_err(), "{name} cut after {end} bytes");
        }
        for place in 0..bytes.len() {
            for flip in [0x01, 0x10, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[place] ^= flip;
                let _ = weights::parse(&damaged);
            }
        }
    }
}

#[test]
fn what_is_read_from_pytorch_is_written_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("small.safetensors");
    weights::write(&small(), &out).expect("a new file");
    assert_eq!(weights::read(&out).expect("our own file"), small());
}

/// Fetches weights to the cache of tests, where they are fetched once and checked each time;
/// returns none where downloads are forbidden.
pub(crate) fn fetched(name: &str) -> Option<(PathBuf, Tensors)> {
    let wanted = weights::pretrained(name).expect("known weights");
    match weights::fetch(wanted, &cache(), &|_, _| {}) {
        Ok(path) => {
            let tensors = weights::read(&path).expect("what was fetched");
            Some((path, tensors))
        }
        Err(FetchError::Package(PackageError::Offline { file })) => {
            // Past the test runner, which shows only what fails.
            let _ = writeln!(std::io::stderr(), "skipped: needs {file}, and {OFFLINE} is set");
            None
        }
        Err(error) => panic!("{name}: {error:?}"),
    }
}

/// Every tensor has timm's name, the shape and the bytes that PyTorch reads, which
/// `fixtures/weights/make.py` wrote down.
#[test]
fn published_weights_are_what_pytorch_reads() {
    for known in &weights::PRETRAINED {
        let Some((path, tensors)) = fetched(known.name) else { continue };
        let expected = fs::read_to_string(fixture(&format!("{}.tsv", known.name)));
        let expected = expected.expect("a table of hashes");
        let found: String = (tensors.iter())
            .map(|(name, tensor)| {
                let hash = hex(&Sha256::digest(tensor.to_bytes()));
                format!("{name}\t{:?}\t{hash}\n", tensor.shape())
            })
            .collect();
        for (found, expected) in found.lines().zip(expected.lines()) {
            assert_eq!(found, expected, "{}", known.name);
        }
        assert_eq!(found.len(), expected.len(), "{}: as many tensors", known.name);
        let bytes = fs::read(path).expect("what was fetched");
        assert_eq!(hex(&Sha256::digest(bytes)), known.converted_sha256, "{}", known.name);
    }
}

/// The trunk in the binary is the fetched one; `UPDATE=1` writes it.
#[test]
fn embedded_trunk_is_that_of_the_published_weights() {
    let Some((_, mut trunk)) = fetched("efficientnet_lite0") else { return };
    trunk.retain(weights::in_trunk);
    let bytes = weights::to_safetensors(&trunk).expect("a trunk fits");
    let file = path("src/models/weights/efficientnet_lite0_trunk.safetensors");
    if std::env::var_os("UPDATE").is_some() {
        return fs::write(&file, &bytes).expect("the generated file is written");
    }
    // Not assert_eq, which would print megabytes.
    assert!(fs::read(&file).expect("the trunk") == bytes, "write it anew with UPDATE=1");
    assert!(weights::efficientnet_lite0_trunk() == trunk, "the binary holds the file");
}

fn labelvet(words: &[&str], cache: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_labelvet"))
        .args(words)
        .env("LABELVET_CACHE", cache)
        .output()
        .expect("the command starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("messages are UTF-8")
}

#[test]
fn fetch_prints_the_path_and_mends_a_damaged_cache() {
    if fetched("efficientnet_lite0").is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let fetch = || labelvet(&["weights", "fetch", "efficientnet_lite0"], folder.path());
    let first = fetch();
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    let path = PathBuf::from(text(&first.stdout).trim_end());
    let bytes = fs::read(&path).expect("the file that was named");
    let beside = fs::read_dir(path.parent().expect("a folder")).expect("the cache");
    let mut beside: Vec<PathBuf> = beside.map(|entry| entry.expect("an entry").path()).collect();
    beside.sort();
    let lock = path.with_file_name("lock");
    assert_eq!(beside, [path.clone(), lock], "the package and temporary files are gone");

    fs::write(&path, &bytes[..1000]).expect("damage");
    assert_eq!(fetch().stdout, first.stdout);
    assert!(fs::read(&path).expect("the file again") == bytes);

    // What is there is not fetched again.
    let offline = Command::new(env!("CARGO_BIN_EXE_labelvet"))
        .args(["weights", "fetch", "efficientnet_lite0"])
        .env("LABELVET_CACHE", folder.path())
        .env(OFFLINE, "1")
        .output()
        .expect("the command starts");
    assert_eq!(offline.stdout, first.stdout, "{}", text(&offline.stderr));
}

#[test]
fn fetch_refuses_with_one_message() {
    let folder = tempfile::tempdir().expect("a folder");
    for (words, cache, wanted) in [
        (["weights", "fetch", "resnet50"], folder.path(), "efficientnet_lite0, efficientnet_lite1"),
        (["weights", "fetch", "efficientnet_lite0"], Path::new("off"), "--cache"),
    ] {
        let output = labelvet(&words, cache);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(output.stdout.is_empty());
        assert_eq!(message.trim_end().lines().count(), 1, "{message}");
        assert!(message.contains(wanted), "{message}");
    }
}

#[test]
fn convert_writes_a_new_file_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("small.safetensors");
    let from = fixture("small_legacy.pth");
    let words = |from: &Path| -> Vec<String> {
        let words = ["weights", "convert", &from.display().to_string(), "--out"];
        words.into_iter().map(String::from).chain([out.display().to_string()]).collect()
    };
    let run = |from: &Path| {
        let words = words(from);
        labelvet(&words.iter().map(String::as_str).collect::<Vec<_>>(), Path::new("off"))
    };
    let output = run(&from);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(weights::read(&out).expect("a safetensors file"), small());

    let again = run(&from);
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again.stderr).contains("exists"), "{}", text(&again.stderr));
    let evil = run(&fixture("evil.pth"));
    assert_eq!(evil.status.code(), Some(2));
    assert!(text(&evil.stderr).contains("posix.system"), "{}", text(&evil.stderr));
}
