//! Rules in SQL: runs a rule's query over the tables of facts and makes hits of its
//! rows.
//!
//! The columns of a result, all optional but what the rule's level needs:
//!
//! | column | meaning |
//! |---|---|
//! | `image`, `video`, `instance`, `keypoint` | names that the tables give; they lead a row back to its subject |
//! | `about` | what a finding about the dataset or a video is about, such as a class; tells findings apart |
//! | `message` | words; the rule's title and the value where there are none |
//! | `value`, `threshold` | the measured number and what it was compared with |
//! | `score` | probability that the defect is real, 0 to 1; 1 where there is none |
//!
//! What a query may do is the matter of [`query`].

mod query;

use polars::prelude::{DataFrame, DataType, Float64Chunked, PolarsError, Schema, StringChunked};
use polars::sql::SQLContext;

pub(in crate::audit) use query::{Query, QueryError};

use super::{Hit, Level, Rule, Settings, Subject};
use crate::dataset::Dataset;
use crate::facts::{Facts, FactsError};

/// Columns of names and words.
const TEXTS: [&str; 6] = ["image", "video", "instance", "keypoint", "about", "message"];
/// Columns of numbers.
const NUMBERS: [&str; 3] = ["value", "threshold", "score"];

/// Says why a query cannot be run.
#[derive(Debug, thiserror::Error)]
pub(super) enum SqlError {
    /// It is not allowed, or is no SQL.
    #[error("query: {0}")]
    Query(#[from] QueryError),
    /// The engine refused it, such as for a column that does not exist.
    #[error("query: {0}")]
    Engine(#[from] PolarsError),
    /// A table could not be built.
    #[error(transparent)]
    Facts(#[from] FactsError),
    /// Its result lacks a column, has one of no meaning, or one of a wrong type.
    #[error("result: {0}")]
    Result(String),
    /// A row leads to nothing.
    #[error("result: row {row}: {message}")]
    Row {
        /// Counted from 1.
        row: usize,
        /// What was looked for.
        message: String,
    },
}

/// Runs the query of a rule.
///
/// # Errors
/// Fails where the query does, and on rows that lead to nothing.
pub(super) fn find(facts: &Facts, rule: &Rule, settings: &Settings) -> Result<Vec<Hit>, SqlError> {
    let rows = run(facts, rule, settings)?;
    check_schema(rows.schema(), rule.spec.level)?;
    let mut hits = Rows::new(&rows)?.hits(facts, rule)?;
    // SQL promises no order.
    hits.sort_by(|a, b| {
        let value = |hit: &Hit| hit.value.unwrap_or(f64::NEG_INFINITY);
        (a.subject.cmp(&b.subject))
            .then_with(|| a.message.cmp(&b.message))
            .then_with(|| value(a).total_cmp(&value(b)))
    });
    Ok(hits)
}

/// Runs the query of a rule over tables without rows, so that what is wrong with it
/// shows before anything is measured.
///
/// # Errors
/// Fails where the query would, whatever the dataset.
pub(super) fn rehearse(rule: &Rule) -> Result<(), SqlError> {
    let thresholds = rule.spec.thresholds.iter().map(|(name, t)| (name.clone(), t.default));
    find(&Facts::default(), rule, &Settings { thresholds: thresholds.collect() }).map(|_| ())
}

fn run(facts: &Facts, rule: &Rule, settings: &Settings) -> Result<DataFrame, SqlError> {
    let query = Query::parse(rule.spec.sql.as_deref().unwrap_or_default())?;
    let mut context = SQLContext::new();
    for &table in &query.tables {
        context.register(table.name(), facts.lazy(table, |column| query.may_use(column))?);
    }
    Ok(context.execute(&query.bind(&settings.thresholds)?)?.collect()?)
}

/// Checks that a result has the columns that its level needs, and no others than have
/// a meaning.
fn check_schema(schema: &Schema, level: Level) -> Result<(), SqlError> {
    for (name, dtype) in schema.iter() {
        let name = name.as_str();
        let (fits, wanted) = if TEXTS.contains(&name) {
            (dtype.is_string() || dtype.is_categorical() || dtype.is_null(), "text")
        } else if NUMBERS.contains(&name) {
            (dtype.is_primitive_numeric() || dtype.is_null(), "a number")
        } else {
            let known = [TEXTS.as_slice(), NUMBERS.as_slice()].concat().join(", ");
            return Err(SqlError::Result(format!("unknown column `{name}`; known are {known}")));
        };
        if !fits {
            return Err(SqlError::Result(format!("column `{name}` is {dtype}, not {wanted}")));
        }
    }
    let needed: &[&str] = match level {
        Level::Dataset => &[],
        Level::Video => &["video"],
        Level::Image => &["image"],
        Level::Instance => &["image", "instance"],
        Level::Keypoint => &["image", "instance", "keypoint"],
    };
    match needed.iter().find(|name| !schema.contains(name)) {
        Some(name) => {
            let level = format!("{level:?}").to_lowercase();
            Err(SqlError::Result(format!("no column `{name}`, which a rule about a {level} needs")))
        }
        None => Ok(()),
    }
}

/// A result, column by column.
struct Rows {
    texts: [Option<StringChunked>; TEXTS.len()],
    numbers: [Option<Float64Chunked>; NUMBERS.len()],
    height: usize,
}

impl Rows {
    fn new(frame: &DataFrame) -> Result<Rows, SqlError> {
        let mut rows =
            Rows { texts: Default::default(), numbers: Default::default(), height: frame.height() };
        for (place, name) in rows.texts.iter_mut().zip(TEXTS) {
            if let Ok(column) = frame.column(name) {
                *place = Some(column.cast(&DataType::String)?.str()?.clone());
            }
        }
        for (place, name) in rows.numbers.iter_mut().zip(NUMBERS) {
            if let Ok(column) = frame.column(name) {
                *place = Some(column.cast(&DataType::Float64)?.f64()?.clone());
            }
        }
        Ok(rows)
    }

    fn hits(&self, facts: &Facts, rule: &Rule) -> Result<Vec<Hit>, SqlError> {
        let finder = Finder::new(&facts.dataset);
        (0..self.height)
            .map(|row| {
                let [image, video, instance, keypoint, about, message] =
                    self.texts.each_ref().map(|column| column.as_ref()?.get(row));
                let [value, threshold, score] =
                    self.numbers.each_ref().map(|column| column.as_ref()?.get(row));
                let names = Names { image, video, instance, keypoint, about };
                let subject = (finder.subject(rule.spec.level, &names))
                    .map_err(|message| SqlError::Row { row: row + 1, message })?;
                let message = match (message, value) {
                    (Some(message), _) => message.to_string(),
                    (None, Some(value)) => format!("{}: {value:.3}", rule.spec.title),
                    (None, None) => rule.spec.title.clone(),
                };
                let hit = Hit::new(subject, score.unwrap_or(1.0), message);
                Ok(Hit { value, threshold, ..hit })
            })
            .collect()
    }
}

/// Names that a row gives of its subject.
struct Names<'a> {
    image: Option<&'a str>,
    video: Option<&'a str>,
    instance: Option<&'a str>,
    keypoint: Option<&'a str>,
    about: Option<&'a str>,
}

/// Leads names back to subjects.
struct Finder<'a> {
    dataset: &'a Dataset,
    /// Instances of each image.
    instances: Vec<std::ops::Range<usize>>,
}

impl Finder<'_> {
    fn new(dataset: &Dataset) -> Finder<'_> {
        Finder { dataset, instances: dataset.instances_by_image() }
    }

    fn subject(&self, level: Level, names: &Names<'_>) -> Result<Subject, String> {
        let about = || names.about.unwrap_or_default().to_string();
        Ok(match level {
            Level::Dataset => Subject::Dataset(about()),
            Level::Video => {
                let name = names.video.ok_or("`video` is null")?;
                let at = self.dataset.videos.iter().position(|video| video == name);
                Subject::Video(at.ok_or(format!("no video `{name}`"))? as u32, about())
            }
            Level::Image => Subject::Image(self.image(names)? as u32),
            Level::Instance => Subject::Instance(self.instance(names)? as u32),
            Level::Keypoint => {
                let instance = self.instance(names)?;
                let name = names.keypoint.ok_or("`keypoint` is null")?;
                let skeleton = self.dataset.skeleton_of(&self.dataset.instances[instance]);
                let kind = skeleton.and_then(|skeleton| skeleton.index(name));
                Subject::Keypoint(instance as u32, kind.ok_or(format!("no keypoint `{name}`"))?)
            }
        })
    }

    fn image(&self, names: &Names<'_>) -> Result<usize, String> {
        let path = names.image.ok_or("`image` is null")?;
        // Images are in the order of their paths, see `Dataset::sort`.
        (self.dataset.images.binary_search_by(|image| image.path.as_str().cmp(path)))
            .map_err(|_| format!("no image `{path}`"))
    }

    fn instance(&self, names: &Names<'_>) -> Result<usize, String> {
        let image = self.image(names)?;
        let name = names.instance.ok_or("`instance` is null")?;
        (self.instances[image].clone())
            .find(|&at| self.dataset.instance_name(&self.dataset.instances[at]) == name)
            .ok_or_else(|| {
                format!("image `{}` has no instance `{name}`", names.image.unwrap_or(""))
            })
    }
}
