//! What is drawn over a picture: boxes, bones, keypoints, the marks of a finding and
//! what it proposes. All in pixels of the image, so that marks lie where labels do.

use maud::{Markup, html};

use crate::audit::{Action, Finding};
use crate::dataset::{BBox, Dataset, Instance, Skeleton, Visibility};
use crate::page::text::{number, shortened, visible};

use super::subject::{Index, Subject};
use super::view::View;

/// Width of a picture on the page that marks are sized for, CSS pixels.
const CARD_PX: f64 = 340.0;
/// Instances beyond which a picture of a whole image would be hidden by its labels.
const MOST_INSTANCES: usize = 60;

/// Draws over a view of an image what a finding is about.
pub(super) fn overlay(
    index: &Index<'_>,
    finding: &Finding,
    subject: Subject,
    view: View,
) -> Markup {
    let dataset = index.dataset();
    let pen = Pen::new(view);
    let others = match subject.instance {
        // What else an instance's finding names, such as its duplicate.
        Some(own) => (index.instances(subject.image))
            .filter(|&at| {
                let name = dataset.instance_name(&dataset.instances[at]);
                at != own && finding.related.contains(&name)
            })
            .collect(),
        None => index.instances(subject.image).take(MOST_INSTANCES).collect::<Vec<_>>(),
    };
    let related = if subject.instance.is_some() { Role::Related } else { Role::Other };
    let own = subject.instance.map(|at| &dataset.instances[at]);
    let role = if subject.keypoint.is_some() { Role::Other } else { Role::Wrong };
    html! {
        @for &other in &others { (pen.instance(index, &dataset.instances[other], related)) }
        @if let Some(own) = own {
            (pen.instance(index, own, role))
            @if let Some(kind) = subject.keypoint { (pen.proposal(dataset, own, finding, kind)) }
            (pen.marks(&marks(dataset, finding, own, subject.keypoint)))
        }
    }
}

/// A keypoint that is ringed and named.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark<'a> {
    pub(super) place: [f64; 2],
    pub(super) name: &'a str,
    pub(super) role: Role,
}

/// Returns the keypoints of an instance that a finding is about, then those that belong
/// to it.
fn marks<'a>(
    dataset: &'a Dataset,
    finding: &'a Finding,
    instance: &Instance,
    keypoint: Option<u16>,
) -> Vec<Mark<'a>> {
    let Some(skeleton) = dataset.skeleton_of(instance) else { return vec![] };
    let mark = |kind: u16, role| {
        let point = dataset.keypoint(instance, kind)?;
        let name = &skeleton.keypoints[usize::from(kind)];
        Some(Mark { place: [point.x, point.y], name, role })
    };
    let wrong = keypoint.and_then(|kind| mark(kind, Role::Wrong));
    let related = (finding.related.iter())
        .filter_map(|name| skeleton.index(name))
        .filter(|&kind| Some(kind) != keypoint)
        .filter_map(|kind| mark(kind, Role::Related));
    wrong.into_iter().chain(related).collect()
}

/// Returns where a finding's proposal would put its keypoint, pixels.
pub(super) fn target(dataset: &Dataset, finding: &Finding) -> Option<[f64; 2]> {
    let proposal = finding.proposal.as_ref()?;
    // Findings speak the label file's numbers, pictures the pixel convention.
    let place = [proposal.x? + dataset.pixel_offset, proposal.y? + dataset.pixel_offset];
    place.iter().all(|v| v.is_finite()).then_some(place)
}

/// What a mark stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// What the finding is about.
    Wrong,
    /// What belongs to it.
    Related,
    /// What is there besides.
    Other,
}

impl Role {
    fn class(self) -> &'static str {
        match self {
            Role::Wrong => "wrong",
            Role::Related => "related",
            Role::Other => "other",
        }
    }
}

/// Draws in pixels of the image with marks of a constant size on the page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pen {
    view: View,
    /// Pixels of the image per CSS pixel.
    pub(super) unit: f64,
}

impl Pen {
    pub(super) fn new(view: View) -> Pen {
        let across = view.width.max(view.height * super::view::ASPECT);
        Pen { view, unit: across / CARD_PX }
    }

    /// Draws the box, the bones and the keypoints of an instance.
    pub(super) fn instance(self, index: &Index<'_>, instance: &Instance, role: Role) -> Markup {
        let dataset = index.dataset();
        let points = dataset.keypoints_of(instance);
        let skeleton = dataset.skeleton_of(instance);
        html! {
            @if let Some(bbox) = instance.bbox { (self.bbox(bbox, role)) }
            @if let Some(skeleton) = skeleton {
                @let bones = bones(index, instance);
                @if !bones.is_empty() {
                    path .halo d=(bones) {}
                    path .bone d=(bones) {}
                }
                @for point in points.iter().filter(|p| p.x.is_finite() && p.y.is_finite()) {
                    @let name = &skeleton.keypoints[usize::from(point.kind)];
                    circle class={ "point " (side(skeleton, point.kind)) @if point.visibility == Visibility::Occluded { " occluded" } }
                        cx=(px(point.x)) cy=(px(point.y)) r=(px(3.2 * self.unit)) {
                        title { (visible(name)) }
                    }
                }
            }
        }
    }

    fn bbox(self, bbox: BBox, role: Role) -> Markup {
        // A box without area has still a place.
        let least = 2.0 * self.unit;
        let draw = |class: &str| {
            html! {
                rect class={ "box " (class) } x=(px(bbox.x)) y=(px(bbox.y))
                    width=(px(bbox.width.max(least))) height=(px(bbox.height.max(least))) {}
            }
        };
        html! { (draw("halo")) (draw(role.class())) }
    }

    /// Rings keypoints and writes their names beside them, none over another; one out
    /// of view gets an arrow at the rim that points to it.
    pub(super) fn marks(self, marks: &[Mark<'_>]) -> Markup {
        let mut taken: Vec<View> = Vec::new();
        html! {
            @for mark in marks {
                @let class = mark.role.class();
                @let radius = if mark.role == Role::Wrong { 9.0 } else { 7.0 };
                @let [x, y] = mark.place;
                @if self.view.contains(mark.place) {
                    circle .ring .halo cx=(px(x)) cy=(px(y)) r=(px(radius * self.unit)) {}
                    circle class={ "ring " (class) } cx=(px(x)) cy=(px(y)) r=(px(radius * self.unit)) {}
                    (self.label(mark.place, radius, mark.name, class, &mut taken))
                } @else {
                    @let rim = self.rim(mark.place);
                    (self.arrow(self.toward(rim, mark.place, -8.0), self.toward(rim, mark.place, 12.0), class))
                    (self.label(rim, radius, mark.name, class, &mut taken))
                }
            }
        }
    }

    /// Returns the place in view that is nearest to one out of view, with room for an
    /// arrow.
    fn rim(self, [x, y]: [f64; 2]) -> [f64; 2] {
        let inset = 14.0 * self.unit;
        let clamp = |v: f64, start: f64, length: f64| {
            let middle = start + length / 2.0;
            let reach = (length / 2.0 - inset).max(0.0);
            if v.is_finite() { v.clamp(middle - reach, middle + reach) } else { middle }
        };
        let View { x: left, y: top, width, height } = self.view;
        [clamp(x, left, width), clamp(y, top, height)]
    }

    fn label(
        self,
        [x, y]: [f64; 2],
        radius: f64,
        name: &str,
        class: &str,
        taken: &mut Vec<View>,
    ) -> Markup {
        let size = 12.5 * self.unit;
        let name = shortened(name, 24);
        // Bold sans-serif letters are about 0.6 of their size wide.
        let width = 0.6 * size * name.chars().count() as f64;
        let gap = (radius + 4.0) * self.unit;
        let left = x > self.view.x + 0.6 * self.view.width;
        let start = if left { x - gap - width } else { x + gap };
        let (top, bottom) = (self.view.y, self.view.y + self.view.height - 1.2 * size);
        // Beside the point, else a line lower or higher, and so on.
        let spot = [0.0, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0].map(|line| View {
            x: start,
            y: (y + (1.25 * line - 0.6) * size).clamp(top, bottom.max(top)),
            width,
            height: 1.2 * size,
        });
        let free = |spot: &&View| !taken.iter().any(|other| spot.overlaps(other));
        let spot = *spot.iter().find(free).unwrap_or(&spot[0]);
        taken.push(spot);
        html! {
            text class={ "name " (class) } x=(px(if left { x - gap } else { x + gap }))
                y=(px(spot.y + 0.95 * size)) font-size=(px(size))
                text-anchor=(if left { "end" } else { "start" }) { (name) }
        }
    }

    /// Draws what a finding proposes for its keypoint.
    fn proposal(
        self,
        dataset: &Dataset,
        instance: &Instance,
        finding: &Finding,
        kind: u16,
    ) -> Markup {
        let point = dataset.keypoint(instance, kind);
        let Some(proposal) = &finding.proposal else { return html! {} };
        if proposal.action == Action::Swap {
            let other = (proposal.with.as_deref())
                .and_then(|name| dataset.skeleton_of(instance)?.index(name))
                .and_then(|kind| dataset.keypoint(instance, kind));
            let (Some(a), Some(b)) = (point, other) else { return html! {} };
            let (a, b) = ([a.x, a.y], [b.x, b.y]);
            let (from, to) = (self.toward(a, b, 10.0), self.toward(b, a, 10.0));
            return html! {
                (self.arrow(from, to, "proposed")) (self.arrow(to, from, "proposed"))
            };
        }
        let Some(place) = target(dataset, finding) else { return html! {} };
        let spread = proposal.sd_px.unwrap_or(0.0).max(4.0 * self.unit);
        html! {
            @if let Some(point) = point {
                @let from = [point.x, point.y];
                @if (from[0] - place[0]).hypot(from[1] - place[1]) > 16.0 * self.unit {
                    (self.arrow(self.toward(from, place, 9.0), self.toward(place, from, 4.0), "proposed"))
                }
            }
            circle .spread .halo cx=(px(place[0])) cy=(px(place[1])) r=(px(spread)) {}
            circle .spread cx=(px(place[0])) cy=(px(place[1])) r=(px(spread)) {
                title { "proposed place" @if let Some(sd) = proposal.sd_px { " (± " (number(sd)) " px)" } }
            }
        }
    }

    /// Returns the place some CSS pixels from one place towards another.
    fn toward(self, from: [f64; 2], to: [f64; 2], by: f64) -> [f64; 2] {
        let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
        let length = dx.hypot(dy);
        if length <= 0.0 || !length.is_finite() {
            return from;
        }
        let by = by * self.unit / length;
        [from[0] + dx * by, from[1] + dy * by]
    }

    fn arrow(self, from: [f64; 2], to: [f64; 2], class: &str) -> Markup {
        let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
        let length = dx.hypot(dy).max(1e-9);
        let (ux, uy) = (dx / length * self.unit, dy / length * self.unit);
        // Head: 8 long, 4 to each side.
        let wing = |side: f64| {
            format!("{} {}", px(to[0] - 8.0 * ux - side * uy), px(to[1] - 8.0 * uy + side * ux))
        };
        let d = format!(
            "M{} {}L{} {}M{}L{} {}L{}",
            px(from[0]),
            px(from[1]),
            px(to[0]),
            px(to[1]),
            wing(4.0),
            px(to[0]),
            px(to[1]),
            wing(-4.0),
        );
        html! {
            path .halo d=(d) {}
            path class={ "arrow " (class) } d=(d) {}
        }
    }
}

/// Returns the bones between labelled keypoints as a path.
fn bones(index: &Index<'_>, instance: &Instance) -> String {
    let mut d = String::new();
    let Some(kind) = instance.skeleton else { return d };
    for &[a, b] in &index.bones(usize::from(kind)).edges {
        let end = |kind| index.dataset().keypoint(instance, kind);
        if let (Some(a), Some(b)) = (end(a), end(b))
            && [a.x, a.y, b.x, b.y].iter().all(|v| v.is_finite())
        {
            d += &format!("M{} {}L{} {}", px(a.x), px(a.y), px(b.x), px(b.y));
        }
    }
    d
}

/// Returns the class of a keypoint's colour: left, right, or neither.
fn side(skeleton: &Skeleton, kind: u16) -> &'static str {
    if skeleton.pairs.iter().any(|pair| pair[0] == kind) {
        "left"
    } else if skeleton.pairs.iter().any(|pair| pair[1] == kind) {
        "right"
    } else {
        "mid"
    }
}

/// Writes a coordinate to a hundredth of a pixel.
pub(super) fn px(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}
