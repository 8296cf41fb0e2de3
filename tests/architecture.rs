//! Holds imports to the layer table of `docs/architecture.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use regex::Regex;

type Table = BTreeMap<String, BTreeSet<String>>;

/// Reads rows `| module, module | may use … |` below a heading; `only` reads
/// rows `| crate | modules |` likewise.
fn table(heading: &str) -> Table {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/architecture.md");
    let page = fs::read_to_string(page).expect("docs/architecture.md");
    let section = page.split(heading).nth(1).unwrap_or_else(|| panic!("no section {heading}"));
    let words = |cell: &str| -> Vec<String> {
        let words = cell.split(',').map(|word| word.trim().trim_matches('`').to_string());
        words.filter(|word| !word.is_empty()).collect()
    };
    let mut table = Table::new();
    let rows = section.lines().skip_while(|line| !line.starts_with("|---"));
    for row in rows.skip(1).take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        for name in words(cells[0]) {
            table.insert(name, words(cells[1]).into_iter().collect());
        }
    }
    table
}

/// Returns the sources of each top-level module, without their tests.
fn sources() -> Vec<(String, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    for entry in walkdir::WalkDir::new(&root).sort_by_file_name() {
        let entry = entry.expect("an entry");
        let relative = entry.path().strip_prefix(&root).expect("below src").to_path_buf();
        if relative.extension().is_none_or(|suffix| suffix != "rs") {
            continue;
        }
        let first = relative.components().next().expect("a name").as_os_str().to_string_lossy();
        let module = first.trim_end_matches(".rs").to_string();
        let text = fs::read_to_string(entry.path()).expect("a source");
        let text = text.split("#[cfg(test)]").next().unwrap_or_default().to_string();
        let code: String = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect::<Vec<_>>()
            .join("\n");
        sources.push((module, relative.display().to_string(), code));
    }
    sources
}

#[test]
fn modules_use_only_what_the_table_allows() {
    let table = table("## Layers");
    let path = Regex::new(r"\bcrate::(?:\{([^}]*)\}|(\w+))").expect("a pattern");
    let mut wrong = Vec::new();
    for (module, file, code) in sources() {
        if ["lib", "main", "cli"].contains(&module.as_str()) {
            continue;
        }
        let allowed = table.get(&module).unwrap_or_else(|| panic!("{module} is not in the table"));
        for capture in path.captures_iter(&code) {
            let group = capture.get(1).or(capture.get(2)).expect("one of two").as_str();
            for used in group.split(',').filter_map(|part| part.trim().split("::").next()) {
                if !used.is_empty() && used != module && !allowed.contains(used) {
                    wrong.push(format!("{file}: {module} uses {used}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn crates_are_used_only_where_the_table_allows() {
    let table = table("## Crates");
    let mut wrong = Vec::new();
    for (module, file, code) in sources() {
        for (krate, allowed) in &table {
            let used = Regex::new(&format!(r"\b{krate}::")).expect("a pattern").is_match(&code);
            if used && !allowed.contains(&module) {
                wrong.push(format!("{file}: {module} uses the crate {krate}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
