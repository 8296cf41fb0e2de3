//! Which numbers of a dataset the report plots.

use std::collections::{BTreeMap, HashSet};

use maud::{Markup, html};

use crate::audit::{Finding, Level};
use crate::dataset::{Dataset, Skeleton, Visibility};
use crate::facts::Facts;
use crate::page::plot::{
    Axis, Bar, Part, Role, Scale, Spread, bars, boxes, figure, heat, histogram,
};
use crate::page::text::{count, percent, visible};
use crate::pixels::PixelFacts;

use super::subject::Index;

/// Keypoints of a skeleton that get a heat map; more would take megabytes.
const MOST_MAPS: usize = 48;
/// Bars of a plot; the rest is summed up in words.
const MOST_BARS: usize = 40;
/// Rules whose findings are marked in the plot of sharpness.
const SOFT: [&str; 2] = ["blurry_image", "motion_blurred_image"];
/// Rules whose findings are marked in the plot of brightness.
const EXPOSED: [&str; 2] = ["dark_image", "light_image"];

/// Writes the plots of a dataset.
pub(super) fn plots(facts: &Facts, index: &Index<'_>, findings: &[Finding]) -> Markup {
    let dataset = &facts.dataset;
    let marked = Marked::new(index, findings);
    let pixels = facts.images.iter().any(|image| image.pixels.is_some());
    html! {
        section #plots {
            h2 { "How the data look" }
            div .plots {
                @if pixels {
                    (image_plot(facts, &marked.soft, "Sharpness", "sharpness, 0 none to 1 full", |p| p.sharpness))
                    (image_plot(facts, &marked.exposed, "Brightness", "mean brightness, 0 black to 1 white", |p| p.brightness_mean))
                }
                @for (kind, skeleton) in dataset.skeletons.iter().enumerate() {
                    @let name = if dataset.skeletons.len() > 1 { format!(", {}", skeleton_name(dataset, kind)) } else { String::new() };
                    (visibility(dataset, kind, skeleton, &name))
                    (bones(index, kind, &name, &marked))
                }
                (classes(dataset))
                (splits(dataset))
            }
            @for (kind, skeleton) in dataset.skeletons.iter().enumerate() {
                (places(facts, kind, skeleton))
            }
        }
    }
}

/// Returns the words that tell a skeleton from the others.
pub(super) fn skeleton_name(dataset: &Dataset, kind: usize) -> String {
    let skeleton = &dataset.skeletons[kind];
    if !skeleton.name.is_empty() {
        return visible(&skeleton.name);
    }
    let class = dataset.classes.iter().find(|class| class.skeleton == Some(kind as u16));
    class.map_or_else(|| format!("skeleton {}", kind + 1), |class| visible(&class.name))
}

/// What findings say of images and of keypoints.
#[derive(Debug, Default)]
struct Marked {
    soft: HashSet<usize>,
    exposed: HashSet<usize>,
    /// Instance and keypoint.
    keypoints: HashSet<(usize, u16)>,
}

impl Marked {
    fn new(index: &Index<'_>, findings: &[Finding]) -> Marked {
        let mut marked = Marked::default();
        for finding in findings {
            let soft = SOFT.contains(&finding.rule.as_str());
            let exposed = EXPOSED.contains(&finding.rule.as_str());
            if !soft && !exposed && finding.level != Level::Keypoint {
                continue;
            }
            let Some(subject) = index.subject(finding) else { continue };
            if soft {
                marked.soft.insert(subject.image);
            }
            if exposed {
                marked.exposed.insert(subject.image);
            }
            if let (Some(instance), Some(keypoint)) = (subject.instance, subject.keypoint) {
                marked.keypoints.insert((instance, keypoint));
            }
        }
        marked
    }
}

fn image_plot(
    facts: &Facts,
    wrong: &HashSet<usize>,
    title: &str,
    axis: &str,
    value: fn(&PixelFacts) -> f32,
) -> Markup {
    let values: Vec<(f64, bool)> = (facts.images.iter().enumerate())
        .filter_map(|(at, image)| {
            Some((f64::from(value(image.pixels.as_ref()?)), wrong.contains(&at)))
        })
        .collect();
    let note = match wrong.len() {
        0 => "images; none is flagged one by one".to_string(),
        flagged => format!("images; the {} flagged one by one are marked", count(flagged)),
    };
    let label = format!("{title} of {} images, of which {} are flagged", values.len(), wrong.len());
    figure(title, &note, &histogram(&label, axis, &values))
}

fn visibility(dataset: &Dataset, kind: usize, skeleton: &Skeleton, name: &str) -> Markup {
    if skeleton.keypoints.is_empty() {
        return html! {};
    }
    let mut seen = vec![[0_usize; 2]; skeleton.keypoints.len()];
    let mut instances = 0;
    for instance in &dataset.instances {
        // A box without points says nothing about which points are seen.
        if instance.skeleton != Some(kind as u16) || instance.len == 0 {
            continue;
        }
        instances += 1;
        for point in dataset.keypoints_of(instance) {
            let occluded = usize::from(point.visibility == Visibility::Occluded);
            seen[usize::from(point.kind)][occluded] += 1;
        }
    }
    if instances == 0 {
        return html! {};
    }
    let rows: Vec<Bar> = (skeleton.keypoints.iter().zip(&seen).take(MOST_BARS))
        .map(|(name, &[visible, occluded])| Bar {
            name: name.clone(),
            parts: vec![
                Part { value: visible, role: Role::Main },
                Part { value: occluded, role: Role::Second },
                Part { value: instances - visible - occluded, role: Role::Muted },
            ],
            note: percent(visible + occluded, instances),
        })
        .collect();
    let hidden = seen.iter().any(|[_, occluded]| *occluded > 0);
    let note = format!(
        "share of {} instances with the point; {}grey: not labelled{}",
        count(instances),
        if hidden { "the second colour: labelled as hidden; " } else { "" },
        rest(skeleton.keypoints.len()),
    );
    let title = format!("Labelled keypoints{name}");
    figure(&title, &note, &bars(&title, &rows, instances))
}

fn rest(all: usize) -> String {
    if all > MOST_BARS { format!("; the first {MOST_BARS} of {all}") } else { String::new() }
}

fn bones(index: &Index<'_>, kind: usize, name: &str, marked: &Marked) -> Markup {
    let dataset = index.dataset();
    let skeleton = &dataset.skeletons[kind];
    let bones = index.bones(kind);
    let mut spreads: Vec<Spread> = (bones.edges.iter())
        .map(|&[a, b]| Spread {
            name: format!(
                "{}–{}",
                skeleton.keypoints[usize::from(a)],
                skeleton.keypoints[usize::from(b)]
            ),
            values: vec![],
        })
        .collect();
    for (at, instance) in dataset.instances.iter().enumerate() {
        if instance.skeleton != Some(kind as u16) {
            continue;
        }
        for (spread, &[a, b]) in spreads.iter_mut().zip(&bones.edges) {
            let ends = (dataset.keypoint(instance, a), dataset.keypoint(instance, b));
            if let (Some(p), Some(q)) = ends {
                let length = (p.x - q.x).hypot(p.y - q.y);
                let wrong = [a, b].iter().any(|&end| marked.keypoints.contains(&(at, end)));
                if length.is_finite() {
                    spread.values.push((length, wrong));
                }
            }
        }
    }
    spreads.retain(|spread| !spread.values.is_empty());
    if spreads.is_empty() {
        return html! {};
    }
    for spread in &mut spreads {
        spread.values.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    let all = spreads.len();
    spreads.truncate(MOST_BARS);
    let note = format!(
        "box: middle half; line: 5 to 95 %; dots: beyond; large dots: an end is flagged{}{}",
        if bones.declared {
            ""
        } else {
            "; the dataset declares no bones, so nearest keypoints are joined"
        },
        rest(all)
    );
    let title = format!("Bone lengths{name}");
    let pixels = Axis { name: "pixels", scale: Scale::Linear, include: &[0.0] };
    figure(&title, &note, &boxes(&title, &pixels, &spreads))
}

fn classes(dataset: &Dataset) -> Markup {
    let mut counts = vec![0_usize; dataset.classes.len()];
    let of_instances = dataset.instances.iter().filter_map(|instance| instance.class);
    let of_images = dataset.images.iter().filter_map(|image| image.class);
    for class in of_instances.chain(of_images) {
        counts[usize::from(class)] += 1;
    }
    let rows = (dataset.classes.iter().zip(&counts))
        .map(|(class, &labels)| (class.name.clone(), labels))
        .collect();
    ranked("Classes", "labels of each class", rows)
}

fn splits(dataset: &Dataset) -> Markup {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for image in &dataset.images {
        *counts.entry(dataset.split_of(image).unwrap_or("no split")).or_default() += 1;
    }
    if dataset.splits.is_empty() {
        return html! {};
    }
    let rows = counts.into_iter().map(|(name, images)| (name.to_string(), images)).collect();
    ranked("Splits", "images of each split", rows)
}

/// Draws counts, the greatest first; fewer than two need no plot.
fn ranked(title: &str, note: &str, mut rows: Vec<(String, usize)>) -> Markup {
    if rows.len() < 2 {
        return html! {};
    }
    rows.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let all = rows.len();
    let longest = rows.first().map_or(0, |row| row.1);
    let bar = |(name, value): (String, usize)| Bar {
        name,
        parts: vec![Part { value, role: Role::Main }],
        note: count(value),
    };
    let drawn: Vec<Bar> = rows.into_iter().take(MOST_BARS).map(bar).collect();
    figure(title, &format!("{note}{}", rest(all)), &bars(title, &drawn, longest))
}

/// Draws where in the image each keypoint lies.
fn places(facts: &Facts, kind: usize, skeleton: &Skeleton) -> Markup {
    let dataset = &facts.dataset;
    let mut places: Vec<Vec<[f64; 2]>> = vec![vec![]; skeleton.keypoints.len()];
    let (mut wide, mut tall) = (0.0, 0.0);
    for instance in &dataset.instances {
        let size = facts.size_px(instance.image as usize);
        let (Some([width, height]), true) = (size, instance.skeleton == Some(kind as u16)) else {
            continue;
        };
        let (width, height) = (f64::from(width), f64::from(height));
        (wide, tall) = (wide + width, tall + height);
        for point in dataset.keypoints_of(instance) {
            places[usize::from(point.kind)].push([point.x / width, point.y / height]);
        }
    }
    if places.iter().all(Vec::is_empty) {
        return html! {};
    }
    let name = if dataset.skeletons.len() > 1 {
        format!(", {}", skeleton_name(dataset, kind))
    } else {
        String::new()
    };
    html! {
        h3 { "Where keypoints lie in the image" (name) }
        p .note {
            "Each frame is the image, scaled; the deeper the colour, the more labels. A lone spot far from the rest may be a mistake."
            @if skeleton.keypoints.len() > MOST_MAPS { " The first " (MOST_MAPS) " of " (skeleton.keypoints.len()) " keypoints." }
        }
        div .maps {
            @for (name, places) in skeleton.keypoints.iter().zip(places).take(MOST_MAPS) {
                figure {
                    (heat(&format!("where {} lies", visible(name)), wide / tall, places.iter().copied()))
                    figcaption { (visible(name)) " " span .note { (count(places.len())) } }
                }
            }
        }
    }
}
