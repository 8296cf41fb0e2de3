//! One image, category or annotation of a COCO file.

use rustc_hash::FxHashMap;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, SeqAccess, Visitor};

/// An id: a whole number, or text where a file uses that.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Id {
    Number(i64),
    Text(String),
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Id::Number(number) => number.fmt(f),
            Id::Text(text) => text.fmt(f),
        }
    }
}

impl Id {
    /// Returns the id where it is a number.
    pub(super) fn number(&self) -> Option<i64> {
        match self {
            Id::Number(number) => Some(*number),
            Id::Text(_) => None,
        }
    }
}

/// An entry of `images`.
#[derive(Debug, serde::Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct ImageRow {
    pub(super) id: Id,
    pub(super) file_name: String,
    pub(super) width: Option<f64>,
    pub(super) height: Option<f64>,
}

/// An entry of `categories`.
#[derive(Debug, serde::Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct CategoryRow {
    pub(super) id: Id,
    pub(super) name: String,
    #[serde(default)]
    pub(super) keypoints: Option<Vec<String>>,
    #[serde(default)]
    pub(super) skeleton: Option<Vec<Vec<f64>>>,
}

/// An entry of `annotations`; what else it holds is skipped.
#[derive(Debug, serde::Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct AnnotationRow {
    pub(super) id: Option<Id>,
    pub(super) image_id: Id,
    pub(super) category_id: Id,
    pub(super) bbox: Option<Numbers>,
    /// Any value: what is no number is no reason to leave out the annotation.
    pub(super) area: Option<serde_json::Value>,
    pub(super) keypoints: Option<Numbers>,
    pub(super) iscrowd: Option<Flag>,
    /// Any value, like `area`.
    pub(super) num_keypoints: Option<serde_json::Value>,
    pub(super) ignore: Option<serde_json::Value>,
}

/// An entry of `annotations` of which no more may be understood than what it belongs to.
#[derive(Debug, serde::Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct ImageOfRow {
    pub(super) image_id: Id,
}

/// Numbers; `null` is read as not-a-number.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Numbers(pub(super) Vec<f64>);

/// 0 or 1, or a boolean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flag(pub(super) bool);

/// Reads an entry from its text.
///
/// Python writes `NaN` and `Infinity`, which are not JSON; they are read as `null`.
pub(super) fn parse<T: serde::de::DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    let error = match serde_json::from_slice(text) {
        Ok(row) => return Ok(row),
        Err(error) => error,
    };
    if let Some(mended) = without_nan(text)
        && let Ok(row) = serde_json::from_slice(&mended)
    {
        return Ok(row);
    }
    // The place is within this entry, which says nothing to the reader of a file.
    let message = error.to_string();
    Err(message.split(" at line ").next().unwrap_or(&message).to_string())
}

/// Replaces `NaN`, `Infinity` and `-Infinity` outside strings by `null`.
fn without_nan(text: &[u8]) -> Option<Vec<u8>> {
    let mut mended = Vec::with_capacity(text.len());
    let (mut quoted, mut escaped, mut changed) = (false, false, false);
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let word = [b"NaN".as_slice(), b"Infinity", b"-Infinity"]
            .into_iter()
            .find(|word| !quoted && rest.starts_with(word));
        if let Some(word) = word {
            mended.extend_from_slice(b"null");
            changed = true;
            at += word.len();
            continue;
        }
        match rest[0] {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            _ => {}
        }
        mended.push(rest[0]);
        at += 1;
    }
    changed.then_some(mended)
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IdVisitor;
        impl Visitor<'_> for IdVisitor {
            type Value = Id;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an id")
            }
            fn visit_i64<E>(self, id: i64) -> Result<Id, E> {
                Ok(Id::Number(id))
            }
            fn visit_u64<E>(self, id: u64) -> Result<Id, E> {
                Ok(i64::try_from(id).map_or_else(|_| Id::Text(id.to_string()), Id::Number))
            }
            // Table libraries write whole numbers as 1.0 once a column has a gap.
            fn visit_f64<E: Error>(self, id: f64) -> Result<Id, E> {
                let whole = id as i64;
                if whole as f64 == id {
                    Ok(Id::Number(whole))
                } else {
                    Err(E::custom(format!("expected a whole number as id, found {id}")))
                }
            }
            fn visit_str<E>(self, id: &str) -> Result<Id, E> {
                Ok(id.parse().map_or_else(|_| Id::Text(id.into()), Id::Number))
            }
        }
        deserializer.deserialize_any(IdVisitor)
    }
}

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumbersVisitor;
        impl<'de> Visitor<'de> for NumbersVisitor {
            type Value = Numbers;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an array of numbers")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Numbers, A::Error> {
                // 17 keypoints of three numbers are the usual length.
                let mut numbers = Vec::with_capacity(51);
                while let Some(number) = seq.next_element::<Option<f64>>()? {
                    numbers.push(number.unwrap_or(f64::NAN));
                }
                Ok(Numbers(numbers))
            }
        }
        deserializer.deserialize_seq(NumbersVisitor)
    }
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FlagVisitor;
        impl Visitor<'_> for FlagVisitor {
            type Value = Flag;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("0 or 1")
            }
            fn visit_bool<E>(self, flag: bool) -> Result<Flag, E> {
                Ok(Flag(flag))
            }
            fn visit_u64<E>(self, flag: u64) -> Result<Flag, E> {
                Ok(Flag(flag != 0))
            }
            fn visit_i64<E>(self, flag: i64) -> Result<Flag, E> {
                Ok(Flag(flag != 0))
            }
            fn visit_f64<E>(self, flag: f64) -> Result<Flag, E> {
                Ok(Flag(flag != 0.0))
            }
        }
        deserializer.deserialize_any(FlagVisitor)
    }
}

/// Says whether an entry of a file whose arrays have COCO's names looks like COCO's.
pub(super) fn looks_right(array: &str, text: &[u8]) -> Option<bool> {
    let entry: FxHashMap<String, IgnoredAny> = parse(text).ok()?;
    let has = |key: &str| entry.contains_key(key);
    match array {
        "images" => Some(has("file_name") && has("id")),
        // Captions have neither class nor box.
        "annotations" => Some(has("image_id") && (has("category_id") || has("bbox"))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_python_writes_is_read() {
        let text = br#"{"id": 1.0, "image_id": "7", "category_id": "a\"NaN", "area": NaN,
            "keypoints": [1, -Infinity, 2, null, 3e0, 0], "iscrowd": false}"#;
        let row: AnnotationRow = parse(text).expect("an annotation");
        assert_eq!(row.id, Some(Id::Number(1)));
        assert_eq!(row.image_id, Id::Number(7));
        assert_eq!(row.category_id, Id::Text("a\"NaN".into()));
        let Numbers(numbers) = row.keypoints.expect("keypoints");
        assert_eq!(
            numbers.iter().map(|n| n.is_nan()).collect::<Vec<_>>(),
            [false, true, false, true, false, false]
        );
        assert_eq!(row.iscrowd, Some(Flag(false)));
    }

    #[test]
    fn what_cannot_be_read_is_said_without_a_place() {
        let message = |text: &[u8]| parse::<AnnotationRow>(text).expect_err("bad");
        assert_eq!(message(br#"{"id": 1}"#), "missing field `image_id`");
        assert_eq!(
            message(br#"{"image_id": 1.5, "category_id": 1}"#),
            "expected a whole number as id, found 1.5"
        );
        // Deep nesting must not exhaust the stack, whether it is skipped or read.
        for key in ["x", "bbox"] {
            let deep =
                format!("{{\"image_id\":1,\"category_id\":1,\"{key}\":{}", "[".repeat(100_000));
            assert!(!message(deep.as_bytes()).is_empty(), "{key}");
        }
    }
}
