//! The file of decisions: reads its lines, and adds to it without losing one.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use serde_json::Value;

use super::decisions::{Decision, Decisions, DecisionsError};

/// Version of the layout.
const SCHEMA: u64 = 1;

/// Reads the lines of a file. Lines that say the schema may stand anywhere, so that files can
/// be put one behind the other; blank lines are passed over.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<Decision>, DecisionsError> {
    let malformed = |line: usize, message: String| DecisionsError::Malformed {
        path: path.into(),
        line,
        message,
    };
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = 1 + bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
        malformed(line, "expected UTF-8, found another encoding".into())
    })?;
    let mut decisions = Vec::new();
    for (at, row) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        if row.trim().is_empty() {
            continue;
        }
        let line = at + 1;
        let value: Value = serde_json::from_str(row)
            .map_err(|error| malformed(line, format!("expected JSON, found: {error}")))?;
        let fields = value
            .as_object()
            .ok_or_else(|| malformed(line, "expected an object in braces".into()))?;
        if let (Some(schema), false) = (fields.get("schema"), fields.contains_key("fingerprint")) {
            if schema.as_u64() != Some(SCHEMA) {
                return Err(malformed(line, format!("expected schema {SCHEMA}, found {schema}")));
            }
            continue;
        }
        let decision = serde_json::from_value(value)
            .map_err(|error| malformed(line, format!("expected a decision: {error}")))?;
        decisions.push(decision);
    }
    Ok(decisions)
}

/// What to do with a file of decisions that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Leave it alone and fail.
    Refuse,
    /// Keep every line and add the new ones behind.
    Append,
}

/// Writes decisions to a file, whole or not at all. Returns how many were written: those that
/// the file says already, word for word, are not said again.
///
/// # Errors
/// Fails when the file exists and is not to be added to, holds no decisions, or cannot be
/// written.
pub fn write_decisions(
    path: &Path,
    decisions: &[Decision],
    existing: Existing,
) -> Result<usize, DecisionsError> {
    let io = |verb: &'static str| {
        move |source: io::Error| DecisionsError::Io { verb, path: path.into(), source }
    };
    let mut content = Vec::new();
    let mut known = Decisions::default();
    if path.symlink_metadata().is_ok() {
        if existing == Existing::Refuse {
            return Err(DecisionsError::Exists { path: path.into() });
        }
        content = fs::read(path).map_err(io("read"))?;
        known.add(parse(path, &content)?);
        if content.last().is_some_and(|&byte| byte != b'\n') {
            content.push(b'\n');
        }
    }
    if content.iter().all(u8::is_ascii_whitespace) {
        content = format!("{{\"schema\":{SCHEMA},\"kind\":\"decisions\"}}\n").into_bytes();
    }
    let same = |a: &Decision, b: &Decision| {
        Decision { at: None, ..a.clone() } == Decision { at: None, ..b.clone() }
    };
    let mut written = 0;
    let mut said = BTreeSet::new();
    for decision in decisions {
        let again = known.get(&decision.fingerprint).is_some_and(|old| same(old, decision));
        if again && !said.contains(&decision.fingerprint) {
            continue;
        }
        serde_json::to_writer(&mut content, decision)
            .map_err(io::Error::from)
            .map_err(io("write"))?;
        content.push(b'\n');
        said.insert(decision.fingerprint.clone());
        written += 1;
    }
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder).map_err(io("write"))?;
    // A link is followed, so that the file that it leads to is the one that is replaced.
    let target = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let folder = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(folder);
    let mut file =
        (tempfile::Builder::new().prefix(".labelvet-")).tempfile_in(folder).map_err(io("write"))?;
    file.write_all(&content).map_err(io("write"))?;
    file.as_file().sync_all().map_err(io("write"))?;
    readable(file.as_file(), &target).map_err(io("write"))?;
    match existing {
        Existing::Append => file.persist(&target).map(drop),
        // A file that someone else made in the meantime is not replaced either.
        Existing::Refuse => file.persist_noclobber(&target).map(drop),
    }
    .map_err(|error| io("write")(error.error))?;
    Ok(written)
}

/// Temporary files are private; results get the permissions of the file that they replace, or
/// those of a new one.
#[cfg(unix)]
fn readable(file: &fs::File, target: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let old = target.metadata().ok().map(|metadata| metadata.permissions());
    file.set_permissions(old.unwrap_or_else(|| fs::Permissions::from_mode(0o644)))
}

#[cfg(not(unix))]
fn readable(_: &fs::File, _: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    fn decision(fingerprint: &str, verdict: Verdict) -> Decision {
        Decision {
            fingerprint: fingerprint.into(),
            label_hash: Some("00".into()),
            verdict,
            by: Some("Ada".into()),
            at: Some("2024-01-01T00:00:00Z".into()),
            note: None,
            after: None,
        }
    }

    #[test]
    fn the_last_line_counts_and_old_lines_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("decisions.jsonl");
        let first = [decision("a", Verdict::Unsure), decision("b", Verdict::Correct)];
        assert_eq!(write_decisions(&path, &first, Existing::Refuse).unwrap(), 2);
        let before = fs::read_to_string(&path).unwrap();
        assert!(before.starts_with("{\"schema\":1"), "{before}");
        let refused = write_decisions(&path, &first, Existing::Refuse).unwrap_err();
        assert!(refused.to_string().contains("--append"), "{refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), before);
        let second = [decision("a", Verdict::Fixed), decision("b", Verdict::Correct)];
        assert_eq!(write_decisions(&path, &second, Existing::Append).unwrap(), 1);
        assert!(fs::read_to_string(&path).unwrap().starts_with(&before));
        let all = Decisions::read(&[path]).unwrap();
        assert_eq!(all.iter().count(), 2);
        assert_eq!(all.get("a").unwrap().verdict, Verdict::Fixed);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left over");
    }

    #[test]
    fn what_is_no_decision_is_named_with_its_line() {
        let read = |text: &str| parse(Path::new("d.jsonl"), text.as_bytes());
        let good = serde_json::to_string(&decision("a", Verdict::Drop)).unwrap();
        assert_eq!(
            read(&format!("{{\"schema\":1}}\n\n{good}\n{{\"schema\":1}}\n")).unwrap().len(),
            1
        );
        for (text, expected) in [
            (format!("{{\"schema\":1}}\n{good}\nnot json\n"), "line 3: expected JSON"),
            ("[1]".into(), "line 1: expected an object"),
            ("{\"schema\":2}".into(), "line 1: expected schema 1, found 2"),
            ("{\"fingerprint\":\"a\",\"verdict\":\"maybe\"}".into(), "`maybe`"),
            ("{\"verdict\":\"drop\"}".into(), "missing field `fingerprint`"),
        ] {
            let error = read(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(error.contains("d.jsonl"), "{error}");
        }
        let error = parse(Path::new("d"), b"\n\xff").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("UTF-8"), "{error}");
    }
}
