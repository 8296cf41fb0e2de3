//! Words for pages: numbers as people write them, and names that cannot disturb the
//! text around them. Markup is escaped by the templates, not here.

/// Returns a name with control characters and those that reorder text
/// (Unicode TR 9, section 2) spelled out, such as `\u{202e}`.
pub(crate) fn visible(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_control() || is_invisible(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Characters that reorder text or show nothing.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}'
        | '\u{061C}' | '\u{FEFF}')
}

/// Returns a name of at most `most` characters; a longer one loses its middle, since
/// both ends of paths and of part names tell them apart.
pub(crate) fn shortened(name: &str, most: usize) -> String {
    let name = visible(name);
    let length = name.chars().count();
    if length <= most {
        return name;
    }
    let tail = most / 2;
    let head: String = name.chars().take(most - tail - 1).collect();
    let tail: String = name.chars().skip(length - tail).collect();
    format!("{head}…{tail}")
}

/// Returns a count with commas between groups of three digits.
pub(crate) fn count(value: usize) -> String {
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

/// Returns a count with its noun, in the plural where it is not one.
pub(crate) fn counted(value: usize, noun: &str) -> String {
    format!("{} {noun}{}", count(value), if value == 1 { "" } else { "s" })
}

/// Returns a number with at most three digits after the point and no idle zeros.
pub(crate) fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
}

/// Returns a share as a percentage: whole, but never 0 or 100 for what is neither.
pub(crate) fn percent(part: usize, whole: usize) -> String {
    match (part, whole) {
        (_, 0) => "0 %".into(),
        (part, whole) => match (100.0 * part as f64 / whole as f64).round() {
            0.0 if part > 0 => "under 1 %".into(),
            100.0 if part < whole => "over 99 %".into(),
            share => format!("{share} %"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_reorder_or_break_lines_are_spelled_out() {
        assert_eq!(visible("a\u{202e}gnp.b\n"), "a\\u{202e}gnp.b\\u{a}");
        assert_eq!(visible("Ohr_ö 耳"), "Ohr_ö 耳");
    }

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(shortened("paw1LH_top", 10), "paw1LH_top");
        assert_eq!(shortened("paw1LH_topview", 9), "paw1…view");
    }

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(counted(1, "image"), "1 image");
        assert_eq!(number(-0.0001), "0");
        assert_eq!(number(12.5), "12.5");
        assert_eq!(percent(1, 1000), "under 1 %");
        assert_eq!(percent(999, 1000), "over 99 %");
    }
}
