//! Where a picture lies among others: near its copies.

use crate::pixels::{Cells, HALF, THUMBNAIL, Thumbnail, WAVES, Waves, halved, waves};

/// Number of waves that make a place: those of orders 1 to [`ORDER`].
pub(super) const WAVES_OF_PLACE: usize = 20;
/// Greatest number of half waves across and down together.
const ORDER: usize = 5;

/// The large waves of a picture, free of brightness and contrast.
pub(super) type Place = [f32; WAVES_OF_PLACE];

/// A picture to be compared.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) thumbnail: &'a Thumbnail,
    pub(super) size: [u32; 2],
    pub(super) place: Place,
    /// Mean of its cells, grey levels.
    pub(super) mean: f32,
    /// Contrast of its large waves, grey levels.
    pub(super) detail: f32,
}

impl<'a> View<'a> {
    pub(super) fn of(thumbnail: &'a Thumbnail, size: [u32; 2]) -> Self {
        let waves = waves(&halved(thumbnail));
        let detail = waves[1..].iter().map(|wave| wave * wave).sum::<f32>().sqrt() / HALF as f32;
        View { thumbnail, size, place: of_waves(&waves), mean: waves[0] / HALF as f32, detail }
    }

    /// Returns the picture with left and right exchanged, given its thumbnail, [`mirrored`].
    pub(super) fn mirrored<'b>(&self, thumbnail: &'b Thumbnail) -> View<'b> {
        let mut place = self.place;
        // Waves with an odd number of half waves across change their sign.
        for (k, _) in place.iter_mut().zip(orders()).filter(|(_, (across, _))| across % 2 == 1) {
            *k = -*k;
        }
        View { thumbnail, place, ..*self }
    }
}

/// Returns a thumbnail with left and right exchanged.
pub(super) fn mirrored(thumbnail: &Thumbnail) -> Box<Thumbnail> {
    let mut out = Box::new(*thumbnail);
    out.chunks_exact_mut(THUMBNAIL).for_each(<[u8]>::reverse);
    out
}

/// Returns the place of a picture.
pub(super) fn place(cells: &Cells) -> Place {
    of_waves(&waves(cells))
}

/// Returns the place of a picture with these waves: the waves of low order, each weighted by
/// the root of its frequency, since natural pictures have less of the high ones, scaled to
/// length one.
fn of_waves(waves: &Waves) -> Place {
    let mut place = [0.0; WAVES_OF_PLACE];
    for (k, (across, down)) in place.iter_mut().zip(orders()) {
        let frequency = ((across * across + down * down) as f32).sqrt();
        *k = waves[down * WAVES + across] * frequency.sqrt();
    }
    let length = place.iter().map(|k| k * k).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    place.map(|k| k / length)
}

/// Returns the waves of a place, half waves across and down.
fn orders() -> impl Iterator<Item = (usize, usize)> {
    (0..=ORDER).flat_map(|down| (0..=ORDER - down).map(move |across| (across, down))).skip(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slope() -> Box<Thumbnail> {
        let level = |at: usize| (at % THUMBNAIL * at / THUMBNAIL / 32 + at % THUMBNAIL) as u8;
        Box::new(std::array::from_fn(level))
    }

    fn distance(a: &Place, b: &Place) -> f32 {
        a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt()
    }

    #[test]
    fn brightness_and_contrast_do_not_move_a_picture() {
        let thumbnail = slope();
        let graded: Box<Thumbnail> = Box::new(thumbnail.map(|level| level / 2 + 60));
        let [a, b] = [&thumbnail, &graded].map(|thumbnail| View::of(thumbnail, [64, 64]));
        assert!(distance(&a.place, &b.place) < 0.02);
        assert!(a.detail > 1.9 * b.detail);
    }

    #[test]
    fn the_mirrored_place_is_that_of_the_mirrored_picture() {
        let thumbnail = slope();
        let other = mirrored(&thumbnail);
        let [view, of_other] = [&thumbnail, &other].map(|shown| View::of(shown, [64, 64]));
        assert!(distance(&view.mirrored(&other).place, &of_other.place) < 1e-4);
        assert!(distance(&view.place, &of_other.place) > 0.5);
    }
}
