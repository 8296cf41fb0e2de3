//! A table of probabilities of classes: CSV with a header `image,<class>,<class>,…`, a row per
//! image. A column `instance` names a labelled box that was classified in place of its image.
//!
//! The probabilities of an image must come from a model that was not trained on it; see
//! `docs/predictions.md`.

use std::path::Path;

use csv::StringRecord;

use super::{Images, Notes, PredictionsError, Reading, Seen};
use crate::dataset::{Dataset, PredictedClass, Predictions, ProblemKind};

/// Columns that are no classes: what `labelvet predict` says is likeliest.
const LIKELIEST: [&str; 2] = ["class", "probability"];

/// Returns whether a CSV is such a table.
pub(super) fn is_table(path: &Path) -> Result<bool, PredictionsError> {
    let mut reader = csv::ReaderBuilder::new()
        .from_path(path)
        .map_err(|error| PredictionsError::malformed(path, None, None, error.to_string()))?;
    Ok(reader.headers().is_ok_and(|header| header.iter().any(|cell| cell.trim() == "image")))
}

/// What the columns of a table are.
struct Columns {
    image: usize,
    instance: Option<usize>,
    /// Columns of probabilities with their class.
    classes: Vec<(usize, usize)>,
}

/// Reads such a table.
pub(super) fn read(path: &Path, dataset: &Dataset) -> Result<Reading, PredictionsError> {
    let wrong = |row, message: String| PredictionsError::malformed(path, Some(row), None, message);
    let file = std::fs::File::open(path).map_err(PredictionsError::read(path))?;
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file);
    let header = reader.headers().map_err(|error| wrong(1, error.to_string()))?.clone();
    let mut notes = Notes::new(path);
    let columns = columns(&header, dataset, &mut notes).map_err(|message| wrong(1, message))?;
    let images = Images::new(dataset);
    let ranges = dataset.instances_by_image();
    let mut seen = Seen::default();
    let mut found = Predictions::default();
    for (at, record) in reader.records().enumerate() {
        let row = at + 2;
        let record = record.map_err(|error| wrong(row, error.to_string()))?;
        let name = record.get(columns.image).unwrap_or_default();
        let Some(image) = images.find(name) else {
            notes.unknown_image(row, name);
            continue;
        };
        let own = columns.instance.and_then(|column| record.get(column)).map(str::trim);
        let instance = match own.filter(|own| !own.is_empty()) {
            None => None,
            Some(own) => {
                let named = |at: &usize| dataset.instance_name(&dataset.instances[*at]) == own;
                let Some(at) = ranges[image as usize].clone().find(named) else {
                    notes.unread(row, name, format!("it has no label `{own}`"));
                    continue;
                };
                Some(at as u32)
            }
        };
        let probabilities = match probabilities(&record, &columns, dataset.classes.len()) {
            Ok(probabilities) => probabilities,
            Err(message) => {
                notes.unread(row, name, message);
                continue;
            }
        };
        if !seen.is_new(image, instance.map(f64::from)) {
            notes.repeated(row, name);
            continue;
        }
        found.classes.push(PredictedClass { image, instance, probabilities });
    }
    Ok(Reading { predictions: found, problems: notes.problems })
}

/// Returns which column is what.
fn columns(header: &StringRecord, dataset: &Dataset, notes: &mut Notes) -> Result<Columns, String> {
    let place = |name: &str| header.iter().position(|cell| cell.trim() == name);
    let image = place("image").ok_or("expected a column `image`")?;
    let instance = place("instance");
    let mut classes: Vec<(usize, usize)> = Vec::new();
    for (at, cell) in header.iter().map(str::trim).enumerate() {
        if at == image || Some(at) == instance {
            continue;
        }
        let class = dataset.classes.iter().position(|class| class.name == cell);
        match class.filter(|class| classes.iter().all(|(_, other)| other != class)) {
            Some(class) => classes.push((at, class)),
            None if LIKELIEST.contains(&cell) => {}
            None => {
                let message = format!("`{cell}` is no class of the dataset, or stands here twice");
                notes.add(Some(1), ProblemKind::UndefinedClass, None, message);
            }
        }
    }
    if classes.len() < 2 {
        let known: Vec<&str> = dataset.classes.iter().map(|class| class.name.as_str()).collect();
        return Err(format!(
            "expected a column for each of two classes or more of the dataset ({}), found {}",
            known.join(", "),
            header.iter().collect::<Vec<_>>().join(", ")
        ));
    }
    Ok(Columns { image, instance, classes })
}

/// Returns the probabilities of a row, made to add up to 1.
fn probabilities(
    record: &StringRecord,
    columns: &Columns,
    classes: usize,
) -> Result<Vec<f64>, String> {
    let mut probabilities = vec![0.0; classes];
    for &(column, class) in &columns.classes {
        let cell = record.get(column).unwrap_or_default().trim();
        let number = cell.parse::<f64>().ok().filter(|number| (0.0..=1.0).contains(number));
        let found = || format!("expected a probability in column {}, found `{cell}`", column + 1);
        probabilities[class] = number.ok_or_else(found)?;
    }
    let sum: f64 = probabilities.iter().sum();
    if sum <= 0.0 {
        return Err("expected probabilities that add up to 1, found zeros".into());
    }
    probabilities.iter_mut().for_each(|probability| *probability /= sum);
    Ok(probabilities)
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;
    use crate::dataset::Class;
    use crate::dataset::testing::{animal, dataset};

    fn read_text(text: &str) -> Result<Reading, PredictionsError> {
        let mut dataset = dataset(&[animal(1, &[[1.0, 2.0]])]);
        let class = |name: &str| Class { name: name.into(), ..Class::default() };
        dataset.classes = ["cat", "dog", "cow"].map(class).into();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.csv");
        std::fs::write(&path, text).unwrap();
        read(&path, &dataset)
    }

    #[test]
    fn classes_are_found_by_name_and_rows_that_say_nothing_are_named() {
        let text = "image,class,dog,cat,cow\na/0.png,dog,0.5,0.25,0.25\na/0.png,dog,1,0,0\n\
                    a/1.png,,2,0,0\na/1.png,,nan,0,1\nb/9.png,,1,0,0\na/1.png,,0,0.2,0.2\n";
        let Reading { predictions, problems } = read_text(text).unwrap();
        assert_eq!(predictions.classes[0].probabilities, [0.25, 0.5, 0.25]);
        assert_eq!(predictions.classes[1].probabilities, [0.5, 0.0, 0.5]);
        assert_eq!(predictions.classes.len(), 2);
        let rows: Vec<_> = problems.iter().map(|problem| problem.row.unwrap()).collect();
        assert_eq!(rows, [3, 4, 5, 6]);
    }

    #[test]
    fn a_labelled_box_may_be_meant() {
        let text = "image,instance,dog,cat\na/1.png,0,1,0\na/1.png,5,1,0\n";
        let Reading { predictions, problems } = read_text(text).unwrap();
        assert_eq!(predictions.classes[0].instance, Some(0));
        assert!(problems[0].message.contains("no label `5`"));
    }

    #[test]
    fn a_table_of_other_classes_is_refused() {
        let error = read_text("image,cat,cta\na/0.png,1,0\n").unwrap_err().to_string();
        assert!(error.contains("(cat, dog, cow), found image, cat, cta"), "{error}");
    }
}
