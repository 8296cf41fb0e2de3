//! Reading a file's bytes, and telling what stands in its place: nothing, a Git LFS
//! pointer, a file that DVC has not fetched.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use super::{Fault, MediaError};

/// Size in bytes below which a file may be a Git LFS pointer.
///
/// # Source
/// Git LFS specification, section "The Pointer": shorter than 1024 bytes.
const LFS_POINTER_MAX: usize = 1024;

/// Reads a file into `bytes`, whose memory is used again.
///
/// # Errors
/// Fails when there is no such file, it is empty or a Git LFS pointer, or the system
/// refuses. After an error `bytes` holds what was read.
pub fn read(path: &Path, bytes: &mut Vec<u8>) -> Result<(), MediaError> {
    bytes.clear();
    let mut read = || {
        let mut file = File::open(path)?;
        let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        // One byte more lets the read that finds the end of the file do without
        // growing the buffer.
        bytes.try_reserve_exact(length.saturating_add(1))?;
        file.read_to_end(bytes)
    };
    match read() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(MediaError::new(Fault::Missing, "no such file"))
        }
        Err(error) => Err(MediaError::new(Fault::Unreadable, error.to_string())),
        Ok(0) => Err(MediaError::new(Fault::Empty, "the file has no bytes")),
        Ok(_) => match lfs_pointer(bytes) {
            Some(oid) => Err(MediaError::new(
                Fault::LfsPointer(oid),
                "a Git LFS pointer; `git lfs pull` fetches the image",
            )),
            None => Ok(()),
        },
    }
}

/// Returns the SHA-256 that a Git LFS pointer names, `None` where it is no pointer.
///
/// # Source
/// Git LFS specification, section "The Pointer": lines of key, space, value; the
/// first is the version, `oid` is `sha256:` and 64 hexadecimal digits.
fn lfs_pointer(bytes: &[u8]) -> Option<[u8; 32]> {
    if bytes.len() >= LFS_POINTER_MAX || !bytes.starts_with(b"version https://git-lfs") {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let digits = text.lines().find_map(|line| line.strip_prefix("oid sha256:"))?.trim();
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    let mut oid = [0; 32];
    for (at, byte) in oid.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(oid)
}

/// Tells whether DVC tracks a file that is not there: `<file>.dvc` stands beside it,
/// or `<folder>.dvc` beside a folder above it, up to `root`.
pub fn dvc_pointer(root: &Path, path: &Path) -> bool {
    let tracked = |path: &Path| {
        let Some(name) = path.file_name() else { return false };
        let mut name = name.to_os_string();
        name.push(".dvc");
        path.with_file_name(name).is_file()
    };
    (path.ancestors().take_while(|above| above.starts_with(root))).any(tracked)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_pointer_stands_for_the_file_it_names() {
        let oid = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";
        let text =
            format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 12345\n");
        let found = lfs_pointer(text.as_bytes()).expect("a pointer");
        assert_eq!(found[..3], [0x4d, 0x7a, 0x21]);
        assert_eq!(
            lfs_pointer(b"version https://git-lfs.github.com/spec/v1\noid sha256:12\n"),
            None
        );
        assert_eq!(lfs_pointer(b"\x89PNG"), None);
    }

    #[test]
    fn dvc_tracks_files_and_folders() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("images/a");
        fs::create_dir_all(&folder).expect("folders");
        let image = folder.join("1.png");
        assert!(!dvc_pointer(root.path(), &image));
        fs::write(root.path().join("images.dvc"), "outs:\n- path: images\n").expect("a file");
        assert!(dvc_pointer(root.path(), &image));
        assert!(!dvc_pointer(&folder, &image), "folders above the root are not asked");
        fs::write(folder.join("1.png.dvc"), "outs:\n- path: 1.png\n").expect("a file");
        assert!(dvc_pointer(&folder, &image));
    }

    #[test]
    fn what_cannot_be_read_has_its_fault() {
        let root = tempfile::tempdir().expect("a folder");
        let fault = |path: &Path| read(path, &mut Vec::new()).map_err(|error| error.fault);
        assert_eq!(fault(&root.path().join("none.png")), Err(Fault::Missing));
        let empty = root.path().join("empty.png");
        fs::write(&empty, "").expect("a file");
        assert_eq!(fault(&empty), Err(Fault::Empty));
        assert_eq!(fault(root.path()), Err(Fault::Unreadable));
    }
}
