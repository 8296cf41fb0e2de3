//! Which findings a page lists and pictures: the worst, and some of every rule.

use std::collections::HashMap;

use crate::audit::Finding;

/// Findings that the page lists; the rest is in `findings.json`. A browser shows and
/// filters this many cards without a pause, and they take 2 MB.
pub(super) const MOST_LISTED: usize = 2000;
/// Findings with pictures, at 15 to 30 kB each.
pub(super) const MOST_PICTURED: usize = 300;
/// Findings of each rule that are listed, however mild.
const LISTED_PER_RULE: usize = 20;
/// Findings of each rule that are pictured, however mild.
const PICTURED_PER_RULE: usize = 5;

/// A finding that the page lists.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listed<'a> {
    pub(super) finding: &'a Finding,
    /// Whether it has a picture, where its subject is one.
    pub(super) pictured: bool,
}

/// Chooses from findings in their order, which is worst first, and keeps that order.
pub(super) fn select(findings: &[Finding]) -> Vec<Listed<'_>> {
    let listed = choose(findings.iter(), MOST_LISTED, LISTED_PER_RULE);
    let listed: Vec<&Finding> = (findings.iter().zip(listed))
        .filter_map(|(finding, chosen)| chosen.then_some(finding))
        .collect();
    let pictured = choose(listed.iter().copied(), MOST_PICTURED, PICTURED_PER_RULE);
    (listed.into_iter().zip(pictured))
        .map(|(finding, pictured)| Listed { finding, pictured })
        .collect()
}

/// Marks the first of every rule, then the first of all until there are `most`.
fn choose<'a>(
    findings: impl Iterator<Item = &'a Finding> + Clone,
    most: usize,
    per_rule: usize,
) -> Vec<bool> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut chosen: Vec<bool> = (findings.clone())
        .map(|finding| {
            let count = seen.entry(&finding.rule).or_default();
            *count += 1;
            *count <= per_rule
        })
        .collect();
    let mut left = most.saturating_sub(chosen.iter().filter(|&&chosen| chosen).count());
    for chosen in &mut chosen {
        if !*chosen && left > 0 {
            *chosen = true;
            left -= 1;
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Level, Severity};

    fn finding(rule: &str) -> Finding {
        Finding {
            rule: rule.into(),
            severity: Severity::Info,
            score: 1.0,
            level: Level::Dataset,
            kind: None,
            image: None,
            video: None,
            instance: None,
            keypoint: None,
            class: None,
            message: String::new(),
            value: None,
            threshold: None,
            related: vec![],
            location: None,
            proposal: None,
            fingerprint: String::new(),
        }
    }

    #[test]
    fn mild_rules_keep_their_share_of_pictures() {
        let mut findings = vec![finding("loud"); MOST_LISTED + 500];
        findings.extend(vec![finding("mild"); 30]);
        let listed = select(&findings);
        assert_eq!(listed.len(), MOST_LISTED);
        assert_eq!(listed.iter().filter(|l| l.pictured).count(), MOST_PICTURED);
        let mild = listed.iter().filter(|l| l.finding.rule == "mild");
        assert_eq!(mild.clone().count(), LISTED_PER_RULE);
        assert_eq!(mild.filter(|l| l.pictured).count(), PICTURED_PER_RULE);
    }
}
