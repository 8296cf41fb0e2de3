//! Downloads a wheel with the user's pip, so that its settings and mirrors hold.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{PackageError, Progress, Python, Wheel, at};

/// Time between two looks at how much has arrived.
const GLANCE: Duration = Duration::from_millis(100);

/// Downloads a wheel into a folder; returns its path.
pub(super) fn download(
    python: &Python,
    wheel: &Wheel,
    folder: &Path,
    progress: Progress<'_>,
) -> Result<PathBuf, PackageError> {
    let fail =
        |message| PackageError::Pip { file: wheel.file, python: python.program.clone(), message };
    // A requirement with a hash makes pip pass over every other build of the version.
    let wanted = folder.join("requirement.txt");
    let line = format!("{}=={} --hash=sha256:{}\n", wheel.package(), wheel.version(), wheel.sha256);
    fs::write(&wanted, line).map_err(at(&wanted))?;
    let said = folder.join("pip.log");
    let log = File::create(&said).map_err(at(&said))?;
    let mut child = (Command::new(&python.program).args(["-m", "pip", "download"]))
        .args(["--no-deps", "--only-binary", ":all:", "--no-input", "--progress-bar", "off"])
        .arg("--disable-pip-version-check")
        .args(tags(wheel))
        .arg("--dest")
        .arg(folder)
        .arg("--requirement")
        .arg(&wanted)
        // pip downloads to a temporary folder: ours has the room, and is watched. It is
        // also where `-m` looks first, which must not be the user's current folder.
        .envs(["TMPDIR", "TEMP", "TMP"].map(|name| (name, folder)))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(|error| fail(error.to_string()))?;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|error| fail(error.to_string()))? {
            break status;
        }
        progress(wheel, size(folder).min(wheel.bytes));
        std::thread::sleep(GLANCE);
    };
    let path = folder.join(wheel.file);
    if status.success() && path.is_file() {
        progress(wheel, wheel.bytes);
        return Ok(path);
    }
    let said = fs::read(&said).unwrap_or_default();
    Err(fail(last_words(&String::from_utf8_lossy(&said))))
}

/// Returns the arguments that make pip look for the wheel's platform and Python, which
/// need not be those of the pip that runs.
fn tags(wheel: &Wheel) -> Vec<String> {
    let [python, abi, platform] = [2, 3, 4].map(|index| wheel.part(index));
    let mut words = Vec::new();
    if platform != "any" {
        words.extend(platform.split('.').flat_map(|tag| ["--platform".into(), tag.into()]));
    }
    if let Some((major, minor)) =
        python.strip_prefix("cp").and_then(|digits| digits.split_at_checked(1))
    {
        words.extend(["--implementation", "cp", "--abi", abi].map(String::from));
        words.extend(["--python-version".into(), format!("{major}.{minor}")]);
    }
    words
}

/// Returns the bytes of all files below a folder; files that vanish do not count.
fn size(folder: &Path) -> u64 {
    let entries = walkdir::WalkDir::new(folder).into_iter().flatten();
    let lengths = entries.filter_map(|entry| Some(entry.metadata().ok()?).filter(|m| m.is_file()));
    lengths.map(|metadata| metadata.len()).sum()
}

/// Returns the errors that pip printed, or its last line, as one line.
fn last_words(said: &str) -> String {
    let lines = || said.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    // The last error is the summary; the one before may list hundreds of versions.
    let error = lines().find_map(|line| line.strip_prefix("ERROR: "));
    error.or_else(|| lines().next()).unwrap_or("nothing").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wheel(file: &'static str) -> Wheel {
        Wheel { file, sha256: "", bytes: 0, licence: "" }
    }

    #[test]
    fn pip_is_told_the_wheels_tags() {
        assert!(tags(&wheel("a-1-py2.py3-none-any.whl")).is_empty());
        let words = tags(&wheel("a-1-py3-none-manylinux1_x86_64.manylinux_2_5_x86_64.whl"));
        let platforms = ["--platform", "manylinux1_x86_64", "--platform", "manylinux_2_5_x86_64"];
        assert_eq!(words, platforms);
        let words = tags(&wheel("a-1-cp312-cp312-win_amd64.whl")).join(" ");
        assert_eq!(
            words,
            "--platform win_amd64 --implementation cp --abi cp312 --python-version 3.12"
        );
    }

    #[test]
    fn message_is_the_last_error() {
        let said = "WARNING: slow\nERROR: first (from versions: 1, 2)\nERROR: none found\n";
        assert_eq!(last_words(said), "none found");
        assert_eq!(last_words("Traceback\n  SyntaxError: x\n"), "SyntaxError: x");
        assert_eq!(last_words(""), "nothing");
    }
}
