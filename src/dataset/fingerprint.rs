//! One hash of everything that a dataset says.

use sha2::{Digest, Sha256};

use super::Dataset;

/// Returns the SHA-256, in hexadecimal digits, of all image paths with the hashes of their
/// files (`file_hash`, zeros where a file was not opened) and of all labels, in sorted order.
/// Needs [`Dataset::sort`]. [`Dataset::divisions`] do not count: a trainer that makes one changes
/// no label.
pub fn fingerprint(dataset: &Dataset, file_hash: impl Fn(usize) -> Option<[u8; 32]>) -> String {
    let mut hash = Sha256::new();
    let text = |hash: &mut Sha256, text: &str| {
        // The length keeps neighbouring texts apart.
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    let class_name = |class: Option<u16>| {
        let class = class.and_then(|class| dataset.classes.get(usize::from(class)));
        class.map_or("", |class| &class.name)
    };
    for (at, image) in dataset.images.iter().enumerate() {
        text(&mut hash, &image.path);
        hash.update(file_hash(at).unwrap_or_default());
        text(&mut hash, class_name(image.class));
        text(&mut hash, dataset.split_of(image).unwrap_or_default());
    }
    for instance in &dataset.instances {
        hash.update(instance.image.to_le_bytes());
        text(&mut hash, &dataset.instance_name(instance));
        text(&mut hash, class_name(instance.class));
        for side in instance.bbox.iter().flat_map(|b| [b.x, b.y, b.width, b.height]) {
            hash.update(side.to_bits().to_le_bytes());
        }
        let skeleton = dataset.skeleton_of(instance);
        for point in dataset.keypoints_of(instance) {
            let name = skeleton.and_then(|s| s.keypoints.get(usize::from(point.kind)));
            text(&mut hash, name.map_or("", String::as_str));
            hash.update([point.visibility as u8]);
            hash.update(point.x.to_bits().to_le_bytes());
            hash.update(point.y.to_bits().to_le_bytes());
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
