//! Takes objects and images out of a Pascal VOC dataset. VOC has no keypoints.
//!
//! The `<object>` that goes is cut from its file with the white space before it, and an image
//! that is left out from the lists of `ImageSets`, too; all other bytes stay.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use roxmltree::Document;

use super::rewrite::{self, Changes, Source, below};
use super::{FormatError, Rewrite, files, voc};
use crate::dataset::{Dataset, Edit, Instance, ProblemKind};

/// Folder of the lists of images.
const IMAGE_SETS: &str = "ImageSets";

/// Returns what changes do to the files of a Pascal VOC dataset.
pub(super) fn rewrite(dataset: &Dataset, edits: &[Edit]) -> Result<Rewrite, FormatError> {
    let changes = Changes::of(dataset, edits);
    let mut rewrite = changes.begin(dataset);
    for file in own_files(dataset, &changes.images) {
        let name = &dataset.label_files[file as usize];
        rewrite.left_out.extend(below(&dataset.root, &dataset.root.join(name)));
    }
    for (file, instances) in changes.by_file(dataset) {
        let mut source = Source::open(dataset, &dataset.label_files[file as usize])?;
        for span in objects(dataset, file, &source, &instances)? {
            source.cut(span);
        }
        source.put(&mut rewrite);
    }
    if !changes.images.is_empty() {
        unlist(dataset, &changes.images, &mut rewrite)?;
    }
    Ok(rewrite::finish(rewrite))
}

/// Returns all label files of images: those that count, those that hold further instances,
/// and those that the reader said to label the same image.
fn own_files(dataset: &Dataset, images: &BTreeSet<u32>) -> BTreeSet<u32> {
    let own = images.iter().map(|&at| &dataset.images[at as usize]);
    let paths: BTreeSet<&str> = own.clone().map(|image| image.path.as_str()).collect();
    let mut locations: Vec<_> = own.filter_map(|image| image.location).collect();
    let instances = dataset.instances.iter().filter(|instance| images.contains(&instance.image));
    locations.extend(instances.filter_map(|instance| instance.location));
    let mut found: BTreeSet<u32> = locations.iter().map(|location| location.file).collect();
    for problem in dataset.problems.iter().filter(|p| p.kind == ProblemKind::DuplicateRow) {
        if problem.image.as_ref().is_some_and(|path| paths.contains(path.as_str())) {
            let at = dataset.label_files.iter().position(|file| *file == problem.file);
            found.extend(at.map(|at| at as u32));
        }
    }
    found
}

/// Returns where the objects of instances stand in a file, with the white space before them.
fn objects(
    dataset: &Dataset,
    file: u32,
    source: &Source,
    gone: &BTreeSet<u32>,
) -> Result<Vec<Range<usize>>, FormatError> {
    let text = String::from_utf8_lossy(&source.bytes);
    let text = text.trim_start_matches('\u{feff}');
    let document = voc::document(text)
        .map_err(|(row, message)| source.changed(row.unwrap_or(1) as u32, &message))?;
    // Instances are in the order of their objects, since the objects number them.
    let own = (0..).zip(&dataset.instances);
    let own = own.filter(|(_, i)| i.location.is_some_and(|location| location.file == file));
    let mut spans = Vec::new();
    let mut found = readable(&document).into_iter();
    let mut last = 1;
    for (at, instance) in own {
        last = instance.location.map_or(last, |location| location.row);
        let next = found.next().filter(|(object, _)| is(dataset, instance, object));
        let Some((_, span)) = next else {
            return Err(source.changed(last, "expected the object that was read here"));
        };
        if gone.contains(&at) {
            spans.push(in_file(&source.bytes, with_blank(text, span)));
        }
    }
    if let Some((object, _)) = found.next() {
        return Err(source.changed(object.row as u32, "expected no further object"));
    }
    Ok(spans)
}

/// Returns the objects that can be read, and where they stand in the text.
fn readable(document: &Document<'_>) -> Vec<(voc::Object, Range<usize>)> {
    let nodes = document.root_element().children();
    let nodes = nodes.filter(|node| node.has_tag_name("object"));
    nodes
        .filter_map(|node| Some((voc::object(voc::row(document, node), node).ok()?, node.range())))
        .collect()
}

/// Returns whether an object is what was read of an instance.
fn is(dataset: &Dataset, instance: &Instance, object: &voc::Object) -> bool {
    let class = instance.class.map(|class| dataset.classes[usize::from(class)].name.as_str());
    let row = instance.location.map(|location| location.row as usize);
    (row, class, instance.bbox) == (Some(object.row), Some(&object.class), Some(object.bbox))
}

/// Returns a span with the spaces before it and the end of the line before these.
fn with_blank(text: &str, span: Range<usize>) -> Range<usize> {
    let before = text[..span.start].trim_end_matches([' ', '\t']);
    let before = before.strip_suffix('\n').unwrap_or(before);
    let before = before.strip_suffix('\r').unwrap_or(before);
    before.len()..span.end
}

/// Returns the place in the file of a span of its text, which lacks marks at the beginning
/// and holds a longer sign for each byte that is no UTF-8.
fn in_file(bytes: &[u8], span: Range<usize>) -> Range<usize> {
    let text = String::from_utf8_lossy(bytes);
    let marks = text.len() - text.trim_start_matches('\u{feff}').len();
    let place = |at: usize| {
        let (mut in_text, mut in_file) = (0, 0);
        for chunk in bytes.utf8_chunks() {
            let valid = chunk.valid().len();
            if at + marks <= in_text + valid {
                break;
            }
            if !chunk.invalid().is_empty() {
                in_text += valid + char::REPLACEMENT_CHARACTER.len_utf8();
                in_file += valid + chunk.invalid().len();
            }
        }
        at + marks + in_file - in_text
    };
    place(span.start)..place(span.end)
}

/// Takes images out of the lists: lines that begin with their name, with or without suffix,
/// where no image that stays has it.
fn unlist(
    dataset: &Dataset,
    images: &BTreeSet<u32>,
    rewrite: &mut Rewrite,
) -> Result<(), FormatError> {
    let mut names: BTreeMap<String, bool> = BTreeMap::new();
    for (at, image) in (0..).zip(&dataset.images) {
        let name = files::file_name(&image.path);
        for name in [name.to_string(), voc::folder_and_stem(name).1] {
            *names.entry(name).or_insert(true) &= images.contains(&at);
        }
    }
    for folder in files::entries(&dataset.root.join(IMAGE_SETS)) {
        let lists = files::entries(&folder).into_iter();
        for list in lists.filter(|list| files::has_suffix(list, "txt") && list.is_file()) {
            let Some(name) = below(&dataset.root, &list) else { continue };
            let mut source = Source::open(dataset, &name)?;
            for span in rewrite::lines(&source.bytes, 0) {
                let line = String::from_utf8_lossy(&source.bytes[span.clone()]);
                let first = line.split_whitespace().next().unwrap_or_default();
                if names.get(first) == Some(&true) {
                    source.cut(span);
                }
            }
            source.put(rewrite);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_the_text_are_found_in_a_file_of_any_bytes() {
        let bytes = b"\xEF\xBB\xBF<a>\xE4\xF6</a><b>\xC3\xA4</b>\xFF<c/>";
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_start_matches('\u{feff}');
        for part in ["<a>", "</a>", "<b>", "</b>", "<c/>"] {
            let start = text.find(part).expect("a part");
            let span = in_file(bytes, start..start + part.len());
            assert_eq!(&bytes[span], part.as_bytes());
        }
    }

    #[test]
    fn the_line_of_an_object_goes_with_it() {
        let span = |text: &str| {
            let start = text.find("<o/>").expect("an object");
            let gone = with_blank(text, start..start + 4);
            format!("{}{}", &text[..gone.start], &text[gone.end..])
        };
        assert_eq!(span("<a>\r\n\t <o/>\r\n</a>"), "<a>\r\n</a>");
        assert_eq!(span("<a>\n\n<o/></a>"), "<a>\n</a>");
        assert_eq!(span("<a> <b/><o/></a>"), "<a> <b/></a>");
        assert_eq!(span("<o/>"), "");
    }
}
