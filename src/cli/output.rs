//! Where results go: terminal text made safe, and output folders that appear
//! whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::dataset::Problem;

/// File that marks a folder as written by labelvet.
const MARK: &str = "labelvet.json";

/// A folder under a temporary name beside its final one.
///
/// Dropped without [`OutDir::finish`], it takes everything with it.
#[derive(Debug)]
pub(super) struct OutDir {
    staging: tempfile::TempDir,
    target: PathBuf,
}

/// Whether a folder that labelvet wrote may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replace {
    /// Only an absent or empty folder will do.
    Never,
    /// A folder with labelvet's mark may go.
    Own,
}

impl OutDir {
    /// Prepares an output folder.
    ///
    /// # Errors
    /// Fails when the target is not empty and may not be replaced, or when nothing
    /// can be written beside it.
    pub(super) fn new(target: &Path, replace: Replace) -> anyhow::Result<OutDir> {
        if target.symlink_metadata().is_ok() {
            if !target.is_dir() {
                bail!("{} is a file; name a folder that does not exist yet", target.display());
            }
            let empty = (fs::read_dir(target))
                .with_context(|| format!("failed to read {}", target.display()))?
                .next()
                .is_none();
            if !empty && replace == Replace::Never {
                bail!(
                    "{} is not empty; name another folder, or replace it with --force",
                    target.display()
                );
            }
            if !empty && !target.join(MARK).is_file() {
                bail!(
                    "{} was not written by labelvet, so --force leaves it alone",
                    target.display()
                );
            }
        }
        let parent = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent)
            .with_context(|| format!("failed to create {}", parent.display()))?;
        let staging = (tempfile::Builder::new().prefix(".labelvet-"))
            .tempdir_in(parent)
            .with_context(|| format!("failed to create a folder in {}", parent.display()))?;
        Ok(OutDir { staging, target: target.into() })
    }

    /// Returns where to write.
    pub(super) fn path(&self) -> &Path {
        self.staging.path()
    }

    /// Gives the folder its final name.
    ///
    /// # Errors
    /// Fails when the system refuses; the target is then as it was.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        let OutDir { staging, target } = self;
        make_readable(staging.path())?;
        let named = |verb: &str| format!("failed to {verb} {}", target.display());
        // A folder that is replaced goes aside first and is removed last.
        let aside = target.symlink_metadata().is_ok().then(|| staging.path().with_extension("old"));
        if let Some(aside) = &aside {
            fs::rename(&target, aside).with_context(|| named("replace"))?;
        }
        if let Err(error) = fs::rename(staging.path(), &target) {
            if let Some(aside) = &aside {
                fs::rename(aside, &target).with_context(|| named("restore"))?;
            }
            return Err(error).with_context(|| named("write"));
        }
        // The folder has moved; there is nothing left for the guard to remove.
        let _ = staging.keep();
        if let Some(aside) = &aside {
            fs::remove_dir_all(aside)
                .with_context(|| format!("failed to remove {}", aside.display()))?;
        }
        Ok(())
    }
}

/// A folder that grows under its final name while a run goes.
#[derive(Debug)]
pub(super) struct RunDir;

impl RunDir {
    /// Checks that the folder can be made, before work is done for it.
    ///
    /// # Errors
    /// Fails as [`RunDir::begin`] does.
    pub(super) fn check(target: &Path, replace: Replace) -> anyhow::Result<()> {
        OutDir::new(target, replace).map(drop)
    }

    /// Makes the folder and marks it as labelvet's.
    ///
    /// # Errors
    /// Fails when the target is not empty and may not be replaced, or cannot be written.
    pub(super) fn begin(target: &Path, replace: Replace, words: &[String]) -> anyhow::Result<()> {
        // Made beside it first, so that the same is refused, and a folder that is replaced
        // is whole until then.
        let out = OutDir::new(target, replace)?;
        mark(out.path(), words)?;
        out.finish()
    }
}

/// Marks a folder as labelvet's, with the command line that makes it.
///
/// # Errors
/// Fails when the system refuses.
pub(super) fn mark(folder: &Path, words: &[String]) -> anyhow::Result<()> {
    let mark = serde_json::json!({
        "schema": 1,
        "tool": "labelvet",
        "version": env!("CARGO_PKG_VERSION"),
        "command": words,
    });
    let path = folder.join(MARK);
    fs::write(&path, format!("{mark:#}\n"))
        .with_context(|| format!("failed to write {}", path.display()))
}

/// Temporary folders are private; results get the permissions of a new folder.
#[cfg(unix)]
fn make_readable(folder: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("failed to set permissions of {}", folder.display()))
}

#[cfg(not(unix))]
fn make_readable(_: &Path) -> anyhow::Result<()> {
    Ok(())
}

/// Prints to stdout.
///
/// # Errors
/// Fails when stdout is closed.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Prints one line of talk to stderr.
pub(super) fn say(text: &str) {
    // Nobody is left to tell when stderr is closed.
    let _ = writeln!(io::stderr(), "{}", safe(text));
}

/// Says what a reader of predictions noticed: the first few by file and row, the rest by number.
pub(super) fn say_problems(problems: &[Problem]) {
    const MOST: usize = 5;
    for problem in problems.iter().take(MOST) {
        let row = problem.row.map(|row| format!(" row {row}:")).unwrap_or_default();
        say(&format!("{}:{row} {}", problem.file, problem.message));
    }
    if problems.len() > MOST {
        say(&format!("and {} more", problems.len() - MOST));
    }
}

/// Prints an error and its causes as one message.
pub(super) fn complain(error: &anyhow::Error) {
    say(&format!("labelvet: {}", chained(error)));
}

/// Joins an error and its causes. A message that ends with its cause says it once.
fn chained(error: &anyhow::Error) -> String {
    let mut message = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if message.is_empty() {
            message = cause;
        } else if !message.ends_with(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    message
}

/// Returns whether an error means that the reader of stdout went away.
pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    io.is_some_and(|io| io.kind() == io::ErrorKind::BrokenPipe)
}

/// Escapes control characters, so that a file name cannot drive the terminal.
pub(super) fn safe(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c.to_string(),
            c if c.is_control() || is_bidi(c) => c.escape_unicode().to_string(),
            c => c.to_string(),
        })
        .collect()
}

/// Characters that reorder the text around them (Unicode TR 9, section 2).
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{200E}' | '\u{200F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_folder_leaves_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let target = parent.path().join("out");
        let out = OutDir::new(&target, Replace::Never).unwrap();
        fs::write(out.path().join("half"), "x").unwrap();
        drop(out);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn force_replaces_only_what_labelvet_wrote() {
        let parent = tempfile::tempdir().unwrap();
        let target = parent.path().join("out");
        fs::create_dir(&target).unwrap();
        fs::write(target.join("thesis.docx"), "x").unwrap();
        assert!(OutDir::new(&target, Replace::Never).is_err());
        assert!(OutDir::new(&target, Replace::Own).is_err());
        fs::write(target.join(MARK), "{}").unwrap();
        let out = OutDir::new(&target, Replace::Own).unwrap();
        fs::write(out.path().join("new"), "x").unwrap();
        out.finish().unwrap();
        assert!(target.join("new").is_file() && !target.join("thesis.docx").exists());
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_cause_is_said_once() {
        let inner = || io::Error::other("disk is full");
        let said = |error: anyhow::Error| chained(&error.context("no report"));
        assert_eq!(said(inner().into()), "no report: disk is full");
        let outer = anyhow::Error::from(inner()).context("failed to write a: disk is full");
        assert_eq!(said(outer), "no report: failed to write a: disk is full");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(safe("a\u{1b}[31m"), "a\\u{1b}[31m");
    }
}
