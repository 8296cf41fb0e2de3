//! Image rules on real photographs.

use std::path::Path;

use labelvet::audit::{self, Config};
use labelvet::dataset::{Dataset, Image};
use labelvet::facts::{self, MeasureOptions};

/// Three scenes, each sharp (S), out of focus (F) and moved (M), by three cameras: the
/// last letter of the name tells.
#[test]
fn blurred_photographs_are_found_and_sharp_ones_are_not() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/kwentar-blur/samples");
    let Ok(folder) = std::fs::read_dir(&root) else {
        eprintln!("skipped: no {}", root.display());
        return;
    };
    let mut dataset = Dataset { root, ..Dataset::default() };
    for entry in folder {
        let file = entry.expect("an entry").path();
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        if name.to_lowercase().ends_with(".jpg") {
            dataset.images.push(Image { path: name, file: Some(file), ..Image::default() });
        }
    }
    dataset.sort();
    assert_eq!(dataset.images.len(), 9);
    let blurred: Vec<String> = (dataset.images.iter())
        .map(|image| image.path.clone())
        .filter(|path| !path.contains("_S."))
        .collect();
    let facts = facts::measure(dataset, &MeasureOptions::default());
    let rules = audit::builtin().expect("the built-in rules are valid");
    let findings = audit::run(&facts, &rules, &Config::default()).findings;
    let mut found: Vec<String> = (findings.iter())
        .filter(|finding| finding.rule == "blurry_image")
        .filter_map(|finding| finding.image.clone())
        .collect();
    found.sort();
    assert_eq!(found, blurred);
}
