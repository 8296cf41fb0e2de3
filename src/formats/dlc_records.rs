//! The records of a label file of the DeepLabCut family: its encoding, its separator, and
//! where each cell stands among its bytes.
//!
//! [`Records`] reads values; [`places`] finds the same cells in the bytes of the file, so that
//! one can be replaced and all others stay as they are.

use std::borrow::Cow;
use std::ops::Range;

use csv::StringRecord;

/// Line and value of a byte that is no UTF-8.
pub(super) type StrangeByte = (u32, u8);

/// Returns the text of a file, and line and value of the first byte that is no UTF-8
/// (the text is then read as Latin-1, which Excel writes).
pub(super) fn decode(bytes: &[u8]) -> Result<(Cow<'_, str>, Option<StrangeByte>), &'static str> {
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err("expected UTF-8, found UTF-16; save the file as CSV (UTF-8)");
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok((Cow::Borrowed(text), None)),
        // A beginning of a file may be cut within a letter; that is no strange byte.
        Err(error) if error.error_len().is_none() => {
            Ok((String::from_utf8_lossy(&bytes[..error.valid_up_to()]), None))
        }
        Err(error) => {
            let at = error.valid_up_to();
            let row = 1 + bytes[..at].iter().filter(|&&byte| byte == b'\n').count() as u32;
            let text = bytes.iter().map(|&byte| char::from(byte)).collect();
            Ok((Cow::Owned(text), Some((row, bytes[at]))))
        }
    }
}

/// Returns the separator of a text: the commonest of its first line, since Excel writes `;` in
/// countries where the comma stands in numbers.
pub(super) fn separator(text: &str) -> u8 {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let count = |separator: &u8| first.bytes().filter(|byte| byte == separator).count();
    [b'\t', b';', b','].into_iter().max_by_key(count).unwrap_or(b',')
}

/// Reads records one by one and counts lines. (The reader's own count is that of the
/// end of the record before, which blank lines and `\r\n` set apart from the line at
/// which a record begins.)
pub(super) struct Records<'t> {
    reader: csv::Reader<&'t [u8]>,
    pub(super) record: StringRecord,
    /// Line at which the record begins.
    pub(super) line: u32,
    /// Number of records read, this one included.
    pub(super) count: usize,
    text: &'t [u8],
    /// Byte at which the record begins.
    start: usize,
}

impl<'t> Records<'t> {
    /// Begins before the first record.
    pub(super) fn new(text: &'t str) -> Records<'t> {
        let reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(separator(text))
            .from_reader(text.as_bytes());
        let record = StringRecord::new();
        Records { reader, record, line: 1, count: 0, text: text.as_bytes(), start: 0 }
    }

    /// Goes to the next record; returns whether there is one.
    pub(super) fn next(&mut self) -> bool {
        // Text in memory is valid UTF-8 and cannot fail to be read.
        if !self.reader.read_record(&mut self.record).unwrap_or(false) {
            return false;
        }
        let from = self.record.position().map_or(0, |position| position.byte() as usize);
        let blank = self.text[from..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
        let start = from + blank.count();
        let passed = &self.text[self.start..start];
        self.line += passed.iter().filter(|&&byte| byte == b'\n').count() as u32;
        self.start = start;
        self.count += 1;
        true
    }
}

/// Where a record stands in the bytes of its file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RecordPlace {
    /// Line at which it begins, counted from 1.
    pub(super) line: u32,
    /// Its bytes with the end of the line.
    pub(super) bytes: Range<usize>,
    /// Its cells, with their quotes.
    pub(super) cells: Vec<Range<usize>>,
}

/// Returns the places of the records that [`Records`] reads, in the same order and by the
/// same rules: a quote counts only at the beginning of a cell, `\n`, `\r` and `\r\n` end a
/// record, blank lines are none.
pub(super) fn places(bytes: &[u8], separator: u8) -> Vec<RecordPlace> {
    let ends_line = |byte: u8| matches!(byte, b'\r' | b'\n');
    let mut places = Vec::new();
    let mut line = 1;
    let mut at = if bytes.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
    loop {
        while at < bytes.len() && ends_line(bytes[at]) {
            line += u32::from(bytes[at] == b'\n');
            at += 1;
        }
        if at == bytes.len() {
            return places;
        }
        let start = at;
        let mut cells = Vec::new();
        loop {
            let cell = at;
            at = after_quotes(bytes, at);
            while at < bytes.len() && bytes[at] != separator && !ends_line(bytes[at]) {
                at += 1;
            }
            cells.push(cell..at);
            if at == bytes.len() || bytes[at] != separator {
                break;
            }
            at += 1;
        }
        if bytes[at..].starts_with(b"\r\n") {
            at += 2;
        } else if at < bytes.len() {
            at += 1;
        }
        places.push(RecordPlace { line, bytes: start..at, cells });
        line += bytes[start..at].iter().filter(|&&byte| byte == b'\n').count() as u32;
    }
}

/// Returns the byte after the quoted part with which a cell begins, its beginning where it has
/// none. Two quotes within it stand for one.
fn after_quotes(bytes: &[u8], cell: usize) -> usize {
    if bytes.get(cell) != Some(&b'"') {
        return cell;
    }
    let mut at = cell + 1;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'"', Some(b'"')) => at += 2,
            (b'"', _) => return at + 1,
            _ => at += 1,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the value of a cell by its bytes.
    fn value(raw: &str) -> String {
        let end = after_quotes(raw.as_bytes(), 0);
        let (quoted, rest) = raw.split_at(end);
        let Some(inner) = quoted.strip_prefix('"') else { return raw.into() };
        format!("{}{rest}", inner.strip_suffix('"').unwrap_or(inner).replace("\"\"", "\""))
    }

    /// Holds the places of a text's cells to the values that are read of it.
    fn compare(text: &str) {
        let found = places(text.as_bytes(), separator(text));
        let mut records = Records::new(text);
        while records.next() {
            let place = &found[records.count - 1];
            let cells: Vec<String> =
                place.cells.iter().map(|cell| value(&text[cell.clone()])).collect();
            let read: Vec<&str> = records.record.iter().collect();
            assert_eq!(cells, read, "{text:?}");
            assert_eq!(place.line, records.line, "{text:?}");
        }
        assert_eq!(found.len(), records.count, "{text:?}");
    }

    #[test]
    fn places_are_those_of_the_cells_that_are_read() {
        for text in [
            "",
            "\n\r\n",
            "a,b\nc,d",
            "a,b\r\nc,\r\n",
            "a\rb,\"x\r\ny\",c\n\n,\n",
            "a;b;\"c;d\"\n1,5;;\"\"\n",
            "\"a\"\"b\",c\n\"open, and\nnever closed",
            "a,\"b\"c\"d,e\n x\"y\",\"\"\"\"\n",
        ] {
            compare(text);
        }
        // All texts of seven letters that matter.
        let letters = ['a', ',', '"', '\n', '\r'];
        for number in 0..5_usize.pow(7) {
            let mut rest = number;
            let text: String = (0..7)
                .map(|_| {
                    let letter = letters[rest % 5];
                    rest /= 5;
                    letter
                })
                .collect();
            compare(&text);
        }
    }

    #[test]
    fn a_mark_at_the_beginning_belongs_to_no_cell() {
        let found = places("\u{feff}ab,c\n".as_bytes(), b',');
        assert_eq!(found, [RecordPlace { line: 1, bytes: 3..8, cells: vec![3..5, 6..7] }]);
    }
}
