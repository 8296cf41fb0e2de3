//! The one sentence of a ledger, and words that trainers share.

use super::{Effect, Ledger, Loss, Unit};

/// Reasons that the sentence names.
const MOST_NAMED: usize = 3;

/// Returns the sentence that says what reaches the trainer.
pub(super) fn summary(ledger: &Ledger) -> String {
    let (found, used) = (ledger.found.of(ledger.unit), ledger.used.of(ledger.unit));
    let what = match ledger.unit {
        Unit::Points => "labelled point",
        Unit::Instances => "labelled instance",
    };
    if found == 0 {
        return format!("no labels that {} could use", ledger.trainer_name);
    }
    if used == found {
        return match found {
            1 => format!("the only {what} reaches the trainer ({})", ledger.trainer_name),
            _ => format!(
                "all {} {what}s reach the trainer ({})",
                grouped(found),
                ledger.trainer_name
            ),
        };
    }
    let lost = found - used;
    let mut reasons: Vec<&Loss> =
        ledger.lost.iter().filter(|loss| loss.count.of(ledger.unit) > 0).collect();
    reasons.sort_by_key(|loss| std::cmp::Reverse(loss.count.of(ledger.unit)));
    let mut named: Vec<String> = (reasons.iter().take(MOST_NAMED))
        .map(|loss| {
            let stops = if loss.effect == Effect::Stops { " (training stops)" } else { "" };
            format!("{} {}{stops}", grouped(loss.count.of(ledger.unit)), loss.title)
        })
        .collect();
    if reasons.len() > MOST_NAMED {
        let rest: usize = reasons[MOST_NAMED..].iter().map(|loss| loss.count.of(ledger.unit)).sum();
        named.push(format!("{} for other reasons", grouped(rest)));
    }
    format!(
        "{} of {} {what}s {} the trainer ({}); {} {}: {}",
        grouped(used),
        grouped(found),
        if used == 1 { "reaches" } else { "reach" },
        ledger.trainer_name,
        grouped(lost),
        if lost == 1 { "does not" } else { "do not" },
        named.join(", ")
    )
}

/// Returns a number with commas between groups of three digits.
pub(super) fn grouped(value: usize) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Returns a number with its noun, in the plural where it is not one.
pub(super) fn counted(value: usize, noun: &str) -> String {
    format!("{} {noun}{}", grouped(value), if value == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::ledger::{Count, Loss};

    fn ledger(used: usize, lost: &[(usize, Effect)]) -> Ledger {
        let points = |points| Count { points, ..Count::default() };
        Ledger {
            trainer: "x",
            trainer_name: "X",
            unit: Unit::Points,
            summary: String::new(),
            found: points(used + lost.iter().map(|(n, _)| n).sum::<usize>()),
            used: points(used),
            background: 0,
            lost: (lost.iter())
                .map(|&(n, effect)| Loss {
                    reason: "r",
                    title: "outside",
                    effect,
                    fix: "",
                    count: points(n),
                    places: n,
                })
                .collect(),
            notes: Vec::new(),
            visits: Vec::new(),
            places: Vec::new(),
        }
    }

    #[test]
    fn the_sentence_says_how_much_and_why() {
        let said = |used, lost: &[(usize, Effect)]| summary(&ledger(used, lost));
        let dropped = Effect::Dropped;
        assert_eq!(said(1_380, &[]), "all 1,380 labelled points reach the trainer (X)");
        assert_eq!(said(1, &[]), "the only labelled point reaches the trainer (X)");
        assert_eq!(said(0, &[]), "no labels that X could use");
        assert_eq!(
            said(1_380, &[(4, dropped), (12, Effect::Stops)]),
            "1,380 of 1,396 labelled points reach the trainer (X); 16 do not: 12 outside (training \
             stops), 4 outside"
        );
        assert_eq!(
            said(1, &[(1, dropped), (1, dropped), (1, dropped), (1, dropped)]),
            "1 of 5 labelled points reaches the trainer (X); 4 do not: 1 outside, 1 outside, 1 \
             outside, 1 for other reasons"
        );
    }
}
