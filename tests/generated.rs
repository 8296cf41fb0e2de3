//! Files that are generated from others and committed: `UPDATE=1` writes them,
//! otherwise the test compares.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use labelvet::audit;
use labelvet::clean::Policy;

fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// Compares a file with what it should be, or writes it.
///
/// Returns whether it is as it should be.
pub(crate) fn hold(relative: &str, content: &str) -> bool {
    let file = path(relative);
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(file.parent().expect("a file has a folder")).expect("folder");
        fs::write(&file, content).expect("the generated file is written");
        return true;
    }
    fs::read_to_string(&file).is_ok_and(|present| present == content)
}

/// Returns slug and text of each TOML file, sorted.
fn slugs() -> Vec<(String, String)> {
    let mut slugs: Vec<(String, String)> = fs::read_dir(path("rules"))
        .expect("rules/")
        .filter_map(|entry| {
            let file = entry.expect("an entry").path();
            let slug = file.file_name()?.to_str()?.strip_suffix(".toml")?.to_string();
            let text = fs::read_to_string(&file).expect("a rule's TOML");
            Some((slug, text))
        })
        .collect();
    slugs.sort();
    slugs
}

#[test]
fn registry_lists_every_rule() {
    let mut registry = String::from(
        "//! The rules that labelvet brings. Generated: `UPDATE=1 cargo test --release`.\n\n\
         use super::rule::{Find, Rule, RuleError};\nuse super::rules;\n\n\
         /// Returns the built-in rules, sorted by slug.\n///\n/// # Errors\n\
         /// Fails when a rule's TOML file makes no sense; a test holds that none does.\n\
         #[rustfmt::skip]\npub fn builtin() -> Result<Vec<Rule>, RuleError> {\n    [\n",
    );
    let mut modules =
        String::from("//! One file per rule. Generated: `UPDATE=1 cargo test --release`.\n\n");
    for (slug, text) in slugs() {
        let line = |start: &str| text.lines().find(|line| line.starts_with(start));
        let sql = line("sql").is_some();
        let find = match line("needs").is_some_and(|needs| needs.contains("\"poses\"")) {
            _ if sql => "Find::Sql".into(),
            true => format!("Find::Poses(rules::{slug}::find)"),
            false => format!("Find::Rust(rules::{slug}::find)"),
        };
        writeln!(
            registry,
            "        (\"{slug}\", include_str!(\"../../rules/{slug}.toml\"), {find}),"
        )
        .expect("a string grows");
        if !sql {
            writeln!(modules, "pub(super) mod {slug};").expect("a string grows");
        }
    }
    registry.push_str(
        "    ]\n    .into_iter()\n    .map(|(slug, toml, find)| Rule::parse(slug, toml, find))\n    .collect()\n}\n",
    );
    let right =
        [hold("src/audit/registry.rs", &registry), hold("src/audit/rules/mod.rs", &modules)];
    assert_eq!(right, [true; 2], "run `UPDATE=1 cargo test --release`, twice after adding a rule");
}

#[test]
fn every_rule_has_its_page() {
    let mut index = String::from(
        "# Rules\n\nGenerated from `rules/*.toml`.\n\n| rule | severity | about | what it finds |\n|---|---|---|---|\n",
    );
    let mut wrong = Vec::new();
    for rule in audit::builtin().expect("the built-in rules are valid") {
        let (slug, spec) = (&rule.slug, &rule.spec);
        let off = if spec.enabled { "" } else { " (off)" };
        let severity = format!("{:?}", spec.severity).to_lowercase();
        let level = format!("{:?}", spec.level).to_lowercase();
        let first = spec.what.trim().lines().next().unwrap_or_default();
        writeln!(index, "| [{slug}]({slug}.md) | {severity}{off} | {level} | {first} |")
            .expect("grows");
        if !hold(&format!("docs/rules/{slug}.md"), &audit::explain(&rule)) {
            wrong.push(slug.clone());
        }
    }
    if !hold("docs/rules/README.md", &index) {
        wrong.push("README".into());
    }
    assert!(wrong.is_empty(), "run `UPDATE=1 cargo test --release`; pages of {wrong:?} differ");
}

#[test]
fn the_default_policy_has_its_page() {
    let policy = Policy::default();
    let mut page = String::from(
        "# What cleaning does by default\n\nGenerated from `src/clean/policy.toml`; \
         [cleaning.md](cleaning.md) says what the columns mean.\n\n\
         | rule | action | min_score | below | why |\n|---|---|---|---|---|\n",
    );
    let word = |value: serde_json::Value| value.as_str().unwrap_or_default().to_string();
    for (slug, rule) in &policy.rules {
        let action = word(serde_json::json!(rule.action));
        let below = word(serde_json::json!(rule.below));
        let mut notes = String::new();
        notes.push_str(if rule.usable { "" } else { "; `usable = false`" });
        notes.push_str(if rule.spare_keypoints { "; `spare_keypoints = true`" } else { "" });
        let (score, why) = (rule.min_score, &rule.why);
        let numbers = if action == "none" { " | ".into() } else { format!("{score} | {below}") };
        writeln!(page, "| [{slug}](rules/{slug}.md) | {action} | {numbers} | {why}{notes} |")
            .expect("a string grows");
    }
    assert!(hold("docs/policy.md", &page), "run `UPDATE=1 cargo test --release`");
}

#[test]
fn operators_are_listed() {
    let mut list = String::from(
        "//! The semantic operators: one file each, with attributes, output shape, gradient, lowerings\n\
         //! and test. Generated: `UPDATE=1 cargo test --release`.\n\n",
    );
    let mut exports = String::new();
    for (file, public) in operators() {
        writeln!(list, "mod {file};").expect("a string grows");
        let names = match public.as_slice() {
            [name] => name.clone(),
            names => format!("{{{}}}", names.join(", ")),
        };
        writeln!(exports, "pub use {file}::{names};").expect("a string grows");
    }
    let right = hold("src/onnx/ops/mod.rs", &format!("{list}\n{exports}"));
    assert!(right, "run `UPDATE=1 cargo test --release`, twice after adding an operator");
}

/// Returns each file of `src/onnx/ops` with the public types that it declares, sorted.
fn operators() -> Vec<(String, Vec<String>)> {
    let mut operators: Vec<(String, Vec<String>)> = fs::read_dir(path("src/onnx/ops"))
        .expect("src/onnx/ops/")
        .filter_map(|entry| {
            let file = entry.expect("an entry").path();
            let name = file.file_name()?.to_str()?.strip_suffix(".rs")?.to_string();
            let text = fs::read_to_string(&file).expect("an operator's code");
            let mut public: Vec<String> = text.lines().filter_map(declared).collect();
            public.sort();
            (name != "mod").then_some((name, public))
        })
        .collect();
    operators.sort();
    operators
}

/// Returns the name of the public type that a line declares.
fn declared(line: &str) -> Option<String> {
    let rest = line.strip_prefix("pub struct ").or_else(|| line.strip_prefix("pub enum "))?;
    let end = rest.find(|character: char| !character.is_alphanumeric()).unwrap_or(rest.len());
    Some(rest[..end].to_string())
}
