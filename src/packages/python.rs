//! The Python at hand: the active environment's, or the one on the path.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Time that a Python gets to answer a question. A cold start from a network disk
/// takes a few seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// A Python interpreter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Python {
    /// The program, as it is to be started.
    pub program: PathBuf,
}

impl Python {
    /// Returns the first Python at hand that works: of the active virtual environment,
    /// of the active conda environment, on the path.
    pub fn active() -> Option<Python> {
        candidates().find(|python| python.ask("print(1)").is_some())
    }

    /// Returns the first Python at hand that has pip.
    pub(super) fn with_pip() -> Option<Python> {
        candidates().find(|python| python.ask("import pip; print(pip.__version__)").is_some())
    }

    /// Returns the folders into which packages are installed; none where Python does
    /// not answer.
    pub fn site_packages(&self) -> Vec<PathBuf> {
        let code = "import sysconfig, site; p = sysconfig.get_paths(); \
             print('\\n'.join([p['platlib'], p['purelib'], site.getusersitepackages()]))";
        let mut folders: Vec<PathBuf> =
            self.ask(code).unwrap_or_default().lines().map(PathBuf::from).collect();
        folders.dedup();
        folders
    }

    /// Returns what a line of code prints.
    fn ask(&self, code: &str) -> Option<String> {
        // The current folder may hold a dataset, and with `-c` Python would import from
        // it; `-I` keeps it, and the user's `PYTHON*` variables, out.
        let mut child = (Command::new(&self.program).args(["-I", "-c", code]))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let start = Instant::now();
        // An answer fits the pipe's buffer, so waiting first cannot block it.
        while child.try_wait().ok()?.is_none() {
            if start.elapsed() > PATIENCE {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let output = child.wait_with_output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        (output.status.success() && !text.is_empty()).then_some(text)
    }
}

fn candidates() -> impl Iterator<Item = Python> {
    let below = |variable: &str, conda: bool| {
        let folder = std::env::var_os(variable).filter(|value| !value.is_empty())?;
        let name = match (cfg!(windows), conda) {
            (false, _) => "bin/python",
            (true, false) => "Scripts/python.exe",
            (true, true) => "python.exe",
        };
        Some(Path::new(&folder).join(name)).filter(|path| path.is_file())
    };
    let environments = [below("VIRTUAL_ENV", false), below("CONDA_PREFIX", true)];
    let on_path = ["python3", "python"].map(|name| Some(PathBuf::from(name)));
    environments.into_iter().chain(on_path).flatten().map(|program| Python { program })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_that_is_missing_or_no_python_is_none() {
        for program in ["/no/such/python", "false"] {
            let python = Python { program: program.into() };
            assert_eq!(python.ask("print(1)"), None);
            assert!(python.site_packages().is_empty());
        }
    }
}
