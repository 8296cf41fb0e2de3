//! labelvet's custom operators.
pub(crate) fn available() -> bool {
    false
}
