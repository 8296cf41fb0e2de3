//! The book that trainers write into: each point, instance and image once, with its fate. What
//! is found is what is used and what is lost, by construction.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::{Count, Ledger, Loss, Lost, Note, Reason, Unit, Visits, words};
use crate::dataset::{Dataset, Instance};

/// What becomes of something. The order is that of luck: used is best, then the later reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// Index into the reasons of the trainer.
    Lost(usize),
    /// It reaches the trainer.
    Used,
}

/// The entries of one ledger.
pub(super) struct Book<'a> {
    dataset: &'a Dataset,
    reasons: &'static [Reason],
    used: Count,
    lost: Vec<Count>,
    /// Per image: those of the dataset, then those that only left-out labels name.
    images: Vec<Option<Fate>>,
    paths: FxHashMap<String, u32>,
    /// Per instance: those of the dataset, then those that were left out.
    instances: Vec<Option<Fate>>,
    names: FxHashMap<(u32, String), u32>,
    background: usize,
    places: Vec<(usize, Lost)>,
}

/// What a point or instance belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    /// Image in the book; `None` where nothing names it.
    pub(super) image: Option<u32>,
    /// Instance in the book.
    pub(super) instance: u32,
}

impl<'a> Book<'a> {
    pub(super) fn new(dataset: &'a Dataset, reasons: &'static [Reason]) -> Book<'a> {
        Book {
            dataset,
            reasons,
            used: Count::default(),
            lost: vec![Count::default(); reasons.len()],
            images: vec![None; dataset.images.len()],
            paths: FxHashMap::default(),
            instances: vec![None; dataset.instances.len()],
            names: FxHashMap::default(),
            background: 0,
            places: Vec::new(),
        }
    }

    /// Returns the owner of labels that were left out: the instance of that image with that
    /// name, where the dataset has it.
    pub(super) fn owner(&mut self, image: Option<&str>, instance: &str) -> Owner {
        if self.paths.is_empty() {
            let known = (0..).zip(&self.dataset.images);
            self.paths = known.map(|(at, image)| (image.path.clone(), at)).collect();
            for (at, known) in (0..).zip(&self.dataset.instances) {
                let name = (known.image, self.dataset.instance_name(known));
                self.names.entry(name).or_insert(at);
            }
        }
        let image = image.map(|path| {
            let next = self.images.len() as u32;
            let at = *self.paths.entry(path.to_string()).or_insert(next);
            if at == next {
                self.images.push(None);
            }
            at
        });
        let next = self.instances.len() as u32;
        let key = (image.unwrap_or(u32::MAX), instance.to_string());
        let at = *self.names.entry(key).or_insert(next);
        if at == next {
            self.instances.push(None);
        }
        Owner { image, instance: at }
    }

    /// Enters points of one fate.
    pub(super) fn points(&mut self, owner: Owner, points: u32, fate: Fate) {
        let points = points as usize;
        match fate {
            Fate::Used => self.used.points += points,
            Fate::Lost(reason) => self.lost[reason].points += points,
        }
        self.instance(owner, fate);
    }

    /// Enters what becomes of an instance by one of its points, or as a whole; the best counts.
    pub(super) fn instance(&mut self, owner: Owner, fate: Fate) {
        better(&mut self.instances[owner.instance as usize], fate);
        if let Some(image) = owner.image {
            self.image(image, fate);
        }
    }

    /// Enters what becomes of an image by one of its labels, or as a whole; the best counts.
    pub(super) fn image(&mut self, image: u32, fate: Fate) {
        better(&mut self.images[image as usize], fate);
    }

    /// Enters an image that is trained on without labels.
    pub(super) fn background(&mut self, image: u32) {
        self.background += 1;
        self.image(image, Fate::Used);
    }

    /// Returns what has become of an image so far.
    pub(super) fn fate(&self, image: u32) -> Option<Fate> {
        self.images[image as usize]
    }

    /// Adds a place at which something is lost.
    pub(super) fn place(&mut self, reason: usize, mut place: Lost) {
        place.reason = self.reasons[reason].slug;
        self.places.push((reason, place));
    }

    /// Closes the book.
    pub(super) fn close(
        mut self,
        [trainer, trainer_name]: [&'static str; 2],
        notes: Vec<Note>,
    ) -> Ledger {
        for fate in self.instances.iter().flatten() {
            match *fate {
                Fate::Used => self.used.instances += 1,
                Fate::Lost(reason) => self.lost[reason].instances += 1,
            }
        }
        for fate in self.images.iter().flatten() {
            match *fate {
                Fate::Used => self.used.images += 1,
                Fate::Lost(reason) => self.lost[reason].images += 1,
            }
        }
        let mut found = self.used;
        for lost in &self.lost {
            found.points += lost.points;
            found.instances += lost.instances;
            found.images += lost.images;
        }
        let mut places_of: BTreeMap<usize, usize> = BTreeMap::new();
        for (reason, _) in &self.places {
            *places_of.entry(*reason).or_default() += 1;
        }
        self.places.sort_by(|(a, one), (b, other)| {
            (a, &one.image, &one.file, one.row, one.column, &one.instance, &one.keypoint).cmp(&(
                b,
                &other.image,
                &other.file,
                other.row,
                other.column,
                &other.instance,
                &other.keypoint,
            ))
        });
        let lost: Vec<Loss> = (self.reasons.iter().zip(&self.lost).enumerate())
            .map(|(at, (reason, count))| Loss {
                reason: reason.slug,
                title: reason.title,
                effect: reason.effect,
                fix: reason.fix,
                count: *count,
                places: places_of.get(&at).copied().unwrap_or(0),
            })
            .collect();
        let unit = if found.points > 0 { Unit::Points } else { Unit::Instances };
        let mut ledger = Ledger {
            trainer,
            trainer_name,
            unit,
            summary: String::new(),
            found,
            used: self.used,
            background: self.background,
            lost,
            notes,
            visits: Vec::<Visits>::new(),
            places: self.places.into_iter().map(|(_, place)| place).collect(),
        };
        ledger.summary = words::summary(&ledger);
        ledger
    }
}

fn better(known: &mut Option<Fate>, fate: Fate) {
    *known = Some(known.map_or(fate, |known| known.max(fate)));
}

/// Returns the place of an instance of a dataset.
pub(super) fn place_of(dataset: &Dataset, instance: &Instance, message: String) -> Lost {
    let location = instance.location;
    Lost {
        image: dataset.images.get(instance.image as usize).map(|image| image.path.clone()),
        instance: Some(dataset.instance_name(instance)),
        file: location.and_then(|place| dataset.label_files.get(place.file as usize)).cloned(),
        row: location.map(|place| place.row),
        message,
        ..Lost::default()
    }
}
