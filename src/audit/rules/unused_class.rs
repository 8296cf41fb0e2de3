//! Classes that the dataset defines and no label uses.

use crate::audit::{Hit, Settings, Subject};
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let max_listed = settings.get("max_listed") as usize;
    let dataset = &facts.dataset;
    let mut used = vec![false; dataset.classes.len()];
    let of_instances = dataset.instances.iter().filter_map(|instance| instance.class);
    for class in of_instances.chain(dataset.images.iter().filter_map(|image| image.class)) {
        used[usize::from(class)] = true;
    }
    let defined = dataset.classes.iter().zip(&used).filter(|(class, _)| class.defined);
    let total = defined.clone().count();
    let mut unused: Vec<&str> =
        defined.filter(|&(_, &used)| !used).map(|(class, _)| class.name.as_str()).collect();
    // Where nothing is labelled, classes are not what is wrong.
    if unused.is_empty() || !used.contains(&true) {
        return Vec::new();
    }
    unused.sort_unstable();
    let mut listed = unused.iter().take(max_listed).copied().collect::<Vec<_>>().join(", ");
    if unused.len() > max_listed {
        listed += ", …";
    }
    let message = format!("{} of {total} defined classes are never used: {listed}", unused.len());
    // One finding: a part of a large dataset leaves most of its classes unused.
    vec![Hit::new(Subject::Dataset(String::new()), 1.0, message).measured(unused.len() as f64, 0.0)]
}
