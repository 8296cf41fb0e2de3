//! Where the parts of a JSON value stand among its bytes, so that one can be replaced and all
//! others stay as they are.
//!
//! Takes the text of one value that a reader understood; of what is no JSON it finds less,
//! and never fails. `NaN` and the like, which Python writes, count as values.

use std::ops::Range;

/// A member of an object.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Its name, with what was escaped in it.
    pub(super) name: String,
    /// Where the name stands, with its quotes.
    pub(super) key: Range<usize>,
    /// Where the value stands.
    pub(super) value: Range<usize>,
}

/// Returns the members of the object that stands in a text.
pub(super) fn members(text: &[u8]) -> Vec<Member> {
    let mut members = Vec::new();
    let Some(mut at) = inside(text, b'{') else { return members };
    while text.get(at) == Some(&b'"') {
        let key = at..end_of_value(text, at);
        let colon = after_blank(text, key.end);
        if text.get(colon) != Some(&b':') {
            break;
        }
        let start = after_blank(text, colon + 1);
        let value = start..end_of_value(text, start);
        at = after_comma(text, value.end);
        let name = serde_json::from_slice(&text[key.clone()]).unwrap_or_default();
        members.push(Member { name, key, value });
    }
    members
}

/// Returns where the elements of the array stand that fills a span of a text.
pub(super) fn elements(text: &[u8], array: &Range<usize>) -> Vec<Range<usize>> {
    let mut elements = Vec::new();
    let text = &text[..array.end];
    let Some(first) = inside(&text[array.start..], b'[') else { return elements };
    let mut at = array.start + first;
    while at < text.len() && text[at] != b']' {
        let element = at..end_of_value(text, at);
        if element.is_empty() {
            break;
        }
        at = after_comma(text, element.end);
        elements.push(element);
    }
    elements
}

/// Returns the byte of the first part behind an opening bracket.
fn inside(text: &[u8], bracket: u8) -> Option<usize> {
    let at = after_blank(text, 0);
    (text.get(at) == Some(&bracket)).then(|| after_blank(text, at + 1))
}

fn after_blank(text: &[u8], mut at: usize) -> usize {
    while text.get(at).is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// Returns the byte of the next part, past a comma if there is one.
fn after_comma(text: &[u8], at: usize) -> usize {
    let at = after_blank(text, at);
    if text.get(at) == Some(&b',') { after_blank(text, at + 1) } else { at }
}

/// Returns the byte after the value that begins at a byte.
fn end_of_value(text: &[u8], start: usize) -> usize {
    let (mut depth, mut at) = (0_usize, start);
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => {
                at = end_of_string(text, at);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => return if depth == 1 { at + 1 } else { at },
            b'}' | b']' => depth -= 1,
            b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    at
}

fn end_of_string(text: &[u8], quote: usize) -> usize {
    let mut at = quote + 1;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_elements_are_found_whatever_they_hold() {
        let text = br#" { "a\u0062" : [1, "x,]\"" ,{"b": [2]},NaN ] ,"c":{"d":"}"}, "e":-1.5e3 }"#;
        let found = members(text);
        let words = |spans: &[Range<usize>]| -> Vec<String> {
            spans.iter().map(|s| String::from_utf8_lossy(&text[s.clone()]).into_owned()).collect()
        };
        let names: Vec<&str> = found.iter().map(|member| member.name.as_str()).collect();
        assert_eq!(names, ["ab", "c", "e"]);
        assert_eq!(words(&[found[0].key.clone()]), [r#""a\u0062""#]);
        assert_eq!(words(&[found[2].value.clone()]), ["-1.5e3"]);
        assert_eq!(
            words(&elements(text, &found[0].value)),
            ["1", r#""x,]\"""#, r#"{"b": [2]}"#, "NaN"]
        );
        assert!(elements(text, &found[1].value).is_empty());
        assert!(elements(b"[ ]", &(0..3)).is_empty());
    }

    #[test]
    fn no_text_makes_it_fail() {
        let letters = [b'{', b'}', b'[', b']', b'"', b'\\', b',', b':', b'1'];
        for number in 0..letters.len().pow(6) {
            let mut rest = number;
            let text: Vec<u8> = (0..6)
                .map(|_| {
                    let letter = letters[rest % letters.len()];
                    rest /= letters.len();
                    letter
                })
                .collect();
            for member in members(&text) {
                assert!(member.value.end <= text.len());
                elements(&text, &member.value);
            }
            assert!(elements(&text, &(0..text.len())).len() <= text.len());
        }
    }
}
