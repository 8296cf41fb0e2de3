//! Weights of networks, under timm's names: read, compared, fetched, written.
//!
//! | takes | gives |
//! |---|---|
//! | a safetensors file, a `torch.save` checkpoint of today or of before 2020 | [`Tensors`] ([`read()`]) |
//! | [`Tensors`] | a safetensors file that timm loads ([`write()`]) |
//! | [`Tensors`] and the tensors a model expects | the first difference ([`check()`]) |
//! | published weights by name | a safetensors file in the cache ([`fetch()`]) |
//! | nothing | the embedded trunk of EfficientNet-Lite0 ([`efficientnet_lite0_trunk()`]) |
//!
//! A file is data, never a program: what a pickle asks to be called is looked up in
//! a short list and anything else is an error. No input makes a reader panic or take
//! memory out of proportion to the file's size.

mod check;
mod fetch;
mod pretrained;
mod safetensors;
mod tensors;
mod torch;
mod trunk;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use check::{Mismatch, check};
pub use fetch::{FetchError, fetch};
pub use pretrained::{ConvertError, PRETRAINED, Pretrained, UnknownWeights, pretrained};
pub use safetensors::{SafetensorsError, to_safetensors};
pub use tensors::{Data, LengthError, Tensor, Tensors};
pub use torch::{PickleError, TorchError};
pub use trunk::{efficientnet_lite0_trunk, in_trunk};

/// First bytes of a zip archive, which `torch.save` writes since 2020 (PyTorch 1.6).
const ZIP: &[u8] = b"PK\x03\x04";
/// First byte of a pickle of protocol 2 or later, with which older checkpoints begin.
const PICKLE: u8 = 0x80;
/// First bytes of what Git leaves where a large file was not downloaded.
const LFS_POINTER: &[u8] = b"version https://git-lfs";

/// Reads a checkpoint of timm's: safetensors (`.safetensors`), or `torch.save` of a
/// state dict or of timm's training script (`.pth`, `.pt`, `.bin`, `.pth.tar`).
///
/// The content decides about the format, not the file's name. Where a checkpoint
/// holds several state dicts, timm's order holds: `state_dict_ema`, `model_ema`,
/// `state_dict`, `model`. The prefixes that wrappers put before names, `module.` and
/// `_orig_mod.`, are taken off.
///
/// # Errors
/// Fails when the file cannot be read, is in no known format, is damaged, or names
/// anything to be called that is not on the list.
pub fn read(path: &Path) -> Result<Tensors, WeightsError> {
    let read = |source| WeightsError::Read { path: path.into(), source };
    let bytes = fs::read(path).map_err(read)?;
    parse(&bytes).map_err(|source| WeightsError::Parse { path: path.into(), source })
}

/// Reads the bytes of a checkpoint, as [`read`] does.
///
/// # Errors
/// Fails when the bytes are in no known format, are damaged, or name anything to be
/// called that is not on the list.
pub fn parse(bytes: &[u8]) -> Result<Tensors, ParseError> {
    // A safetensors file begins with a number, which may look like any of the others.
    let tensors = if bytes.get(safetensors::LENGTH) == Some(&b'{') {
        safetensors::parse(bytes)?
    } else if bytes.starts_with(ZIP) {
        torch::read_archive(bytes)?
    } else if bytes.first() == Some(&PICKLE) {
        torch::read_legacy(bytes)?
    } else if bytes.starts_with(LFS_POINTER) {
        return Err(ParseError::LfsPointer);
    } else {
        return Err(ParseError::Format);
    };
    Ok(tensors.into_iter().map(|(name, tensor)| (unwrapped(name), tensor)).collect())
}

/// Takes off what `torch.compile` and data-parallel wrappers put before a name, in
/// either order.
fn unwrapped(mut name: String) -> String {
    for prefix in ["_orig_mod.", "module.", "_orig_mod."] {
        if name.starts_with(prefix) {
            name.drain(..prefix.len());
        }
    }
    name
}

/// Writes a safetensors file that timm loads. The same tensors give the same bytes.
///
/// The file appears whole or not at all, and none is replaced.
///
/// # Errors
/// Fails when the file exists or cannot be written.
pub fn write(tensors: &Tensors, path: &Path) -> Result<(), WeightsError> {
    let written = (to_safetensors(tensors).map_err(io::Error::other))
        .and_then(|bytes| temporary(path, &bytes))
        .and_then(|file| Ok(file.persist_noclobber(path)?));
    written.map(drop).map_err(|source| WeightsError::Write { path: path.into(), source })
}

/// Writes bytes under a temporary name in the folder of `path`.
fn temporary(path: &Path, bytes: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    use std::io::Write as _;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".labelvet-");
    // Temporary files are private; a result gets the permissions of a new file.
    #[cfg(unix)]
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    #[cfg(unix)]
    builder.permissions(mode);
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Why a file of weights cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The system did not let the file be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The content is none that can be taken.
    #[error("failed to read weights from {}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ParseError,
    },
    /// The system did not let the file be written, or it exists.
    #[error("failed to write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why bytes are not weights.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Neither safetensors nor a checkpoint of PyTorch.
    #[error("neither a safetensors file nor a checkpoint written by torch.save")]
    Format,
    /// A pointer to a file that Git LFS has not downloaded.
    #[error("a pointer of Git LFS, not the file itself; fetch it with `git lfs pull`")]
    LfsPointer,
    /// A damaged safetensors file.
    #[error(transparent)]
    Safetensors(#[from] SafetensorsError),
    /// A checkpoint of PyTorch that is damaged or asks for more than is on the list.
    #[error(transparent)]
    Torch(#[from] TorchError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappers_are_taken_off_in_either_order() {
        for name in ["bn1.bias", "module.bn1.bias", "_orig_mod.module.bn1.bias"] {
            assert_eq!(unwrapped(name.into()), "bn1.bias");
        }
        assert_eq!(unwrapped("module._orig_mod.bn1.bias".into()), "bn1.bias");
        assert_eq!(unwrapped("head.module.bias".into()), "head.module.bias");
    }

    #[test]
    fn a_header_as_long_as_a_pickle_begins_is_told_from_one() {
        // A header of 128 bytes, 0x80.
        let name = "n".repeat(40);
        let tensors: Tensors =
            [(name, Tensor::new(vec![0], Data::F32(vec![])).unwrap())].into_iter().collect();
        let bytes = to_safetensors(&tensors).unwrap();
        assert_eq!(bytes[0], PICKLE);
        assert_eq!(parse(&bytes).unwrap(), tensors);
    }

    #[test]
    fn other_files_are_told_apart() {
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n";
        assert!(matches!(parse(pointer), Err(ParseError::LfsPointer)));
        for bytes in [&b""[..], b"GIF89a and more", b"\x1f\x8b\x08gzip"] {
            assert!(matches!(parse(bytes), Err(ParseError::Format)), "{bytes:?}");
        }
    }

    #[test]
    fn writing_replaces_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        let tensors: Tensors =
            [("a".to_string(), Tensor::new(vec![2], Data::F32(vec![1.0, 2.0])).unwrap())]
                .into_iter()
                .collect();
        write(&tensors, &path).unwrap();
        assert_eq!(read(&path).unwrap(), tensors);
        assert!(matches!(write(&Tensors::default(), &path), Err(WeightsError::Write { .. })));
        assert_eq!(read(&path).unwrap(), tensors);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }
}
