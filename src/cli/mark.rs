//! `labelvet.json` of folders that hold no audit: what made them, of which dataset.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::dataset::{Dataset, fingerprint};

/// Marks a folder as labelvet's. `settings` is all that users may change, as it was used; the
/// fingerprint is that of the labels, since no image need have been opened.
pub(super) fn write(
    folder: &Path,
    words: &[String],
    dataset: &Dataset,
    path: &Path,
    settings: Value,
) -> Result<()> {
    let mark = serde_json::json!({
        "schema": 1,
        "tool": "labelvet",
        "version": env!("CARGO_PKG_VERSION"),
        "command": words,
        "dataset": {
            "path": path.display().to_string(),
            "format": dataset.format,
            "labels_fingerprint": fingerprint(dataset, |_| None),
        },
        "settings": settings,
    });
    let file = folder.join("labelvet.json");
    fs::write(&file, format!("{mark:#}\n"))
        .with_context(|| format!("failed to write {}", file.display()))
}
