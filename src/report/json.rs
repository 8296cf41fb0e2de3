//! `findings.json`: an array of findings, one per line, so that two of them can be
//! compared line by line. Holds no time and no path of this machine.

use std::io::Write;

use crate::audit::Finding;

/// Writes findings as a JSON array, in their order.
///
/// # Errors
/// Fails when the writer does.
pub(super) fn write(out: &mut impl Write, findings: &[Finding]) -> std::io::Result<()> {
    out.write_all(b"[")?;
    for (at, finding) in findings.iter().enumerate() {
        out.write_all(if at == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut *out, finding)?;
    }
    out.write_all(if findings.is_empty() { b"]\n" } else { b"\n]\n" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_findings_are_an_empty_array() {
        let mut out = Vec::new();
        write(&mut out, &[]).unwrap();
        assert_eq!(out, b"[]\n");
    }
}
