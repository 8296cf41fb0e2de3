//! A rule explains itself, as Markdown.

use super::{Find, Rule};

/// Returns the page of a rule: what, why, how, fix, limits, thresholds, references.
pub fn explain(rule: &Rule) -> String {
    let spec = &rule.spec;
    let severity = format!("{:?}", spec.severity).to_lowercase();
    let level = format!("{:?}", spec.level).to_lowercase();
    let state = if spec.enabled { "on" } else { "off unless turned on" };
    let mut page =
        format!("# {}\n\n`{}` · {severity} · about a {level} · {state}\n", spec.title, rule.slug);
    let sections = [
        ("What it finds", &spec.what),
        ("Why it matters", &spec.why),
        ("How it is measured", &spec.how),
        ("How to fix it", &spec.fix),
        ("Limits", &spec.limits),
    ];
    for (title, text) in sections {
        page += &format!("\n## {title}\n\n{}\n", text.trim());
    }
    if !spec.thresholds.is_empty() {
        page += "\n## Thresholds\n\n| name | default | unit | range | meaning | source |\n|---|---|---|---|---|---|\n";
        for (name, t) in &spec.thresholds {
            let [least, greatest] = t.range;
            page += &format!(
                "| `{name}` | {} | {} | {least} to {greatest} | {} | {} |\n",
                t.default, t.unit, t.meaning, t.source
            );
        }
    }
    if let (Find::Sql, Some(sql)) = (rule.find, &spec.sql) {
        page += &format!("\n## Query\n\n```sql\n{}\n```\n", sql.trim());
    }
    if !spec.references.is_empty() {
        page += "\n## References\n\n";
        for reference in &spec.references {
            page += &format!("- {reference}\n");
        }
    }
    page
}
