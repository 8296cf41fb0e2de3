//! Hits of what a reader noticed. Takes the dataset's problems, gives one hit for
//! each of a kind; never judges whether the reader was right.

use crate::audit::{Hit, Place, Subject};
use crate::dataset::{Dataset, Problem, ProblemKind};
use crate::facts::Facts;

/// Returns a hit for each problem of a kind, with its place in the label file.
pub(in crate::audit) fn hits(facts: &Facts, kind: ProblemKind) -> Vec<Hit> {
    let problems = facts.dataset.problems.iter().filter(|problem| problem.kind == kind);
    problems.map(|problem| hit(&facts.dataset, problem)).collect()
}

fn hit(dataset: &Dataset, problem: &Problem) -> Hit {
    let image = problem.image.as_deref().and_then(|path| {
        // Images are in the order of their paths, see `Dataset::sort`.
        dataset.images.binary_search_by(|image| image.path.as_str().cmp(path)).ok()
    });
    let subject = match image {
        Some(at) => Subject::Image(at as u32),
        // Without the row: a finding stays the same when rows above it come and go.
        None => Subject::Dataset(format!("{}\0{}", problem.file, problem.message)),
    };
    let hit = Hit::new(subject, 1.0, problem.message.clone());
    let hit = match &problem.image {
        Some(path) if image.is_none() => hit.related(vec![path.clone()]),
        _ => hit,
    };
    if problem.file.is_empty() {
        return hit;
    }
    hit.place(Place { file: problem.file.clone(), row: problem.row, column: problem.column })
}
