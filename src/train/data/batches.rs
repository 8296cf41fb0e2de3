//! Makes batches: any step's, or one of given examples without augmentation.
//!
//! Takes a dataset, its examples and settings. A batch is a function of settings, seed and the
//! number of the step; nothing else has an effect on it.

use super::batch::{Batch, Targets, Unreadable};
use super::example::{Example, Label};
use super::sampler::Sampler;
use super::settings::{DataError, DataSettings, Task};
use super::source::{Decoding, Source, SourceSettings};
use super::targets::{Maps, Place, rasterise};
use crate::augment::{Affine, Drawn, Plan, Scratch, Sides, View};
use crate::dataset::Dataset;
use crate::models::POSE_STRIDE;
use crate::pixels::Picture;
use crate::stats::random::SplitMix64;

/// Makes batches. Any number of threads may use it at once.
#[derive(Debug)]
pub struct Batches {
    examples: Vec<Example>,
    settings: DataSettings,
    sampler: Sampler,
    source: Source,
}

/// Memory that a thread makes batches in.
#[derive(Debug, Default)]
pub struct Workspace {
    decoding: Decoding,
    scratch: Scratch,
    picture: Picture,
    places: Vec<Place>,
}

/// What is fed for one example: its parts of the tensors of a batch.
struct Slot<'a> {
    image: &'a mut [f32],
    targets: SlotTargets<'a>,
}

enum SlotTargets<'a> {
    Pose(Maps<'a>),
    Class { classes: &'a mut [f32], weight: &'a mut f32 },
}

/// Returns what tells examples apart, whichever others there are: the paths of their images, and
/// the places of animals within their images.
fn keys(dataset: &Dataset, examples: &[Example]) -> Vec<u64> {
    let ranges = dataset.instances_by_image();
    let key = |example: &Example| {
        let image = example.image as usize;
        let first = ranges.get(image).map_or(0, |range| range.start as u64);
        let place = example.instance.map_or(0, |at| u64::from(at) - first);
        let path = dataset.images.get(image).map_or("", |image| &image.path);
        SplitMix64::named(path, place).word()
    };
    examples.iter().map(key).collect()
}

impl Batches {
    /// Returns the maker of batches of a dataset's examples.
    ///
    /// # Errors
    /// [`DataError`] when settings and examples do not fit together.
    pub fn new(
        dataset: &Dataset,
        examples: Vec<Example>,
        settings: DataSettings,
    ) -> Result<Batches, DataError> {
        settings.check(&examples)?;
        let DataSettings { sampling, seed, batch, sampling_weights, .. } = &settings;
        let keys = keys(dataset, &examples);
        let sampler = Sampler::new(*sampling, *seed, *batch, keys, sampling_weights)?;
        let source = SourceSettings {
            framing: settings.framing,
            magnification: settings.plan.magnification(),
            cache_bytes: settings.cache_bytes,
        };
        let regions = examples.iter().filter_map(|example| Some((example.image, example.region?)));
        let source = Source::new(dataset, regions, source);
        Ok(Batches { examples, settings, sampler, source })
    }

    /// Returns the examples.
    pub fn examples(&self) -> &[Example] {
        &self.examples
    }

    /// Returns the settings.
    pub fn settings(&self) -> &DataSettings {
        &self.settings
    }

    /// Returns what decides which examples make a batch.
    pub fn sampler(&self) -> &Sampler {
        &self.sampler
    }

    /// Returns the number of keypoints, 0 for classes.
    pub fn keypoints(&self) -> usize {
        self.examples.first().map_or(0, |example| example.labels.len())
    }

    /// Makes the batch of a step, counted from 0.
    pub fn batch(&self, step: u64, workspace: &mut Workspace) -> Batch {
        let mut batch = Batch::default();
        self.begin(step, &mut batch);
        (0..batch.examples.len()).for_each(|place| self.fill(&mut batch, place, workspace));
        batch
    }

    /// Makes a batch of given examples without augmentation, as prediction sees them.
    ///
    /// # Panics
    /// Panics when there is no such example.
    pub fn plain(&self, examples: &[u32], workspace: &mut Workspace) -> Batch {
        let mut batch = Batch::default();
        self.prepare(&mut batch, None, examples.to_vec());
        (0..examples.len()).for_each(|place| self.fill(&mut batch, place, workspace));
        batch
    }

    /// Makes room for the batch of a step in the memory of another one.
    pub(super) fn begin(&self, step: u64, batch: &mut Batch) {
        self.prepare(batch, Some(step), self.sampler.batch(step));
    }

    fn prepare(&self, batch: &mut Batch, step: Option<u64>, examples: Vec<u32>) {
        let count = examples.len();
        (batch.step, batch.examples) = (step, examples);
        batch.unreadable.clear();
        batch.frames.clear();
        batch.frames.resize(count, Affine::IDENTITY);
        let [width, height] = self.settings.framing.size().map(|side| side as usize);
        batch.images.resize(count * 3 * width * height, 0.0);
        match self.settings.task {
            Task::Pose(_) => {
                let [w, h] = self.cells();
                let maps = count * self.keypoints() * w * h;
                if !matches!(batch.targets, Targets::Pose { .. }) {
                    batch.targets = Targets::Pose {
                        scores: Vec::new(),
                        score_weights: Vec::new(),
                        offsets: Vec::new(),
                        offset_weights: Vec::new(),
                    };
                }
                if let Targets::Pose { scores, score_weights, offsets, offset_weights } =
                    &mut batch.targets
                {
                    scores.resize(maps, 0.0);
                    score_weights.resize(maps, 0.0);
                    offsets.resize(2 * maps, 0.0);
                    offset_weights.resize(2 * maps, 0.0);
                }
            }
            Task::Classes(classes) => {
                batch.targets = Targets::Classes {
                    classes: vec![0.0; count * classes],
                    weights: vec![0.0; count],
                };
            }
        }
    }

    /// Returns columns and rows of score maps.
    fn cells(&self) -> [usize; 2] {
        self.settings.framing.size().map(|side| side as usize / POSE_STRIDE)
    }

    /// Fills one place of a batch that was begun.
    pub(super) fn fill(&self, batch: &mut Batch, place: usize, workspace: &mut Workspace) {
        let at = batch.examples[place];
        let example = &self.examples[at as usize];
        let step = batch.step;
        let shown = match self.source.get(example.image, &mut workspace.decoding) {
            Ok(shown) => shown,
            Err(reason) => {
                self.blank(self.slot(batch, place));
                batch.unreadable.push(Unreadable { example: at, reason });
                return;
            }
        };
        let view = self.settings.framing.view(shown.stored, example.region.as_ref());
        batch.frames[place] = view.frame;
        let slot = self.slot(batch, place);
        let drawn = match step {
            Some(step) => {
                let key = [step, place as u64];
                let mut random = SplitMix64::keyed("augment", self.settings.seed, &key);
                self.settings.plan.draw(&mut random, &view)
            }
            None => Plan::none().draw(&mut SplitMix64::named("plain", 0), &view),
        };
        let Workspace { scratch, picture, places, .. } = workspace;
        drawn.picture(&shown.picture, shown.stored, picture, scratch);
        self.settings.normalisation.apply(&picture.samples, slot.image);
        match (slot.targets, self.settings.task) {
            (SlotTargets::Pose(mut maps), Task::Pose(settings)) => {
                self.places(example, &drawn, &view, shown.stored, places);
                rasterise(places, example.weight, self.cells(), &settings, &mut maps);
            }
            (SlotTargets::Class { classes, weight }, _) => {
                *weight = example.weight;
                if let Some(class) = example.class {
                    classes[usize::from(class)] = 1.0;
                }
            }
            (SlotTargets::Pose(_), Task::Classes(_)) => unreachable!("prepared for the same task"),
        }
    }

    fn slot<'a>(&self, batch: &'a mut Batch, place: usize) -> Slot<'a> {
        let part = |whole: &'a mut Vec<f32>| {
            let length = whole.len() / batch.examples.len();
            &mut whole[place * length..(place + 1) * length]
        };
        let targets = match &mut batch.targets {
            Targets::Pose { scores, score_weights, offsets, offset_weights } => {
                SlotTargets::Pose(Maps {
                    scores: part(scores),
                    score_weights: part(score_weights),
                    offsets: part(offsets),
                    offset_weights: part(offset_weights),
                })
            }
            Targets::Classes { classes, weights } => {
                SlotTargets::Class { classes: part(classes), weight: &mut weights[place] }
            }
        };
        Slot { image: part(&mut batch.images), targets }
    }

    /// Stands for a picture that cannot be read: black, and without weight.
    fn blank(&self, slot: Slot<'_>) {
        let black = vec![0; slot.image.len()];
        self.settings.normalisation.apply(&black, slot.image);
        // A batch of classes was made anew, of zeros.
        if let SlotTargets::Pose(maps) = slot.targets {
            let Maps { scores, score_weights, offsets, offset_weights } = maps;
            for map in [scores, score_weights, offsets, offset_weights] {
                map.fill(0.0);
            }
        }
    }

    /// Finds the keypoints in the input. A mirrored picture shows them on the other side.
    fn places(
        &self,
        example: &Example,
        drawn: &Drawn,
        view: &View,
        stored: [u32; 2],
        places: &mut Vec<Place>,
    ) {
        places.clear();
        for kind in 0..example.labels.len() {
            let from = match (drawn.sides(), &self.settings.flip) {
                (Sides::Exchanged, Some(flip)) => usize::from(flip[kind]),
                _ => kind,
            };
            places.push(place(example.labels[from], drawn, view, stored));
        }
    }
}

fn place(label: Option<Label>, drawn: &Drawn, view: &View, stored: [u32; 2]) -> Place {
    let Some(label) = label else { return Place::Unlabelled };
    let within = |at: [f64; 2], size: [u32; 2]| {
        at.iter().zip(size).all(|(at, side)| (0.0..f64::from(side)).contains(at))
    };
    let [x, y] = drawn.point([label.x, label.y]);
    if within([label.x, label.y], stored) && within([x, y], view.size) {
        Place::Inside(Label { x, y, ..label })
    } else {
        Place::Outside
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::dataset::Image;
    use crate::train::data::{
        Framing, LabelWeights, Loader, LoaderError, LoaderSettings, class_examples,
    };

    #[test]
    fn a_panic_on_a_thread_is_an_error_of_its_step() {
        let image = Image { class: Some(0), ..Image::default() };
        let dataset = Dataset { images: vec![image; 3], ..Dataset::default() };
        let examples = class_examples(&dataset, &[0, 1, 2], &LabelWeights::default()).unwrap();
        let framing = Framing::new([16, 16], 0.0).unwrap();
        let settings = DataSettings { batch: 3, ..DataSettings::new(framing, Task::Classes(1)) };
        let mut batches = Batches::new(&dataset, examples, settings).unwrap();
        // Not reached from outside: an example that the sampler draws is missing.
        batches.examples.pop();
        let settings = LoaderSettings { threads: 2, depth: 2, first_step: 4 };
        let mut loader = Loader::start(Arc::new(batches), settings).unwrap();
        for expected in 4..7 {
            match loader.next() {
                Err(LoaderError::Panic { step, reason }) => {
                    assert_eq!(step, expected);
                    assert!(reason.contains("index out of bounds"), "{reason}");
                }
                other => panic!("not an error: {other:?}"),
            }
        }
    }
}
