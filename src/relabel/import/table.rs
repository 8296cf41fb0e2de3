//! `queue.csv` with the verdicts that people filled in, as any spreadsheet saves it.

use std::collections::HashMap;
use std::path::Path;

use csv::StringRecord;

use super::super::export::TABLE_FILE;
use super::super::queue::{Asked, Frame, Queue};
use super::{Trouble, malformed};
use crate::relabel::{RelabelError, Verdict, read_text};

/// Columns of the table.
pub(crate) const COLUMNS: [&str; 15] = [
    "rank",
    "score",
    "image",
    "instance",
    "keypoint",
    "rule",
    "message",
    "x",
    "y",
    "proposed_x",
    "proposed_y",
    "proposed_action",
    "fingerprint",
    "verdict",
    "note",
];

/// What a person wrote beside a finding.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) verdict: Option<Verdict>,
    pub(super) note: Option<String>,
    /// x and y, where they are not what was exported.
    pub(super) place: Option<[f64; 2]>,
}

/// Rows by index of frame and finding.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) rows: HashMap<(usize, usize), Row>,
    pub(super) troubles: Vec<Trouble>,
}

/// Reads the table of an export; one that was taken out of a folder of another form says
/// nothing.
pub(super) fn read(
    queue: &Queue,
    folder: &Path,
    given: Option<&Path>,
) -> Result<Table, RelabelError> {
    let path = given.map_or_else(|| folder.join(TABLE_FILE), Into::into);
    let form = queue.header.form;
    if given.is_none() && form != super::Form::Csv && !path.exists() {
        return Ok(Table::default());
    }
    let text = read_text(&path)?;
    let first = text.lines().next().unwrap_or_default();
    // Excel writes `;` where the comma stands in numbers.
    let count = |separator: &u8| first.bytes().filter(|byte| byte == separator).count();
    let separator = [b'\t', b';', b','].into_iter().max_by_key(count).unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .flexible(true)
        .has_headers(true)
        .from_reader(text.as_bytes());
    let headers = reader.headers().map_err(|error| malformed(&path, Some(1), error.to_string()))?;
    let places: HashMap<String, usize> =
        headers.iter().enumerate().map(|(at, name)| (name.trim().to_lowercase(), at)).collect();
    for needed in ["fingerprint", "verdict", "image", "rule"] {
        if !places.contains_key(needed) {
            let message = format!("expected a column `{needed}`, found {first:?}");
            return Err(malformed(&path, Some(1), message));
        }
    }
    let known = Known::new(queue);
    let mut table = Table::default();
    let mut record = StringRecord::new();
    loop {
        let line = usize::try_from(reader.position().line()).unwrap_or(0);
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => return Err(malformed(&path, Some(line), error.to_string())),
        }
        let line = record.position().map_or(line, |at| usize::try_from(at.line()).unwrap_or(line));
        let cell =
            |name: &str| places.get(name).and_then(|&at| record.get(at)).unwrap_or_default().trim();
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        let place = format!("{TABLE_FILE} line {line}");
        let Some((frame, finding)) = known.find(&cell) else {
            let message = format!("the finding {:?} is not in the queue", cell("fingerprint"));
            table.troubles.push(Trouble::new(place, message));
            continue;
        };
        let asked = &queue.frames[frame].findings[finding];
        let word = cell("verdict");
        let verdict = Verdict::parse(word);
        if verdict.is_none() && !word.is_empty() {
            let message = format!("expected fixed, correct, drop or unsure, found {word:?}");
            return Err(malformed(&path, Some(line), message));
        }
        let new = moved(&queue.frames[frame], asked, cell("x"), cell("y"));
        let new = new.unwrap_or_else(|message| {
            table.troubles.push(Trouble::new(&*place, message));
            None
        });
        let note = Some(cell("note")).filter(|note| !note.is_empty()).map(String::from);
        if table.rows.insert((frame, finding), Row { verdict, note, place: new }).is_some() {
            let message = "the finding stands twice in the table; the last line counts";
            table.troubles.push(Trouble::new(place, message));
        }
    }
    Ok(table)
}

/// Findings by fingerprint, and by what they are about: a spreadsheet may have made a number
/// of a fingerprint.
struct Known<'q> {
    queue: &'q Queue,
    by_fingerprint: HashMap<&'q str, (usize, usize)>,
}

impl<'q> Known<'q> {
    fn new(queue: &'q Queue) -> Known<'q> {
        let all = queue.frames.iter().enumerate().flat_map(|(frame, of)| {
            let findings = of.findings.iter().enumerate();
            findings.map(move |(at, asked)| (asked.fingerprint.as_str(), (frame, at)))
        });
        Known { queue, by_fingerprint: all.collect() }
    }

    fn find<'c>(&self, cell: &impl Fn(&str) -> &'c str) -> Option<(usize, usize)> {
        if let Some(&found) = self.by_fingerprint.get(cell("fingerprint")) {
            return Some(found);
        }
        let mut alike = self.by_fingerprint.values().filter(|(frame, finding)| {
            let frame = &self.queue.frames[*frame];
            let asked = &frame.findings[*finding];
            let is =
                |name: &Option<String>, cell: &str| name.as_deref().unwrap_or_default() == cell;
            frame.image == cell("image")
                && asked.rule == cell("rule")
                && is(&asked.instance, cell("instance"))
                && is(&asked.keypoint, cell("keypoint"))
        });
        match (alike.next(), alike.next()) {
            (Some(&one), None) => Some(one),
            _ => None,
        }
    }
}

/// Returns the place that a row gives, where it is another than the label's.
fn moved(frame: &Frame, asked: &Asked, x: &str, y: &str) -> Result<Option<[f64; 2]>, String> {
    let label = asked.instance.as_deref().and_then(|name| frame.label(name));
    let known = asked.keypoint.as_ref().and_then(|name| label?.keypoints.get(name));
    if x.is_empty() && y.is_empty() {
        return match known {
            Some(_) => {
                Err("x and y were emptied; to take a label away write drop as its verdict".into())
            }
            None => Ok(None),
        };
    }
    // A comma is a decimal point where the separator is another.
    let number = |text: &str| {
        let value = text.replace(',', ".").parse::<f64>().ok().filter(|value| value.is_finite());
        value.ok_or_else(|| format!("expected a number, found {text:?}"))
    };
    let (x, y) = (number(x)?, number(y)?);
    if asked.keypoint.is_none() {
        return Err("x and y belong to findings about a keypoint; they are passed over".into());
    }
    let same = known.is_some_and(|known| !super::compare::apart([known.x, known.y], [x, y]));
    Ok((!same).then_some([x, y]))
}
