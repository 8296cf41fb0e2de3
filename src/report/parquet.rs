//! `findings.parquet` and `facts/*.parquet`: tables for scripts, each with
//! `schema = 1` in its key-value metadata.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use polars::prelude::*;
use serde::Serialize;

use super::{ReportError, SCHEMA};
use crate::audit::{Finding, Place, Proposal};

/// Writes findings with the columns of `findings.json`; `location` and `proposal`
/// are structs, `related` is a list.
///
/// # Errors
/// Fails when the file cannot be written.
pub(super) fn write_findings(path: &Path, findings: &[Finding]) -> Result<(), ReportError> {
    let frame = frame(findings).map_err(|error| ReportError::table(path, error))?;
    write(path, frame)
}

/// Writes a frame to a Parquet file.
///
/// # Errors
/// Fails when the file cannot be written.
pub(super) fn write(path: &Path, mut frame: DataFrame) -> Result<(), ReportError> {
    let file = File::create(path).map_err(|error| ReportError::io(path, error))?;
    let schema = vec![("schema".to_string(), SCHEMA.to_string())];
    ParquetWriter::new(BufWriter::new(file))
        .with_key_value_metadata(Some(KeyValueMetadata::from_static(schema)))
        .finish(&mut frame)
        .map_err(|error| ReportError::table(path, error))?;
    Ok(())
}

fn frame(findings: &[Finding]) -> PolarsResult<DataFrame> {
    let text = |name: &str, value: fn(&Finding) -> Option<&str>| {
        StringChunked::from_iter_options(name.into(), findings.iter().map(value)).into_column()
    };
    let words = |name: &str, value: fn(&Finding) -> Option<String>| {
        StringChunked::from_iter_options(name.into(), findings.iter().map(value)).into_column()
    };
    let number = |name: &str, value: fn(&Finding) -> Option<f64>| {
        Float64Chunked::from_iter_options(name.into(), findings.iter().map(value)).into_column()
    };
    let mut related = ListStringChunkedBuilder::new("related".into(), findings.len(), 0);
    for finding in findings {
        related.append_values_iter(finding.related.iter().map(String::as_str));
    }
    DataFrame::new(
        findings.len(),
        vec![
            text("rule", |f| Some(&f.rule)),
            words("severity", |f| word(&f.severity)),
            number("score", |f| Some(f.score)),
            words("level", |f| word(&f.level)),
            words("kind", |f| f.kind.as_ref().and_then(word)),
            text("image", |f| f.image.as_deref()),
            text("video", |f| f.video.as_deref()),
            text("instance", |f| f.instance.as_deref()),
            text("keypoint", |f| f.keypoint.as_deref()),
            text("class", |f| f.class.as_deref()),
            text("message", |f| Some(&f.message)),
            number("value", |f| f.value),
            number("threshold", |f| f.threshold),
            related.finish().into_column(),
            locations(findings)?.into_column(),
            proposals(findings)?.into_column(),
            text("fingerprint", |f| Some(&f.fingerprint)),
        ],
    )
}

/// Returns the word that serde writes for a value of an enum.
fn word(value: &impl Serialize) -> Option<String> {
    let value = serde_json::to_value(value).ok()?;
    value.as_str().map(str::to_string)
}

fn locations(findings: &[Finding]) -> PolarsResult<StructChunked> {
    let places = || findings.iter().map(|finding| finding.location.as_ref());
    let number = |name: &str, value: fn(&Place) -> Option<u32>| {
        UInt32Chunked::from_iter_options(name.into(), places().map(|p| p.and_then(value)))
            .into_series()
    };
    let file = places().map(|place| place.map(|place| place.file.as_str()));
    let fields = [
        StringChunked::from_iter_options("file".into(), file).into_series(),
        number("row", |place| place.row),
        number("column", |place| place.column),
    ];
    nullable("location", &fields, places().map(|place| place.is_some()).collect())
}

fn proposals(findings: &[Finding]) -> PolarsResult<StructChunked> {
    let proposals = || findings.iter().map(|finding| finding.proposal.as_ref());
    let number = |name: &str, value: fn(&Proposal) -> Option<f64>| {
        Float64Chunked::from_iter_options(name.into(), proposals().map(|p| p.and_then(value)))
            .into_series()
    };
    let action = proposals().map(|proposal| word(&proposal?.action));
    let with = proposals().map(|proposal| proposal?.with.as_deref());
    let fields = [
        StringChunked::from_iter_options("action".into(), action).into_series(),
        number("x", |proposal| proposal.x),
        number("y", |proposal| proposal.y),
        number("sd_px", |proposal| proposal.sd_px),
        StringChunked::from_iter_options("with".into(), with).into_series(),
    ];
    nullable("proposal", &fields, proposals().map(|proposal| proposal.is_some()).collect())
}

/// Makes a struct column that is null where `present` is false.
fn nullable(name: &str, fields: &[Series], present: BooleanChunked) -> PolarsResult<StructChunked> {
    let rows = StructChunked::from_series(name.into(), present.len(), fields.iter())?;
    let validity = present.downcast_iter().next().map(|array| array.values().clone());
    Ok(rows.with_outer_validity(validity))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_findings_keep_their_columns() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("findings.parquet");
        write_findings(&path, &[]).unwrap();
        let frame = ParquetReader::new(File::open(&path).unwrap()).finish().unwrap();
        assert_eq!((frame.height(), frame.width()), (0, 17));
    }
}
