//! What part of an image a picture shows.

use crate::dataset::{BBox, Instance};

use super::subject::{Index, Subject};

/// Width over height of a picture.
pub(super) const ASPECT: f64 = 4.0 / 3.0;
/// How far beyond the image a picture may reach, as a share of its sides: a point
/// outside is seen where it lies, one that is far off by an arrow at the rim.
const BEYOND: f64 = 0.3;
/// Room around what is shown, as a share of its size.
const ROOM: f64 = 0.35;
/// Least width of a picture, pixels of the image.
const LEAST_PX: f64 = 64.0;
/// Least width of a picture in body lengths, so that one sees where on the animal.
const LEAST_BODIES: f64 = 1.3;
/// Least width as a share of the image, where there are no bodies to measure by.
const LEAST_SHARE: f64 = 0.2;
/// A picture that would show more than this share of both sides shows all.
const NEARLY_ALL: f64 = 0.75;

/// A rectangle in pixels of the image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct View {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl View {
    /// Shows a whole image.
    pub(super) fn whole([width, height]: [f64; 2]) -> View {
        View { x: 0.0, y: 0.0, width, height }
    }

    /// Shows an instance of an image, and a place that belongs to it.
    pub(super) fn of(
        index: &Index<'_>,
        subject: Subject,
        extra: &[[f64; 2]],
        size: Option<[f64; 2]>,
        body: Option<f64>,
    ) -> View {
        let dataset = index.dataset();
        let mut places: Vec<[f64; 2]> = extra.to_vec();
        let instances = match subject.instance {
            Some(at) => at..at + 1,
            None if size.is_some() => 0..0,
            None => index.instances(subject.image),
        };
        for instance in &dataset.instances[instances] {
            places.extend(dataset.keypoints_of(instance).iter().map(|point| [point.x, point.y]));
            places.extend(corners(instance));
        }
        places.retain(|[x, y]| x.is_finite() && y.is_finite());
        let whole = size.map(View::whole);
        let Some(around) = View::around(&places) else {
            return whole.unwrap_or(View::whole([LEAST_PX, LEAST_PX / ASPECT]));
        };
        let least = match (body, size) {
            (Some(body), _) => body * LEAST_BODIES,
            (None, Some([width, _])) => width * LEAST_SHARE,
            (None, None) => LEAST_PX,
        };
        let least = least.max(LEAST_PX);
        let view = around.roomy(least);
        whole.map_or(view, |whole| view.within(around, whole))
    }

    fn around(places: &[[f64; 2]]) -> Option<View> {
        let [mut left, mut top] = *places.first()?;
        let [mut right, mut bottom] = [left, top];
        for &[x, y] in places {
            (left, right) = (left.min(x), right.max(x));
            (top, bottom) = (top.min(y), bottom.max(y));
        }
        Some(View { x: left, y: top, width: right - left, height: bottom - top })
    }

    /// Adds room on all sides, up to a least width, in the aspect of pictures.
    fn roomy(self, least: f64) -> View {
        let width = (self.width * (1.0 + ROOM)).max(least);
        let height = (self.height * (1.0 + ROOM)).max(least / ASPECT);
        let (width, height) = (width.max(height * ASPECT), height.max(width / ASPECT));
        View {
            x: self.x + (self.width - width) / 2.0,
            y: self.y + (self.height - height) / 2.0,
            width,
            height,
        }
    }

    /// Keeps a view of `content` within an image, or, where the content itself lies
    /// outside, near it.
    fn within(self, content: View, image: View) -> View {
        let (x, width) = side(
            [self.x, self.x + self.width],
            [content.x, content.x + content.width],
            image.width,
        );
        let (y, height) = side(
            [self.y, self.y + self.height],
            [content.y, content.y + content.height],
            image.height,
        );
        let view = View { x, y, width, height };
        let nearly_all = width > NEARLY_ALL * image.width && height > NEARLY_ALL * image.height;
        let outside = x < 0.0 || y < 0.0 || x + width > image.width || y + height > image.height;
        if nearly_all && !outside { image } else { view }
    }

    /// Returns the pixels of an image that it shows: left, top, width, height; `None`
    /// where it shows none.
    pub(super) fn crop(self, [width, height]: [u32; 2]) -> Option<[u32; 4]> {
        let left = self.x.floor().clamp(0.0, f64::from(width)) as u32;
        let top = self.y.floor().clamp(0.0, f64::from(height)) as u32;
        let right = (self.x + self.width).ceil().clamp(0.0, f64::from(width)) as u32;
        let bottom = (self.y + self.height).ceil().clamp(0.0, f64::from(height)) as u32;
        (right > left && bottom > top).then_some([left, top, right - left, bottom - top])
    }

    /// Returns whether it shares a place with another.
    pub(super) fn overlaps(&self, other: &View) -> bool {
        self.x < other.x + other.width
            && other.x < self.x + self.width
            && self.y < other.y + other.height
            && other.y < self.y + self.height
    }

    /// Returns whether a place lies in it.
    pub(super) fn contains(self, [x, y]: [f64; 2]) -> bool {
        x >= self.x && x <= self.x + self.width && y >= self.y && y <= self.y + self.height
    }
}

/// Returns start and length of one side of a view, given both ends of it and of what
/// it shows.
fn side([from, to]: [f64; 2], [first, last]: [f64; 2], whole: f64) -> (f64, f64) {
    if first >= 0.0 && last <= whole {
        let length = (to - from).min(whole);
        return (from.clamp(0.0, whole - length), length);
    }
    // However far the content lies, a part of the image stays in view.
    let from = from.clamp(-BEYOND * whole, (1.0 - BEYOND) * whole);
    let to = to.clamp(BEYOND * whole, (1.0 + BEYOND) * whole);
    (from, to - from)
}

/// Returns the corners of an instance's box.
fn corners(instance: &Instance) -> Vec<[f64; 2]> {
    let corners = |b: BBox| [[b.x, b.y], [b.x + b.width, b.y + b.height]];
    instance.bbox.map(corners).into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_stays_inside_unless_its_content_does_not() {
        assert_eq!(side([-20.0, 60.0], [10.0, 30.0], 100.0), (0.0, 80.0));
        assert_eq!(side([60.0, 140.0], [80.0, 100.0], 100.0), (20.0, 80.0));
        assert_eq!(side([-20.0, 160.0], [30.0, 99.0], 100.0), (0.0, 100.0));
        assert_eq!(side([60.0, 140.0], [80.0, 120.0], 100.0), (60.0, 70.0));
    }

    #[test]
    fn content_far_away_leaves_a_part_of_the_image() {
        assert_eq!(side([1e9, 2e9], [1e9, 2e9], 100.0), (70.0, 60.0));
        assert_eq!(side([-2e9, -1e9], [-2e9, -1e9], 100.0), (-30.0, 60.0));
    }

    #[test]
    fn a_crop_holds_whole_pixels_of_the_image_only() {
        let view = View { x: -5.0, y: 10.2, width: 20.0, height: 5.1 };
        assert_eq!(view.crop([100, 100]), Some([0, 10, 15, 6]));
        assert_eq!(View { x: 200.0, ..view }.crop([100, 100]), None);
    }
}
