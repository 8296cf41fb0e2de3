//! Nothing is half there: every rule has its code or query, data, fixture and page.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use labelvet::audit;

/// Returns the names of the files or folders in a folder, without a suffix.
fn names(folder: &str, suffix: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    (fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())))
        .filter_map(|entry| entry.expect("an entry").file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(suffix).map(String::from))
        .filter(|name| !["mod", "README"].contains(&name.as_str()) && !name.ends_with(".md"))
        .collect()
}

#[test]
fn every_rule_has_data_code_fixture_and_page() {
    let rules = audit::builtin().expect("the built-in rules are valid");
    let slugs: BTreeSet<String> = rules.iter().map(|rule| rule.slug.clone()).collect();
    assert_eq!(names("rules", ".toml"), slugs, "rules/*.toml");
    assert_eq!(names("fixtures/rules", ""), slugs, "fixtures/rules/*");
    let in_rust: BTreeSet<String> =
        rules.iter().filter(|rule| rule.spec.sql.is_none()).map(|rule| rule.slug.clone()).collect();
    assert_eq!(names("src/audit/rules", ".rs"), in_rust, "src/audit/rules/*.rs");
    for slug in &slugs {
        for file in ["bad.jsonl", "good.jsonl", "expected.json"] {
            let path = format!("{}/fixtures/rules/{slug}/{file}", env!("CARGO_MANIFEST_DIR"));
            assert!(Path::new(&path).exists(), "{path}");
        }
    }
}
