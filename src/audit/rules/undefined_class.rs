//! Classes that labels use and the dataset does not define.

use crate::audit::{Hit, Place, Settings, Subject};
use crate::dataset::Location;
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let max_listed = settings.get("max_listed") as usize;
    let dataset = &facts.dataset;
    // One finding per class, not one per problem that the reader noted: one line of
    // the class list puts all its labels right.
    let mut uses: Vec<Vec<u32>> = vec![Vec::new(); dataset.classes.len()];
    let mut first = vec![None; dataset.classes.len()];
    for instance in &dataset.instances {
        let Some(class) = instance.class.map(usize::from) else { continue };
        uses[class].push(instance.image);
        first[class] = first[class].or(instance.location);
    }
    for (at, image) in dataset.images.iter().enumerate() {
        let Some(class) = image.class.map(usize::from) else { continue };
        uses[class].push(at as u32);
        first[class] = first[class].or(image.location);
    }
    let mut hits = Vec::new();
    for (at, class) in dataset.classes.iter().enumerate() {
        if class.defined || uses[at].is_empty() {
            continue;
        }
        let used = uses[at].len();
        let message = match used {
            1 => format!("class {} is used by 1 label and not defined", class.name),
            _ => format!("class {} is used by {used} labels and not defined", class.name),
        };
        uses[at].dedup();
        let images = uses[at].iter().take(max_listed);
        let mut hit = Hit::new(Subject::Dataset(class.name.clone()), 1.0, message)
            .related(images.map(|&image| dataset.images[image as usize].path.clone()).collect());
        hit.value = Some(used as f64);
        hit.place = first[at].map(|location: Location| Place {
            file: dataset.label_files[location.file as usize].clone(),
            row: Some(location.row),
            column: None,
        });
        hits.push(hit);
    }
    hits
}
