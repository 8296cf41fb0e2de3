//! The shuffles of a DeepLabCut project: which images each trains on, and which it tests.
//!
//! `create_training_dataset` merges the labels of all videos into one table in
//! `training-datasets/iteration-<i>/UnaugmentedDataSet_<Task><date>/CollectedData_<scorer>.csv`,
//! and pickles for each shuffle, into `Documentation_data-<Task>_<percent>shuffle<k>.pickle`
//! beside it, a list of four: the labels that it trains on, the rows of the table that it trains
//! on, those that it tests, and the share of the former. Takes the folder of the project, gives
//! the division of each shuffle by paths of images. Executes nothing of the pickles, and leaves
//! out a shuffle whose rows are no longer those that it was made of.
//!
//! # Source
//! DeepLabCut 3.0.1: `trainingsetmanipulation.py` (`merge_annotateddatasets`, `SplitTrials`,
//! `format_training_data`), `auxiliaryfunctions.py` (`save_metadata`), `metadata.py`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;
use serde_json::Value;

use super::dlc_dataset::below_labeled_data;
use super::pickle::{self, Id, Pickle, PickleError};
use super::{dlc_csv, files};
use crate::dataset::{Dataset, Part, Problem, ProblemKind};

/// Folder of a project that holds its training sets.
const TRAINING_DATASETS: &str = "training-datasets";

/// Beginning and end of the name of a shuffle's pickle.
const DOCUMENT: [&str; 2] = ["Documentation_data-", ".pickle"];

/// Puts the divisions of all shuffles into the dataset that was read of a whole project.
pub(super) fn read(dataset: &mut Dataset, scorer: Option<&str>) {
    let root = dataset.root.clone();
    let mut found = Vec::new();
    for folder in folders(&root) {
        let documents = documents(&folder);
        dataset.problems.extend(undocumented(&root, &folder, &documents));
        if documents.is_empty() {
            continue;
        }
        let table = match Table::read(&root, &folder, scorer) {
            Ok(table) => table,
            Err(problem) => {
                dataset.problems.push(problem);
                continue;
            }
        };
        for document in &documents {
            let file = files::relative(&root, &document.file);
            let mut note = |message| dataset.problems.push(unreadable(file.clone(), message));
            match table.shuffle(document) {
                Ok((shuffle, message)) => {
                    message.into_iter().for_each(&mut note);
                    found.push((file, shuffle));
                }
                Err(message) => note(message),
            }
        }
    }
    found.truncate(usize::from(u16::MAX));
    let images: FxHashMap<&str, usize> =
        dataset.images.iter().enumerate().map(|(at, image)| (&*image.path, at)).collect();
    let mut parts: Vec<Vec<(u16, Part)>> = vec![Vec::new(); dataset.images.len()];
    for (division, (file, shuffle)) in (0..).zip(found) {
        let mut gone = 0;
        for (part, paths) in [(Part::Train, shuffle.train), (Part::Test, shuffle.test)] {
            for path in paths {
                match images.get(path.as_str()) {
                    Some(&at) => parts[at].push((division, part)),
                    None => gone += 1,
                }
            }
        }
        if gone > 0 {
            let message = format!("images of it that are no longer in the project: {gone}");
            dataset.problems.push(unreadable(file, message));
        }
        dataset.divisions.push(shuffle.name);
    }
    for (image, parts) in dataset.images.iter_mut().zip(parts) {
        image.parts = parts;
    }
}

/// Returns the greatest number that a shuffle of the project has; 0 where there is none.
pub(super) fn greatest_number(root: &Path) -> u64 {
    let all = folders(root).into_iter().flat_map(|folder| documents(&folder));
    all.map(|document| document.number).max().unwrap_or(0)
}

/// Returns the folders of training sets, in the order of their paths.
fn folders(root: &Path) -> Vec<PathBuf> {
    let iterations = files::entries(&root.join(TRAINING_DATASETS));
    iterations.iter().flat_map(|iteration| files::entries(iteration)).collect()
}

/// The pickle of a shuffle.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Document {
    /// Share of the rows that are trained on, in percent.
    percent: u64,
    /// Number of the shuffle.
    number: u64,
    file: PathBuf,
}

/// Returns the pickles of a folder, in the order of their numbers.
fn documents(folder: &Path) -> Vec<Document> {
    let document = |file: PathBuf| {
        let name = files::name(&file);
        let name = name.strip_prefix(DOCUMENT[0])?.strip_suffix(DOCUMENT[1])?;
        let (rest, number) = name.rsplit_once("shuffle")?;
        let (_, percent) = rest.rsplit_once('_')?;
        Some(Document { percent: percent.parse().ok()?, number: number.parse().ok()?, file })
    };
    let mut found: Vec<_> = files::entries(folder).into_iter().filter_map(document).collect();
    found.sort();
    found
}

/// Notes shuffles that `metadata.yaml` lists without their pickle: DeepLabCut stops at them.
fn undocumented(root: &Path, folder: &Path, documents: &[Document]) -> Vec<Problem> {
    let file = folder.join("metadata.yaml");
    let Some(text) = files::yaml_text(&file) else { return Vec::new() };
    let name = files::relative(root, &file);
    let listed: Value = match files::yaml(&text) {
        Ok(listed) => listed,
        Err(error) => {
            let message = error.to_string().lines().next().unwrap_or_default().to_string();
            return vec![unreadable(name, message)];
        }
    };
    let shuffles = listed["shuffles"].as_object().into_iter().flatten();
    let numbers = shuffles.filter_map(|(_, shuffle)| {
        // DeepLabCut cuts the percentage to an integer for the names of files.
        let percent = (shuffle["train_fraction"].as_f64()? * 100.0) as u64;
        Some((percent, shuffle["index"].as_u64()?))
    });
    let absent = numbers.filter(|&(percent, number)| {
        !documents.iter().any(|known| (known.percent, known.number) == (percent, number))
    });
    let message = |(percent, number)| {
        format!(
            "shuffle {number} with {percent} % for training has no {}*_{percent}shuffle{number}{}; \
             DeepLabCut stops at it",
            DOCUMENT[0], DOCUMENT[1]
        )
    };
    absent.map(|absent| unreadable(name.clone(), message(absent))).collect()
}

/// What a shuffle trains on and tests, as paths of images.
struct Shuffle {
    name: String,
    train: BTreeSet<String>,
    test: BTreeSet<String>,
}

/// The merged labels that the rows of shuffles count in.
struct Table {
    /// The file, relative to the project.
    file: String,
    iteration: String,
    /// Path of the image of each row that names one.
    rows: BTreeMap<usize, String>,
}

impl Table {
    fn read(root: &Path, folder: &Path, scorer: Option<&str>) -> Result<Table, Problem> {
        let own = scorer.map(|scorer| folder.join(format!("CollectedData_{scorer}.csv")));
        let any = || {
            let named = |file: &PathBuf| {
                files::name(file).starts_with("CollectedData") && files::has_suffix(file, "csv")
            };
            files::entries(folder).into_iter().find(named)
        };
        let Some(path) = own.filter(|file| file.is_file()).or_else(any) else {
            let message = "expected CollectedData_<scorer>.csv, whose rows the shuffles number";
            return Err(unreadable(files::relative(root, folder), message.into()));
        };
        let file = files::relative(root, &path);
        let bytes = files::read(&path).map_err(|error| unreadable(file.clone(), error.to_string()));
        let sheet = dlc_csv::parse(&file, &bytes?)
            .map_err(|error| unreadable(file.clone(), error.message))?;
        let individuals = sheet.parts.iter().any(|part| part.individual.is_some());
        let header = if individuals { 4 } else { 3 };
        let rows = (sheet.rows.iter())
            .filter_map(|row| {
                let path = below_labeled_data(&row.image).to_string();
                Some((row.record.checked_sub(header)?, path))
            })
            .collect();
        let iteration = folder.parent().map(files::name).unwrap_or_default();
        Ok(Table { file, iteration, rows })
    }

    /// Returns the division of a shuffle, and what is wrong with it beside; or why it has none.
    fn shuffle(&self, document: &Document) -> Result<(Shuffle, Option<String>), String> {
        let pickle = load(&document.file)?;
        let lists = match pickle.items(pickle.root()) {
            Some(&[data, train, test, _]) => {
                pickle.integers(train).zip(pickle.integers(test)).map(|lists| (data, lists))
            }
            _ => None,
        };
        let Some((data, (train, test))) = lists else {
            let message =
                "expected labels, rows to train on, rows to test and a share, found something else";
            return Err(message.into());
        };
        let mut missing = 0;
        let mut named = |list: &[i64]| {
            let mut paths = BTreeSet::new();
            // A row of -1 fills a list up to a share, and is no row.
            for &row in list.iter().filter(|row| **row >= 0) {
                match usize::try_from(row).ok().and_then(|row| self.rows.get(&row)) {
                    Some(path) => _ = paths.insert(path.clone()),
                    None => missing += 1,
                }
            }
            paths
        };
        let shuffle = Shuffle {
            name: format!(
                "{}/trainset{}shuffle{}",
                self.iteration, document.percent, document.number
            ),
            train: named(&train),
            test: named(&test),
        };
        let astray = trained(&pickle, data).filter(|path| !shuffle.train.contains(path)).count();
        if astray > 0 {
            return Err(format!(
                "its rows of {} are not those that it trains on, since labels were merged anew \
                 (images that differ: {astray}); the shuffle is left out",
                self.file
            ));
        }
        let all = train.iter().chain(&test).filter(|row| **row >= 0).count();
        let message = (missing > 0).then(|| {
            let rows = self.rows.len();
            format!(
                "row numbers that no row of the {rows} in {} has: {missing} of {all}",
                self.file
            )
        });
        Ok((shuffle, message))
    }
}

fn load(file: &Path) -> Result<Pickle, String> {
    // A file is not read to find that it is too long.
    let len = std::fs::metadata(file).map_or(0, |known| known.len());
    if len > pickle::MAX_BYTES as u64 {
        return Err(PickleError::TooLong(usize::try_from(len).unwrap_or(usize::MAX)).to_string());
    }
    let bytes = files::read(file).map_err(|error| error.to_string())?;
    pickle::load(&bytes).map_err(|error| error.to_string())
}

/// Returns the paths of the images whose labels a shuffle trains on. Their parts are the items
/// of a tuple, or one text.
fn trained(pickle: &Pickle, data: Id) -> impl Iterator<Item = String> {
    let entries = pickle.items(data).unwrap_or_default().iter();
    entries.filter_map(|&entry| {
        let image = pickle.value(entry, "image")?;
        let path = match pickle.items(image) {
            Some(parts) => {
                let parts = parts.iter().map(|&part| pickle.text(part));
                parts.collect::<Option<Vec<_>>>()?.join("/")
            }
            None => pickle.text(image)?.to_string(),
        };
        Some(below_labeled_data(&files::slashes(&path)).to_string())
    })
}

fn unreadable(file: String, message: String) -> Problem {
    let kind = ProblemKind::UnreadableLabel;
    Problem { file, row: None, column: None, kind, image: None, message }
}
