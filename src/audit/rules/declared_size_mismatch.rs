//! Images whose size differs from what the label file declares.

use crate::audit::{Hit, Settings, Subject};
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, _settings: &Settings) -> Vec<Hit> {
    (facts.dataset.images.iter().zip(&facts.images).enumerate())
        .filter_map(|(at, (image, known))| {
            let ([width, height], [declared_width, declared_height]) =
                (known.size_px?, image.declared_px?);
            if [width, height] == [declared_width, declared_height] {
                return None;
            }
            let turned = [height, width] == [declared_width, declared_height];
            let message = format!(
                "the label file declares {declared_width} × {declared_height} px, the file has {width} × {height}{}",
                match (turned, known.orientation >= 5) {
                    (true, true) => " before its EXIF rotation",
                    (true, false) => ", turned",
                    (false, _) => "",
                }
            );
            Some(Hit::new(Subject::Image(at as u32), 1.0, message))
        })
        .collect()
}
