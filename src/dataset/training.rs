//! What readers know of how a trainer will read the dataset, beyond the labels in its tables:
//! labels that they left out, and what the project's own files tell the trainer. Facts alone;
//! what a trainer makes of them is judged in `audit::ledger`.

/// What the ledger needs to know beyond the tables of a [`super::Dataset`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Training {
    /// Labels that a label file holds and that stand in no table.
    pub left_out: Vec<LeftOut>,
    /// What the files of the project tell a trainer.
    pub project: Project,
}

/// Labels that a reader left out.
#[derive(Debug, Clone, PartialEq)]
pub struct LeftOut {
    /// Why they stand in no table.
    pub why: WhyLeftOut,
    /// Label file, relative to the dataset, with `/`.
    pub file: String,
    /// Line, or ordinal of an annotation, counted from 1.
    pub row: Option<u32>,
    /// Column, counted from 1.
    pub column: Option<u32>,
    /// Path of the image, where the row names one.
    pub image: Option<String>,
    /// Name of the instance that they belong to, as [`super::Dataset::instance_name`] gives
    /// it; a name of their own where the whole instance was left out.
    pub instance: String,
    /// Name of the keypoint, where they are one.
    pub keypoint: Option<String>,
    /// x and y in the label file's own numbers, where they can be read.
    pub at: Option<[f64; 2]>,
    /// Number of labelled points.
    pub points: u32,
    /// What was expected and what was found, a lower-case fragment.
    pub message: String,
}

/// Why labels stand in no table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WhyLeftOut {
    /// They are another scorer's.
    OtherScorer,
    /// An earlier row labels the same image, or says the same.
    Repeated,
    /// They could not be understood.
    Unreadable,
    /// Their image is not part of the dataset.
    NoImage,
}

/// What the files of a project tell its trainer.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Project {
    /// Nothing beyond the labels.
    #[default]
    Plain,
    /// A DeepLabCut project.
    DeepLabCut(DeepLabCut),
    /// A YOLO dataset.
    Yolo(Yolo),
    /// COCO files.
    Coco(Coco),
    /// Pascal VOC files.
    Voc {
        /// Objects that are marked as difficult; sorted.
        difficult: Vec<super::Location>,
    },
}

/// What a DeepLabCut project tells.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeepLabCut {
    /// Whether there is a `config.yaml`.
    pub configured: bool,
    /// Who labels.
    pub scorer: Option<String>,
    /// Whether individuals are told apart, for which DeepLabCut has code of its own.
    pub multi_animal: bool,
    /// Body parts of every animal; empty where nothing says so.
    pub bodyparts: Vec<String>,
    /// Body parts that exist once in a picture.
    pub unique: Vec<String>,
    /// Names of the videos of `video_sets`, without folder and suffix.
    pub videos: Vec<String>,
    /// Share of the frames that are trained on, 0 to 1.
    pub train_fraction: Option<f64>,
    /// Label files, those that were left out included.
    pub files: Vec<LabelFile>,
    /// Label files in HDF5 without a CSV beside, whose labels labelvet cannot count.
    pub hdf5_alone: Vec<String>,
    /// Training plans that were found; see [`Plan`].
    pub plans: Vec<Plan>,
    /// Keys of `config.yaml` and of plans that no code reads.
    pub dead_keys: Vec<DeadKey>,
    /// Engine that `config.yaml` names.
    pub engine: Option<Engine>,
}

/// A label file of DeepLabCut as its training finds it, or does not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelFile {
    /// The CSV, relative to the dataset, with `/`.
    pub file: String,
    /// Scorers of its header, sorted, each once.
    pub scorers: Vec<String>,
    /// Whether the HDF5 that DeepLabCut reads in its place lies beside it.
    pub hdf5: bool,
    /// Number of rows that name their image with backslashes.
    pub backslashes: u32,
    /// Lines whose path has other separators than that of the first row, by which DeepLabCut
    /// splits all.
    pub broken: Vec<u32>,
}

/// Code that trains DeepLabCut's networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Engine {
    /// TensorFlow, `pose_cfg.yaml`.
    TensorFlow,
    /// PyTorch, `pytorch_config.yaml`.
    PyTorch,
}

impl Engine {
    /// Returns the name of the engine.
    pub fn label(self) -> &'static str {
        match self {
            Engine::TensorFlow => "TensorFlow",
            Engine::PyTorch => "PyTorch",
        }
    }
}

/// How long and on what a DeepLabCut network is to be trained.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// File of the plan, relative to the dataset; `None` for DeepLabCut's own defaults.
    pub file: Option<String>,
    /// Who trains.
    pub engine: Engine,
    /// Images per step.
    pub batch: u64,
    /// Length of the training.
    pub length: Length,
    /// Loader of images (`dataset_type`), TensorFlow only.
    pub loader: String,
    /// Factor by which images are scaled.
    pub global_scale: f64,
    /// Least and greatest size that a scaled image may have, as the side of a square, pixels.
    pub input_px: [f64; 2],
}

/// How long a training is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// Steps of one batch each.
    Iterations(u64),
    /// Times that every image is seen.
    Epochs(u64),
}

impl Plan {
    /// Returns what DeepLabCut does where no plan was written.
    ///
    /// # Source
    /// DeepLabCut 3.0.1: `pose_cfg.yaml` (`multi_step` ends at 1,030,000, `batch_size` 1,
    /// `global_scale` 0.8), `pose_imgaug.py` (`min_input_size` 64, `max_input_size` 1500);
    /// `pytorch_config.yaml` (200 epochs, batches of 8).
    pub fn usual(engine: Engine) -> Plan {
        let (batch, length) = match engine {
            Engine::TensorFlow => (1, Length::Iterations(1_030_000)),
            Engine::PyTorch => (8, Length::Epochs(200)),
        };
        Plan {
            file: None,
            engine,
            batch,
            length,
            loader: "imgaug".into(),
            global_scale: 0.8,
            input_px: [64.0, 1500.0],
        }
    }
}

/// A key that no code reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeadKey {
    /// File, relative to the dataset, with `/`.
    pub file: String,
    /// Line, counted from 1.
    pub row: Option<u32>,
    /// The key.
    pub key: String,
    /// What is read in its place, a lower-case fragment.
    pub message: String,
}

/// What a YOLO dataset tells.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Yolo {
    /// The `data.yaml`, relative to the dataset, with `/`.
    pub config: String,
    /// Number of classes that `names` has.
    pub classes: u64,
    /// Number of keypoints, and of values per keypoint (2 or 3).
    pub kpt_shape: Option<[u16; 2]>,
    /// Number of entries of `flip_idx`; `None` where it is absent or empty.
    pub flip_idx: Option<u32>,
    /// What is out of the ordinary in rows of label files, in the order of files and rows.
    pub odd: Vec<OddRow>,
    /// Keypoints of two values that are 0 0: unlabelled by custom, visible to Ultralytics.
    pub corner_points: u32,
}

/// What is out of the ordinary in one row of a YOLO label file.
#[derive(Debug, Clone, PartialEq)]
pub struct OddRow {
    /// Label file, relative to the dataset, with `/`.
    pub file: String,
    /// Line, counted from 1.
    pub row: u32,
    /// What it is.
    pub what: Oddity,
}

/// What can be out of the ordinary in a row of a YOLO label file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Oddity {
    /// The column, counted from 1, holds no number.
    NoNumber(u32),
    /// Number of columns that stand there, and number that should.
    Columns(u32, u32),
    /// The greatest value beside the class, above 1.
    Above(f64),
    /// The least value, below 0.
    Below(f64),
    /// A class id that `names` does not have.
    Class(f64),
    /// The line that it repeats.
    Repeats(u32),
    /// The file is no text.
    NoText,
}

/// What COCO files tell beside the tables.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Coco {
    /// Index into [`super::Dataset::label_files`] and ordinal of annotations whose
    /// `num_keypoints` is 0 though points are labelled; sorted.
    pub zero_counts: Vec<super::Location>,
    /// The same of annotations that have `ignore`; sorted.
    pub ignored: Vec<super::Location>,
}
