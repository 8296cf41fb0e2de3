//! The label file that DeepLabCut and Lightning Pose share: a CSV with 3 header rows
//! (scorer, bodyparts, coords), or 4 (individuals after scorer), and an index of one
//! column (`labeled-data/video/img.png`) or three (`labeled-data,video,img.png`).
//!
//! Takes the bytes of a file, gives a [`Sheet`]: what each row says of each body
//! part. A cell or row that makes no sense is left out and reported; only a file
//! without the header is an error. Knows nothing of projects and image files.

use csv::StringRecord;
use rustc_hash::FxHashMap;

use super::dlc_cells::{Cell, number, visibility};
use super::dlc_records::{Records, decode};
use super::files;
use crate::dataset::{Problem, ProblemKind, Visibility};

/// What a label file holds.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    /// Label file, relative to the dataset.
    pub(super) file: String,
    /// Body parts that have an x and a y column, in the order of their columns.
    pub(super) parts: Vec<Part>,
    /// Rows that name an image, in file order.
    pub(super) rows: Vec<Row>,
    /// Labelled points of all rows.
    pub(super) points: Vec<Point>,
    /// Line of the header that names the body parts.
    pub(super) bodyparts_row: u32,
    /// What could not be read.
    pub(super) problems: Vec<Problem>,
    /// Labelled points that could not be read.
    pub(super) unread: Vec<UnreadPoints>,
    /// Number of rows that name their image with backslashes.
    pub(super) backslashes: u32,
    /// Lines whose path has other separators than that of the first row.
    pub(super) broken: Vec<u32>,
}

/// Labelled points that could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UnreadPoints {
    /// Line of the file.
    pub(super) line: u32,
    /// Column of the first, counted from 1.
    pub(super) column: Option<u32>,
    /// Index into [`Sheet::parts`]; `None` where it cannot be told which they are.
    pub(super) part: Option<u32>,
    /// Number of points.
    pub(super) points: u32,
    /// What was expected and what was found.
    pub(super) message: String,
}

/// A body part of one individual, as one scorer labelled it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Who labelled it; empty where the file does not say.
    pub(super) scorer: String,
    /// Individual, where the file tells individuals apart.
    pub(super) individual: Option<String>,
    /// Name of the body part.
    pub(super) bodypart: String,
    /// Columns of its coordinates and, where there is one, its visibility, counted from 0.
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) visible: Option<usize>,
}

impl Part {
    /// Returns the column of its x, counted from 1.
    pub(super) fn column(&self) -> u32 {
        column(self.x)
    }
}

/// A row that names an image.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Image as the row names it, with `/`.
    pub(super) image: String,
    /// Line of the file.
    pub(super) line: u32,
    /// Ordinal of the record among all of the file, the header's included, counted from 0.
    pub(super) record: usize,
    /// Range of [`Sheet::points`], ascending in [`Point::part`].
    pub(super) points: std::ops::Range<usize>,
}

/// A labelled point, in the file's own numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    /// Index into [`Sheet::parts`].
    pub(super) part: u32,
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) visibility: Visibility,
}

/// Says why a file is no such label file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HeaderError {
    pub(super) row: u32,
    pub(super) message: String,
}

/// What the beginning of a file tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Peek {
    /// Labels; the image of the first row, where there is one.
    Labels(Option<String>),
    /// The same layout with a likelihood: made by a model.
    Predictions,
    /// Something else.
    Other,
}

/// Tells from the first bytes of a file whether it is such a label file.
pub(super) fn peek(beginning: &[u8]) -> Peek {
    let Ok((text, _)) = decode(beginning) else { return Peek::Other };
    let mut records = Records::new(&text);
    let Ok(header) = Header::read(&mut records) else { return Peek::Other };
    if header.coords.iter().any(|coord| coord.eq_ignore_ascii_case("likelihood")) {
        return Peek::Predictions;
    }
    while records.next() {
        let image = header.image(&records.record);
        if !image.is_empty() {
            return Peek::Labels(Some(image));
        }
    }
    Peek::Labels(None)
}

/// Reads a label file.
///
/// # Errors
/// Fails when the header is not there, or the file holds the predictions of a model.
pub(super) fn parse(file: &str, bytes: &[u8]) -> Result<Sheet, HeaderError> {
    let (text, strange_byte) =
        decode(bytes).map_err(|message| HeaderError { row: 1, message: message.into() })?;
    let mut records = Records::new(&text);
    let header = Header::read(&mut records)?;
    let mut sheet =
        Sheet { file: file.into(), bodyparts_row: header.bodyparts_row, ..Sheet::default() };
    if let Some((row, byte)) = strange_byte {
        let message = format!("expected UTF-8, found the byte {byte:#04x}; read as Latin-1");
        sheet.unreadable(row, None, None, message);
    }
    header.parts(&mut sheet)?;
    let mut shape = None;
    while records.next() {
        sheet.read_row(&header, &records);
        sheet.look_at_path(&header, &records, &mut shape);
    }
    Ok(sheet)
}

/// The header rows.
struct Header {
    scorers: StringRecord,
    individuals: Option<StringRecord>,
    bodyparts: StringRecord,
    coords: StringRecord,
    bodyparts_row: u32,
    /// Number of index columns.
    index: usize,
    /// Number of columns.
    width: usize,
}

impl Header {
    /// Reads the header rows, each named by its first cell.
    fn read(records: &mut Records<'_>) -> Result<Header, HeaderError> {
        let mut levels: [Option<StringRecord>; 3] = [None, None, None];
        let mut bodyparts_row = 0;
        let names = ["scorer", "individuals", "bodyparts"];
        loop {
            let more = records.next();
            let found = records.record.get(0).unwrap_or_default().trim();
            if more && found.eq_ignore_ascii_case("coords") {
                break;
            }
            let level = names.iter().position(|name| found.eq_ignore_ascii_case(name));
            let Some(level) = level.filter(|&level| more && levels[level].is_none()) else {
                let missing = [(0, "scorer"), (2, "bodyparts")];
                let missing = missing.iter().find(|(level, _)| levels[*level].is_none());
                let missing = missing.map_or("coords", |(_, name)| name);
                let found = if more { show(found) } else { "the end of the file".into() };
                let message =
                    format!("expected a header row that begins with `{missing}`, found {found}");
                return Err(HeaderError { row: records.line, message });
            };
            if level == 2 {
                bodyparts_row = records.line;
            }
            levels[level] = Some(records.record.clone());
        }
        let row = records.line;
        let coords = records.record.clone();
        let filled = |at: &usize| coords.get(*at).is_some_and(|cell| !cell.trim().is_empty());
        let columns: Vec<usize> = (1..coords.len()).filter(filled).collect();
        let [scorers, individuals, bodyparts] = levels;
        let (Some(bodyparts), [first, ..]) = (bodyparts, &columns[..]) else {
            let message = "expected body parts and coords in the header, found none";
            return Err(HeaderError { row, message: message.into() });
        };
        Ok(Header {
            scorers: scorers.unwrap_or_default(),
            individuals,
            bodyparts,
            bodyparts_row,
            index: *first,
            width: columns.last().map_or(0, |last| last + 1),
            coords,
        })
    }

    /// Returns the image that a row names.
    fn image(&self, record: &StringRecord) -> String {
        if self.index == 1 {
            return files::slashes(record.get(0).unwrap_or_default());
        }
        let cells: Vec<&str> = record.iter().take(self.index).collect();
        files::slashes(&cells.join("/"))
    }

    /// Puts the body parts that have both coordinates into a sheet.
    fn parts(&self, sheet: &mut Sheet) -> Result<(), HeaderError> {
        struct Found<'a> {
            key: [&'a str; 3],
            columns: [Option<usize>; 3],
            first: usize,
        }
        let mut found: Vec<Found<'_>> = Vec::new();
        let mut known = FxHashMap::default();
        let mut scorer = "";
        for at in self.index..self.width {
            // A spreadsheet may have merged the cells of the scorer.
            match self.scorers.get(at).unwrap_or_default().trim() {
                "" => {}
                own => scorer = own,
            }
            let key = [
                scorer,
                self.individuals.as_ref().and_then(|i| i.get(at)).unwrap_or_default().trim(),
                self.bodyparts.get(at).unwrap_or_default().trim(),
            ];
            let coord = self.coords.get(at).unwrap_or_default().trim().to_ascii_lowercase();
            let row = self.bodyparts_row;
            let Some(axis) = ["x", "y", "visible"].iter().position(|name| *name == coord) else {
                if coord == "likelihood" {
                    let message = "expected labels, found predictions (a column `likelihood`)";
                    return Err(HeaderError { row: row + 1, message: message.into() });
                }
                let message = format!("expected `x`, `y` or `visible`, found {}", show(&coord));
                sheet.unreadable(row + 1, Some(at), None, message);
                continue;
            };
            let entry = *known.entry(key).or_insert_with(|| {
                found.push(Found { key, columns: [None; 3], first: at });
                found.len() - 1
            });
            let place = &mut found[entry].columns[axis];
            if place.is_some() {
                let message = format!("{} has a second column `{coord}`", show(key[2]));
                sheet.unreadable(row, Some(at), None, message);
            } else {
                *place = Some(at);
            }
        }
        for Found { key: [scorer, individual, bodypart], columns, first } in found {
            let ([Some(x), Some(y), visible], false) = (columns, bodypart.is_empty()) else {
                let message = format!(
                    "expected a named body part with columns `x` and `y`, found {}",
                    show(bodypart)
                );
                sheet.unreadable(self.bodyparts_row, Some(first), None, message);
                continue;
            };
            sheet.parts.push(Part {
                scorer: scorer.into(),
                individual: self.individuals.is_some().then(|| individual.into()),
                bodypart: bodypart.into(),
                x,
                y,
                visible,
            });
        }
        Ok(())
    }
}

impl Sheet {
    fn read_row(&mut self, header: &Header, records: &Records<'_>) {
        let (record, row) = (&records.record, records.line);
        if record.iter().all(|cell| cell.trim().is_empty()) {
            return;
        }
        let image = header.image(record);
        let filled_cells = record.iter().skip(header.index).filter(|cell| !cell.trim().is_empty());
        // Two cells make a point.
        let points = filled_cells.count().div_ceil(2) as u32;
        if !files::is_image(image.as_ref()) {
            let message = format!("expected the path of an image, found {}", show(&image));
            self.unread_points(row, Some(0), None, points, &message);
            self.unreadable(row, Some(0), None, message);
            return;
        }
        let start = self.points.len();
        let filled = |from: usize| record.iter().skip(from).any(|cell| !cell.trim().is_empty());
        if record.len() < header.width && !filled(header.index) {
            // Nothing is labelled, however many separators say so.
        } else if record.len() < header.width || filled(header.width) {
            // Which cell is missing or too much cannot be known, so no number of this
            // row can be trusted.
            let message = format!("expected {} columns, found {}", header.width, record.len());
            self.unread_points(row, None, None, points, &message);
            self.unreadable(row, None, Some(&image), message);
        } else {
            for part in 0..self.parts.len() {
                self.read_point(part, record, row, &image);
            }
        }
        let points = start..self.points.len();
        self.rows.push(Row { image, line: row, record: records.count - 1, points });
    }

    fn read_point(&mut self, part: usize, record: &StringRecord, row: u32, image: &str) {
        let Part { x, y, visible, .. } = self.parts[part];
        let mut strange = None;
        let mut read = |at: usize, what: &str| {
            let cell = &record[at];
            number(cell).unwrap_or_else(|()| {
                let message = format!("expected {what}, found {}", show(cell));
                strange.get_or_insert((at, message.clone()));
                self.unreadable(row, Some(at), Some(image), message);
                Cell::Unreadable
            })
        };
        let (at_x, at_y) = (read(x, "a number"), read(y, "a number"));
        // What is not labelled (0 in `visible`) cannot be lost.
        let labelled = visible.is_none_or(|at| visibility(&record[at]) != Ok(None));
        if let Some((at, message)) = strange.filter(|_| labelled) {
            self.unread_points(row, Some(at), Some(part), 1, &message);
        }
        let (place, missing) = match (at_x, at_y) {
            (Cell::Number(x), Cell::Number(y)) => ([x, y], None),
            (Cell::Number(_), Cell::Missing) => ([0.0; 2], Some(("y", "x", y))),
            (Cell::Missing, Cell::Number(_)) => ([0.0; 2], Some(("x", "y", x))),
            _ => return,
        };
        if let Some((missing, present, at)) = missing {
            let name = &self.parts[part].bodypart;
            let message = format!("{} has {present} but no {missing}", show(name));
            if labelled {
                self.unread_points(row, Some(at), Some(part), 1, &message);
            }
            self.unreadable(row, Some(at), Some(image), message);
            return;
        }
        let visibility = match visible.map(|at| (at, visibility(&record[at]))) {
            None => Visibility::Visible,
            Some((_, Ok(Some(visibility)))) => visibility,
            Some((_, Ok(None))) => return,
            Some((at, Err(()))) => {
                let message = format!("expected 0, 1 or 2, found {}", show(&record[at]));
                self.unreadable(row, Some(at), Some(image), message);
                Visibility::Visible
            }
        };
        let part = part as u32;
        self.points.push(Point { part, x: place[0], y: place[1], visibility });
    }

    /// Looks at how a row of one index column spells its path. DeepLabCut splits all rows at
    /// the separator of the first.
    ///
    /// # Source
    /// DeepLabCut 3.0.1, `conversioncode.guarantee_multiindex_rows`.
    fn look_at_path(
        &mut self,
        header: &Header,
        records: &Records<'_>,
        shape: &mut Option<(char, usize)>,
    ) {
        let path = records.record.get(0).unwrap_or_default().trim();
        if header.index != 1 || path.is_empty() {
            return;
        }
        self.backslashes += u32::from(path.contains('\\'));
        let first = || {
            let separator = if path.contains('/') { '/' } else { '\\' };
            (separator, path.split(separator).count())
        };
        let (separator, parts) = *shape.get_or_insert_with(first);
        if path.split(separator).count() != parts {
            self.broken.push(records.line);
        }
    }

    fn unread_points(
        &mut self,
        line: u32,
        at: Option<usize>,
        part: Option<usize>,
        points: u32,
        message: &str,
    ) {
        if points > 0 {
            let (column, part) = (at.map(column), part.map(|part| part as u32));
            let message = message.into();
            self.unread.push(UnreadPoints { line, column, part, points, message });
        }
    }

    fn unreadable(&mut self, row: u32, at: Option<usize>, image: Option<&str>, message: String) {
        self.problems.push(Problem {
            file: self.file.clone(),
            row: Some(row),
            column: at.map(column),
            kind: ProblemKind::UnreadableLabel,
            image: image.map(String::from),
            message,
        });
    }
}

/// Returns the number of a column counted from 1.
fn column(at: usize) -> u32 {
    at as u32 + 1
}

/// Quotes a cell for a message: at most 40 letters, none that disturbs a terminal.
pub(super) fn show(cell: &str) -> String {
    let mut shown: String = cell.chars().take(40).flat_map(escape).collect();
    if cell.chars().nth(40).is_some() {
        shown.push('…');
    }
    if shown.is_empty() { "nothing".into() } else { format!("`{shown}`") }
}

fn escape(letter: char) -> Vec<char> {
    if letter.is_control() { letter.escape_default().collect() } else { vec![letter] }
}

#[cfg(test)]
mod tests;
