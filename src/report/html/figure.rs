//! Pictures: which part of which image, and their markup; and those of a finding.

use std::collections::HashSet;

use maud::{Markup, html};

use crate::audit::Finding;
use crate::dataset::Instance;
use crate::facts::{Facts, Status};
use crate::page::text::visible;

use super::overlay::{overlay, target};
use super::pictures::{Pictures, Shot};
use super::subject::{Index, Subject};
use super::view::View;

/// Pictures of a finding about no single image, such as one about a video.
const MOST_EXAMPLES: usize = 2;

/// One picture of an image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figure {
    subject: Subject,
    view: View,
    /// Width and height of the image, pixels, where they are known.
    size: Option<[u32; 2]>,
    /// What is cut out of the image; `None` where there is no image to show.
    shot: Option<Shot>,
}

impl Figure {
    /// Shows a part of an image.
    pub(super) fn new(facts: &Facts, subject: Subject, view: View) -> Figure {
        let size = facts.size_px(subject.image);
        let decoded = facts.images[subject.image].status == Status::Decoded;
        let crop = if decoded { size.and_then(|size| view.crop(size)) } else { None };
        let shot = crop.map(|crop| Shot { image: subject.image, crop: Some(crop) });
        Figure { subject, view, size, shot }
    }

    /// Returns the part that it shows.
    pub(super) fn view(&self) -> View {
        self.view
    }

    /// Returns what is to be cut out of images: the crop, and the small picture that
    /// shows where it lies, unless the crop is all.
    pub(super) fn shots(&self) -> impl Iterator<Item = Shot> {
        self.shot.into_iter().chain(self.overview())
    }

    fn overview(&self) -> Option<Shot> {
        let shot = self.shot?;
        let [width, height] = self.size?;
        (shot.crop != Some([0, 0, width, height])).then_some(Shot { crop: None, ..shot })
    }
}

/// Returns the pictures of a finding: of its image, and of the other image where it is
/// about two.
pub(super) fn figures(
    facts: &Facts,
    index: &Index<'_>,
    finding: &Finding,
    body: Option<f64>,
) -> Vec<Figure> {
    let own = index.subject(finding);
    let others = (finding.related.iter())
        .filter_map(|path| index.image(path))
        .filter(|&image| own.is_none_or(|own| own.image != image))
        .map(|image| Subject { image, instance: None, keypoint: None })
        .take(if own.is_some() { 1 } else { MOST_EXAMPLES });
    // Another image shows the same part, so that the two can be compared.
    let mut first: Option<(View, Option<[u32; 2]>)> = None;
    (own.into_iter().chain(others))
        .map(|subject| {
            let size = facts.size_px(subject.image);
            let side = size.map(|[w, h]| [f64::from(w), f64::from(h)]);
            let view = match (subject.instance, side) {
                (None, Some(side)) => match first {
                    Some((view, same)) if same == size => view,
                    _ => View::whole(side),
                },
                _ => {
                    let extra: Vec<[f64; 2]> =
                        target(index.dataset(), finding).into_iter().collect();
                    View::of(index, subject, &extra, side, body)
                }
            };
            first.get_or_insert((view, size));
            Figure::new(facts, subject, view)
        })
        .collect()
}

/// Writes pictures; each image's data stands once in the page, however often it shows.
#[derive(Debug)]
pub(super) struct Painter<'a> {
    facts: &'a Facts,
    index: &'a Index<'a>,
    pictures: &'a Pictures,
    written: HashSet<Shot>,
}

impl<'a> Painter<'a> {
    pub(super) fn new(
        facts: &'a Facts,
        index: &'a Index<'a>,
        pictures: &'a Pictures,
    ) -> Painter<'a> {
        Painter { facts, index, pictures, written: HashSet::new() }
    }

    /// Writes a picture with what the finding is about marked on it.
    pub(super) fn picture(&mut self, finding: &Finding, figure: &Figure) -> Markup {
        let path = &self.facts.dataset.images[figure.subject.image].path;
        let label = self.description(finding, figure, path);
        let marks = overlay(self.index, finding, figure.subject, figure.view);
        self.frame(figure, &label, &marks)
    }

    /// Writes a picture with marks over it, described for those who cannot see it.
    pub(super) fn frame(&mut self, figure: &Figure, label: &str, marks: &Markup) -> Markup {
        let View { x, y, width, height } = figure.view;
        let picture = match figure.shot {
            Some(shot) => self.image(shot),
            None => Err(self.absence(figure.subject.image)),
        };
        let missing = picture.as_ref().err().cloned();
        // Without a picture and without labels there is nothing to draw over.
        let bare = figure.subject.instance.is_none() && missing.is_some();
        html! {
            div .frame {
                @if !bare {
                    svg .shot viewBox=(format!("{x:.2} {y:.2} {width:.2} {height:.2}")) role="img"
                        aria-label=(label) {
                        @if let Ok(picture) = picture { (picture) }
                        (marks)
                    }
                }
                @if let Some(reason) = missing { p .absent { (visible(&reason)) } }
            }
        }
    }

    /// Writes a small picture of the whole image with the part that is shown framed.
    pub(super) fn overview(&mut self, figure: &Figure) -> Markup {
        let (Some(shot), Some([width, height])) = (figure.overview(), figure.size) else {
            return html! {};
        };
        let Ok(image) = self.image(shot) else { return html! {} };
        let View { x, y, width: wide, height: tall } = figure.view;
        html! {
            svg .overview viewBox=(format!("0 0 {width} {height}")) role="img"
                aria-label="the whole image, with the part shown framed" {
                (image)
                rect .halo x=(format!("{x:.1}")) y=(format!("{y:.1}")) width=(format!("{wide:.1}")) height=(format!("{tall:.1}")) {}
                rect .part x=(format!("{x:.1}")) y=(format!("{y:.1}")) width=(format!("{wide:.1}")) height=(format!("{tall:.1}")) {}
            }
        }
    }

    fn image(&mut self, shot: Shot) -> Result<Markup, String> {
        let uri = match self.pictures.get(shot) {
            Some(Ok(uri)) => uri,
            Some(Err(reason)) => return Err(format!("no picture: {reason}")),
            None => return Err("no picture".into()),
        };
        let size = self.facts.size_px(shot.image).unwrap_or_default();
        let [left, top, width, height] = shot.crop.unwrap_or([0, 0, size[0], size[1]]);
        let id = match shot.crop {
            Some(_) => format!("p{}-{left}-{top}-{width}-{height}", shot.image),
            None => format!("o{}", shot.image),
        };
        Ok(if self.written.insert(shot) {
            html! {
                image id=(id) href=(uri) x=(left) y=(top) width=(width) height=(height)
                    preserveAspectRatio="none" {}
            }
        } else {
            html! { use href=(format!("#{id}")) {} }
        })
    }

    /// Says why an image has no picture.
    fn absence(&self, image: usize) -> String {
        let known = &self.facts.images[image];
        let why = match known.status {
            Status::Decoded => "outside the image",
            Status::NotOpened => "images were not opened",
            Status::Missing => "there is no such file",
            Status::Empty => "the file is empty",
            Status::Truncated => "the file ends too early",
            Status::Corrupt => "the file is damaged or no image",
            Status::Unsupported => "this kind of image cannot be decoded",
            Status::Bomb => "it declares too many pixels",
            Status::LfsPointer => "a Git LFS pointer stands in its place",
            Status::DvcPointer => "DVC has not fetched it",
            Status::Unreadable => "the system refused to read it",
        };
        format!("no picture: {why}")
    }

    fn description(&self, finding: &Finding, figure: &Figure, path: &str) -> String {
        let dataset = &self.facts.dataset;
        let instance: Option<&Instance> = figure.subject.instance.map(|at| &dataset.instances[at]);
        let what = match (&finding.keypoint, instance) {
            (Some(keypoint), Some(_)) => format!(" with {keypoint} marked"),
            (None, Some(instance)) => {
                format!(" around instance {}", dataset.instance_name(instance))
            }
            _ => String::new(),
        };
        visible(&format!("{path}{what}"))
    }
}
