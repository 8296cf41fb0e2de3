//! The flight record: what happened at each step, as tables and a log.
//!
//! Takes rows as a run goes; writes `steps.parquet`, `samples.parquet`, `probe.parquet` (each
//! whole under its name, again and again) and appends to `events.jsonl`. After an
//! interruption it goes on from the batch of the last checkpoint.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use polars::prelude::*;
use serde_json::{Map, Value, json};

/// Version of the layout of all files.
pub const SCHEMA: u32 = 1;
pub(super) const STEPS: &str = "steps.parquet";
const SAMPLES: &str = "samples.parquet";
pub(super) const PROBE: &str = "probe.parquet";
pub(super) const EVENTS: &str = "events.jsonl";

/// What happened at one step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRow {
    /// Number of the step that the learning rate follows, from 0.
    pub step: u64,
    /// Number of the batch that was drawn, from 0.
    pub batch: u64,
    /// Passes over the training images before this batch.
    pub epoch: u64,
    /// Learning rate.
    pub lr: f64,
    /// Loss, the mean over the batch; its parts.
    pub loss: f32,
    /// Part of the score maps, or of the classes.
    pub score_loss: f32,
    /// Part of the offsets.
    pub offset_loss: f32,
    /// Norm of all gradients, before clipping.
    pub grad_norm: f32,
    /// Norms by group, in the order of [`Record::new`]'s groups.
    pub grad_norms: Vec<f32>,
    /// Whether gradients were made smaller.
    pub clipped: bool,
    /// Whether the parameters were left as they were.
    pub skipped: bool,
    /// Milliseconds of the whole step, waiting included.
    pub step_ms: f32,
    /// Milliseconds that the device waited for the batch.
    pub wait_ms: f32,
}

/// The loss of one image at one step.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleRow {
    /// Number of the step.
    pub step: u64,
    /// Number of the batch.
    pub batch: u64,
    /// Path of the image.
    pub image: String,
    /// Its loss: the mean over a batch is the step's.
    pub loss: f32,
    /// The same by keypoint; one number for classes.
    pub losses: Vec<f32>,
}

/// A look at the probe set and at the test images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProbeRow {
    /// Steps done.
    pub step: u64,
    /// Batches drawn.
    pub batch: u64,
    /// Loss on the probe set, without augmentation.
    pub loss: f32,
    /// Median error on the test images in pixels, or the share of wrong classes.
    pub test_error: Option<f64>,
}

/// Why the record cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[error("failed to write or read {}: {message}", path.display())]
pub struct RecordError {
    /// The file.
    pub path: PathBuf,
    /// What the system or the table library said.
    pub message: String,
}

impl RecordError {
    fn new(path: &Path, message: impl ToString) -> RecordError {
        RecordError { path: path.into(), message: message.to_string() }
    }
}

/// The flight record of a run.
#[derive(Debug)]
pub struct Record {
    folder: PathBuf,
    groups: Vec<String>,
    keypoints: Vec<String>,
    steps: Table<StepRow>,
    samples: Table<SampleRow>,
    probe: Table<ProbeRow>,
    events: File,
}

/// Rows that were made a table, and rows that were not yet.
#[derive(Debug)]
struct Table<R> {
    file: &'static str,
    frame: Option<DataFrame>,
    rows: Vec<R>,
}

impl Record {
    /// Begins a record in a run's folder, or goes on with the one that is there: rows and
    /// events of batches from `batch` on are forgotten. Takes the names of groups of
    /// gradients, and of keypoints.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn new(
        folder: &Path,
        groups: Vec<String>,
        keypoints: Vec<String>,
        batch: u64,
    ) -> Result<Record, RecordError> {
        let path = folder.join(EVENTS);
        let named = |error| RecordError::new(&path, error);
        // The log is cut to what was before the checkpoint, too.
        let old = fs::read_to_string(&path).unwrap_or_default();
        let kept: String = old
            .lines()
            .filter(|line| is_before(line, batch))
            .map(|line| format!("{line}\n"))
            .collect();
        if old != kept {
            fs::write(&path, &kept).map_err(named)?;
        }
        let mut events = File::options().create(true).append(true).open(&path).map_err(named)?;
        if kept.is_empty() {
            writeln!(events, "{}", json!({ "schema": SCHEMA, "event": "begin", "batch": 0 }))
                .map_err(named)?;
        }
        Ok(Record {
            steps: Table::open(folder, STEPS, batch)?,
            samples: Table::open(folder, SAMPLES, batch)?,
            probe: Table::open(folder, PROBE, batch + 1)?,
            folder: folder.into(),
            groups,
            keypoints,
            events,
        })
    }

    /// Adds a step and its samples.
    pub fn step(&mut self, row: StepRow, samples: Vec<SampleRow>) {
        self.steps.rows.push(row);
        self.samples.rows.extend(samples);
    }

    /// Adds a look at the probe set.
    pub fn probe(&mut self, row: ProbeRow) {
        self.probe.rows.push(row);
    }

    /// Appends an event at once: its name, the step and batch, and what belongs to it.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn event(
        &mut self,
        event: &str,
        step: u64,
        batch: u64,
        rest: Value,
    ) -> Result<(), RecordError> {
        let mut object = Map::new();
        object.insert("event".into(), event.into());
        object.insert("step".into(), step.into());
        object.insert("batch".into(), batch.into());
        if let Value::Object(rest) = rest {
            object.extend(rest);
        }
        let path = self.folder.join(EVENTS);
        writeln!(self.events, "{}", Value::Object(object))
            .map_err(|error| RecordError::new(&path, error))
    }

    /// Writes all tables.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn flush(&mut self) -> Result<(), RecordError> {
        let keypoints = &self.keypoints;
        self.samples.flush(&self.folder, |rows| samples_frame(rows, keypoints))?;
        self.flush_curves()
    }

    /// Writes the tables that curves are drawn of: not that of samples, which is the largest.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn flush_curves(&mut self) -> Result<(), RecordError> {
        let groups = &self.groups;
        self.steps.flush(&self.folder, |rows| steps_frame(rows, groups))?;
        self.probe.flush(&self.folder, probe_frame)
    }
}

fn is_before(line: &str, batch: u64) -> bool {
    let event: Option<Value> = serde_json::from_str(line).ok();
    event.and_then(|event| event["batch"].as_u64()).is_some_and(|of_event| of_event <= batch)
}

impl<R> Table<R> {
    fn open(folder: &Path, file: &'static str, batch: u64) -> Result<Self, RecordError> {
        let path = folder.join(file);
        let mut table = Table { file, frame: None, rows: Vec::new() };
        if batch == 0 || !path.exists() {
            return Ok(table);
        }
        let named = |error: PolarsError| RecordError::new(&path, error);
        let source = File::open(&path).map_err(|error| RecordError::new(&path, error))?;
        let frame = ParquetReader::new(source).finish().map_err(named)?;
        let before = frame
            .column("batch")
            .and_then(|column| column.u64().map(|batches| batches.lt(batch)))
            .map_err(named)?;
        table.frame = Some(frame.filter(&before).map_err(named)?);
        Ok(table)
    }

    fn flush(
        &mut self,
        folder: &Path,
        make: impl FnOnce(&[R]) -> PolarsResult<DataFrame>,
    ) -> Result<(), RecordError> {
        let path = folder.join(self.file);
        if self.rows.is_empty() && path.exists() {
            return Ok(());
        }
        let named = |error: PolarsError| RecordError::new(&path, error);
        let new = make(&self.rows).map_err(named)?;
        let whole = match self.frame.take() {
            Some(mut frame) => {
                frame.vstack_mut(&new).map_err(named)?;
                frame
            }
            None => new,
        };
        self.rows.clear();
        write(&path, self.frame.insert(whole))
    }
}

/// Writes a table under a temporary name, then gives it its own.
pub(super) fn write(path: &Path, frame: &mut DataFrame) -> Result<(), RecordError> {
    let temporary = path.with_extension("parquet.part");
    let file = File::create(&temporary).map_err(|error| RecordError::new(&temporary, error))?;
    let schema = vec![("schema".to_string(), SCHEMA.to_string())];
    ParquetWriter::new(BufWriter::new(file))
        .with_key_value_metadata(Some(KeyValueMetadata::from_static(schema)))
        .finish(frame)
        .map_err(|error| RecordError::new(path, error))?;
    fs::rename(&temporary, path).map_err(|error| RecordError::new(path, error))
}

fn steps_frame(rows: &[StepRow], groups: &[String]) -> PolarsResult<DataFrame> {
    let column = |name: &str, value: fn(&StepRow) -> f32| {
        Column::new(name.into(), rows.iter().map(value).collect::<Vec<_>>())
    };
    let count = |name: &str, value: fn(&StepRow) -> u64| {
        Column::new(name.into(), rows.iter().map(value).collect::<Vec<_>>())
    };
    let yes = |name: &str, value: fn(&StepRow) -> bool| {
        Column::new(name.into(), rows.iter().map(value).collect::<Vec<_>>())
    };
    let mut columns = vec![
        count("step", |row| row.step),
        count("batch", |row| row.batch),
        count("epoch", |row| row.epoch),
        Column::new("lr".into(), rows.iter().map(|row| row.lr).collect::<Vec<_>>()),
        column("loss", |row| row.loss),
        column("score_loss", |row| row.score_loss),
        column("offset_loss", |row| row.offset_loss),
        column("grad_norm", |row| row.grad_norm),
    ];
    for (at, group) in groups.iter().enumerate() {
        let norms: Vec<f32> = rows.iter().map(|row| row.grad_norms[at]).collect();
        columns.push(Column::new(format!("grad_norm.{group}").into(), norms));
    }
    columns.extend([
        yes("clipped", |row| row.clipped),
        yes("skipped", |row| row.skipped),
        column("step_ms", |row| row.step_ms),
        column("wait_ms", |row| row.wait_ms),
    ]);
    DataFrame::new(rows.len(), columns)
}

fn samples_frame(rows: &[SampleRow], keypoints: &[String]) -> PolarsResult<DataFrame> {
    let images =
        StringChunked::from_iter_values("image".into(), rows.iter().map(|row| row.image.as_str()));
    let mut columns = vec![
        Column::new("step".into(), rows.iter().map(|row| row.step).collect::<Vec<_>>()),
        Column::new("batch".into(), rows.iter().map(|row| row.batch).collect::<Vec<_>>()),
        images.into_column(),
        Column::new("loss".into(), rows.iter().map(|row| row.loss).collect::<Vec<_>>()),
    ];
    for (at, keypoint) in keypoints.iter().enumerate() {
        let losses: Vec<f32> = rows.iter().map(|row| row.losses[at]).collect();
        columns.push(Column::new(format!("loss.{keypoint}").into(), losses));
    }
    DataFrame::new(rows.len(), columns)
}

fn probe_frame(rows: &[ProbeRow]) -> PolarsResult<DataFrame> {
    let errors: Vec<Option<f64>> = rows.iter().map(|row| row.test_error).collect();
    let columns = vec![
        Column::new("step".into(), rows.iter().map(|row| row.step).collect::<Vec<_>>()),
        Column::new("batch".into(), rows.iter().map(|row| row.batch).collect::<Vec<_>>()),
        Column::new("loss".into(), rows.iter().map(|row| row.loss).collect::<Vec<_>>()),
        Column::new("test_error".into(), errors),
    ];
    DataFrame::new(rows.len(), columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(batch: u64) -> (StepRow, Vec<SampleRow>) {
        let step = StepRow {
            step: batch,
            batch,
            epoch: 0,
            lr: 1e-3,
            loss: batch as f32,
            score_loss: 0.5,
            offset_loss: 0.5,
            grad_norm: 2.0,
            grad_norms: vec![1.0],
            clipped: true,
            skipped: false,
            step_ms: 3.0,
            wait_ms: 0.0,
        };
        let sample =
            SampleRow { step: batch, batch, image: "a.png".into(), loss: 1.0, losses: vec![1.0] };
        (step, vec![sample])
    }

    #[test]
    fn a_record_goes_on_where_a_checkpoint_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = |batch| {
            Record::new(folder.path(), vec!["head".into()], vec!["nose".into()], batch)
                .expect("a record")
        };
        let mut record = open(0);
        for batch in 0..10 {
            let (step, samples) = row(batch);
            record.step(step, samples);
            if batch == 5 {
                record.flush().expect("written");
            }
        }
        record.event("spike", 7, 7, json!({ "z": 9.5 })).expect("written");
        record.flush().expect("written");
        drop(record);
        let mut record = open(6);
        let log = fs::read_to_string(folder.path().join(EVENTS)).expect("a log");
        assert_eq!(log.lines().count(), 1, "the spike is after the checkpoint");
        let (step, samples) = row(6);
        record.step(step, samples);
        record.flush().expect("written");
        let read = |file: &str| {
            let file = File::open(folder.path().join(file)).expect("a file");
            ParquetReader::new(file).finish().expect("a table")
        };
        let losses = read(STEPS).column("loss").and_then(|loss| Ok(loss.f32()?.to_vec()));
        let expected = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0].map(Some);
        assert_eq!(losses.expect("losses"), expected);
        let frame = read(SAMPLES);
        assert_eq!(frame.height(), 7);
        let names: Vec<&str> = frame.get_column_names().iter().map(|name| name.as_str()).collect();
        assert_eq!(names, ["step", "batch", "image", "loss", "loss.nose"]);
    }
}
