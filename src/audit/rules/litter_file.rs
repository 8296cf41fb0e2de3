//! Files left behind by an operating system, one finding per folder.

use std::collections::BTreeMap;

use crate::audit::{Hit, Place, Settings, Subject};
use crate::dataset::ProblemKind;
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let max_listed = settings.get("max_listed") as usize;
    // An archive made on macOS brings one such file for every image.
    let mut by_folder: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for problem in facts.dataset.problems.iter().filter(|p| p.kind == ProblemKind::Litter) {
        let folder = problem.file.rsplit_once('/').map_or("", |(folder, _)| folder);
        by_folder.entry(folder).or_default().push(&problem.file);
    }
    (by_folder.into_iter())
        .map(|(folder, mut files)| {
            files.sort_unstable();
            let first = files[0].rsplit('/').next().unwrap_or_default();
            let message = match files.len() {
                1 => format!("{first} is no image but was left by an operating system"),
                n => format!("{n} files were left by an operating system, such as {first}"),
            };
            let place = Place { file: files[0].into(), row: None, column: None };
            let listed = files.iter().take(max_listed).map(|&file| file.into()).collect();
            let mut hit = Hit::new(Subject::Dataset(folder.into()), 1.0, message).place(place);
            hit.value = Some(files.len() as f64);
            hit.related(listed)
        })
        .collect()
}
