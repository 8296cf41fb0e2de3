//! Elements of the arrays of one large JSON object, one at a time.
//!
//! Takes a stream and the names of the wanted arrays; gives the text of each
//! element and its place. Never holds more than one element and a chunk of the file,
//! never interprets an element: a bad one is the caller's to judge, and does not end
//! the stream.

use std::io::{self, Read};

/// Bytes that are read at once.
const CHUNK: usize = 256 * 1024;
/// Bytes beyond which an element is no element: far above the largest mask of a
/// segmented image, far below what would exhaust memory.
const LONGEST: usize = 256 * 1024 * 1024;

/// Says where an element stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Index into the names of the wanted arrays.
    pub(super) array: usize,
    /// Ordinal in that array, counted from 1.
    pub(super) ordinal: u32,
    /// Byte of the stream at which it begins.
    pub(super) start: usize,
}

/// Says why a stream is no such object.
#[derive(Debug)]
pub(super) enum JsonError {
    Io(io::Error),
    /// The line, counted from 1, and what was expected and found.
    Syntax {
        line: usize,
        message: String,
    },
}

impl From<io::Error> for JsonError {
    fn from(error: io::Error) -> Self {
        JsonError::Io(error)
    }
}

/// Iterates over the elements of the wanted arrays, in the order of the file.
pub(super) struct Elements<'a, R> {
    source: Source<R>,
    wanted: &'a [&'a str],
    /// Number of elements seen of each wanted array; `None` before the array.
    counts: Vec<Option<u32>>,
    /// The wanted array that the source stands in.
    inside: Option<usize>,
    started: bool,
    /// Whether no element of the array inside has been read.
    fresh: bool,
}

impl<'a, R: Read> Elements<'a, R> {
    pub(super) fn new(reader: R, wanted: &'a [&'a str]) -> Self {
        Elements {
            source: Source { reader, chunk: vec![0; CHUNK], at: 0, filled: 0, passed: 0, line: 1 },
            wanted,
            counts: vec![None; wanted.len()],
            inside: None,
            started: false,
            fresh: false,
        }
    }

    /// Whether a wanted array has begun.
    pub(super) fn seen(&self, array: usize) -> bool {
        self.counts[array].is_some()
    }

    /// Appends the text of the next element and returns its place; `None` at the end.
    pub(super) fn next(&mut self, text: &mut Vec<u8>) -> Result<Option<Place>, JsonError> {
        loop {
            let Some(array) = self.inside else {
                if !self.enter()? {
                    return Ok(None);
                }
                continue;
            };
            let count = self.counts[array].get_or_insert(0);
            match self.source.token()? {
                b']' => {
                    self.source.at += 1;
                    self.inside = None;
                    continue;
                }
                b',' if !self.fresh => self.source.at += 1,
                _ if self.fresh => {}
                other => return Err(self.source.unexpected("`,` or `]`", other)),
            }
            self.fresh = false;
            *count += 1;
            let ordinal = *count;
            self.source.token()?;
            let place = Place { array, ordinal, start: self.source.passed + self.source.at };
            self.source.value(Some(text))?;
            return Ok(Some(place));
        }
    }

    /// Goes to the next wanted array; false at the end of the object.
    fn enter(&mut self) -> Result<bool, JsonError> {
        let mut name = Vec::new();
        loop {
            if !self.started {
                self.source.skip_mark()?;
                self.source.expect(b'{', "`{`")?;
            }
            match self.source.token()? {
                b'}' => {
                    self.source.at += 1;
                    return self.source.expect_end().map(|()| false);
                }
                b',' if self.started => self.source.at += 1,
                _ if !self.started => {}
                other => return Err(self.source.unexpected("`,` or `}`", other)),
            }
            self.started = true;
            match self.source.token()? {
                b'"' => {}
                other => return Err(self.source.unexpected("a name in quotes", other)),
            }
            name.clear();
            self.source.value(Some(&mut name))?;
            self.source.expect(b':', "`:`")?;
            let first = self.source.token()?;
            let bare = &name[1..name.len() - 1];
            let Some(array) = self.wanted.iter().position(|wanted| wanted.as_bytes() == bare)
            else {
                self.source.value(None)?;
                continue;
            };
            if first != b'[' {
                let what = format!("an array after `{}`", self.wanted[array]);
                return Err(self.source.unexpected(&what, first));
            }
            self.source.at += 1;
            self.counts[array].get_or_insert(0);
            self.inside = Some(array);
            self.fresh = true;
            return Ok(true);
        }
    }
}

/// A stream with the chunk that was read last.
struct Source<R> {
    reader: R,
    chunk: Vec<u8>,
    at: usize,
    filled: usize,
    /// Bytes before the chunk.
    passed: usize,
    /// Line of the beginning of the chunk, counted from 1.
    line: usize,
}

/// Bytes that matter between the elements of an array or object.
const STRUCTURAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < 5 {
        table[b"\"{}[]"[at] as usize] = true;
        at += 1;
    }
    table
};

impl<R: Read> Source<R> {
    /// Makes at least one unread byte available; false at the end.
    fn fill(&mut self) -> Result<bool, JsonError> {
        if self.at < self.filled {
            return Ok(true);
        }
        self.line += newlines(&self.chunk[..self.filled]);
        self.passed += self.filled;
        self.at = 0;
        self.filled = 0;
        loop {
            match self.reader.read(&mut self.chunk) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => {
                    self.filled = read?;
                    return Ok(self.filled > 0);
                }
            }
        }
    }

    /// Skips a byte order mark.
    fn skip_mark(&mut self) -> Result<(), JsonError> {
        for byte in *b"\xef\xbb\xbf" {
            if !self.fill()? || self.chunk[self.at] != byte {
                break;
            }
            self.at += 1;
        }
        Ok(())
    }

    /// Skips white space and returns the byte after it, which stays unread.
    fn token(&mut self) -> Result<u8, JsonError> {
        while self.fill()? {
            match self.chunk[self.at] {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                byte => return Ok(byte),
            }
        }
        Err(self.cut_short())
    }

    fn expect(&mut self, byte: u8, what: &str) -> Result<(), JsonError> {
        match self.token()? {
            found if found == byte => {
                self.at += 1;
                Ok(())
            }
            found => Err(self.unexpected(what, found)),
        }
    }

    fn expect_end(&mut self) -> Result<(), JsonError> {
        while self.fill()? {
            match self.chunk[self.at] {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                found => return Err(self.unexpected("the end of the file", found)),
            }
        }
        Ok(())
    }

    /// Consumes one value, which begins here, and appends its text.
    fn value(&mut self, mut text: Option<&mut Vec<u8>>) -> Result<(), JsonError> {
        let before = text.as_ref().map_or(0, |text| text.len());
        let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
        let mut begun = false;
        loop {
            if !self.fill()? {
                return Err(self.cut_short());
            }
            let start = self.at;
            let mut end = None;
            let mut at = start;
            while at < self.filled {
                let byte = self.chunk[at];
                if quoted {
                    at += 1;
                    if escaped {
                        escaped = false;
                    } else if byte == b'\\' {
                        escaped = true;
                    } else if byte == b'"' {
                        quoted = false;
                        if depth == 0 {
                            end = Some(at);
                            break;
                        }
                    }
                } else if depth == 0 && begun {
                    // A number or word ends before the next sign.
                    if matches!(byte, b',' | b']' | b'}' | b':' | b' ' | b'\t' | b'\n' | b'\r') {
                        end = Some(at);
                        break;
                    }
                    at += 1;
                } else if !STRUCTURAL[usize::from(byte)] {
                    begun |= depth == 0;
                    at += 1;
                } else {
                    match byte {
                        b'"' => quoted = true,
                        b'{' | b'[' => depth += 1,
                        _ if depth == 0 => return Err(self.unexpected("a value", byte)),
                        _ => depth -= 1,
                    }
                    at += 1;
                    if depth == 0 && !quoted {
                        end = Some(at);
                        break;
                    }
                }
            }
            self.at = at;
            if let Some(text) = &mut text {
                text.extend_from_slice(&self.chunk[start..at]);
                if text.len() - before > LONGEST {
                    let message = format!("an element is longer than {LONGEST} bytes");
                    return Err(JsonError::Syntax { line: self.line_here(), message });
                }
            }
            if end.is_some() {
                return Ok(());
            }
        }
    }

    fn line_here(&self) -> usize {
        self.line + newlines(&self.chunk[..self.at])
    }

    fn unexpected(&self, what: &str, found: u8) -> JsonError {
        let found = match found {
            0x20..0x7f => format!("`{}`", char::from(found)),
            _ => format!("the byte 0x{found:02x}"),
        };
        let message = format!("expected {what}, found {found}");
        JsonError::Syntax { line: self.line_here(), message }
    }

    fn cut_short(&self) -> JsonError {
        let message = "the file ends inside the JSON object; it may have been cut short".into();
        JsonError::Syntax { line: self.line_here(), message }
    }
}

fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads with one byte per read, so that every value crosses a chunk.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
            to[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    /// Array, ordinal and text of an element.
    type Element = (usize, u32, String);

    /// Returns all elements, or line and message of the error.
    fn elements(source_text: &str) -> Result<Vec<Element>, (usize, String)> {
        let wanted = ["a", "b"];
        let mut source = Elements::new(Slow(source_text.as_bytes()), &wanted);
        let mut found = Vec::new();
        loop {
            let mut element = Vec::new();
            match source.next(&mut element) {
                Ok(None) => return Ok(found),
                Ok(Some(place)) => {
                    let text = String::from_utf8(element).expect("text");
                    assert!(text.is_empty() || source_text[place.start..].starts_with(&text));
                    found.push((place.array, place.ordinal, text));
                }
                Err(JsonError::Syntax { line, message }) => return Err((line, message)),
                Err(JsonError::Io(error)) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn elements_come_with_their_places_whatever_stands_between() {
        let found = elements(
            "\u{feff}{\"x\": {\"a\": [1]}, \"b\" : [ {\"q\": \"]}\\\"\"} ,[[NaN]], 12 ], \
             \"y\": \"a\", \"a\":[], \"z\": null, \"b\": [true]} \n",
        );
        let expected = [
            (1, 1, "{\"q\": \"]}\\\"\"}".to_string()),
            (1, 2, "[[NaN]]".to_string()),
            (1, 3, "12".to_string()),
            (1, 4, "true".to_string()),
        ];
        assert_eq!(found.expect("an object"), expected);
    }

    #[test]
    fn what_is_no_object_is_said_with_its_line() {
        let message = |text| elements(text).expect_err("no object");
        let cut = "the file ends inside the JSON object; it may have been cut short";
        assert_eq!(message("{\n\"a\": [1,\n2"), (3, cut.into()));
        assert_eq!(message(""), (1, cut.into()));
        assert_eq!(message("[1]"), (1, "expected `{`, found `[`".into()));
        assert_eq!(message("{\"a\": 1}"), (1, "expected an array after `a`, found `1`".into()));
        assert_eq!(message("{\"a\": [1 2]}"), (1, "expected `,` or `]`, found `2`".into()));
        assert_eq!(message("{} x"), (1, "expected the end of the file, found `x`".into()));
        assert_eq!(message("{\"a\": [1,]}"), (1, "expected a value, found `]`".into()));
    }
}
