//! Nothing is half there: every operator has its test, and is held to PyTorch's values.
//!
//! The values stand in `fixtures/ops/<operator>.json`, written by `fixtures/ops/make.py`. The
//! test `reference` in an operator's file reads its own and compares, for every lowering.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Returns the names of the files in a folder that end in `suffix`, without it.
fn names(folder: &str, suffix: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    fs::read_dir(folder)
        .expect("a folder of the repository")
        .filter_map(|entry| entry.expect("an entry").file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(suffix).map(str::to_owned))
        .filter(|name| name != "mod")
        .collect()
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_operator_has_reference_values() {
    assert_eq!(names("src/onnx/ops", ".rs"), names("fixtures/ops", ".json"));
}

#[test]
fn every_operator_is_tested() {
    for operator in names("src/onnx/ops", ".rs") {
        let code = read(&format!("src/onnx/ops/{operator}.rs"));
        let (code, tests) = code.split_once("#[cfg(test)]").unwrap_or((&code, ""));
        let file = format!("include_str!(\"../../../fixtures/ops/{operator}.json\")");
        assert!(tests.contains(&file) && tests.contains("check::reference("), "{operator}");
        let differentiable = code.contains("fn gradient(");
        assert!(
            !differentiable || tests.contains("check::gradient"),
            "{operator} is not held to finite differences"
        );
    }
}

#[test]
fn every_differentiable_operator_has_reference_gradients() {
    for operator in names("src/onnx/ops", ".rs") {
        let code = read(&format!("src/onnx/ops/{operator}.rs"));
        let cases = read(&format!("fixtures/ops/{operator}.json"));
        let cases: Vec<serde_json::Value> = serde_json::from_str(&cases).expect("cases");
        for case in &cases {
            let gradients = case["gradients"].as_array().expect("a list");
            let some = gradients.iter().any(|gradient| !gradient.is_null());
            assert_eq!(some, differentiates(&code), "{operator}, {}", case["name"]);
        }
    }
}

/// Says whether the first operator in a file has a gradient of its own, or is tested within
/// one that has.
fn differentiates(code: &str) -> bool {
    code.contains("fn gradient(") || code.contains("[`super::Select`]")
}
