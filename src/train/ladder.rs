//! The ladder: from few images and the smallest network to all of both, to see where a
//! training ceases to be stable.
//!
//! Takes a split and settings; gives the rungs, each a split and settings of its own, and a
//! judgement of a run. First the images grow fourfold from rung to rung with the smallest
//! network, then the network grows with all images. Trains nothing itself.

use serde::Serialize;

use super::config::TrainConfig;
use super::run::{Ending, Outcome};
use crate::dataset::{Part, Split};
use crate::models::{Architecture, EfficientNet};
use crate::stats::random::SplitMix64;

/// Images of the first rung.
const FIRST_IMAGES: usize = 16;
/// By how much images grow from rung to rung.
const GROWTH: usize = 4;

/// One step of the ladder.
#[derive(Debug, Clone, PartialEq)]
pub struct Rung {
    /// Parts: the test images, and some of the training images.
    pub split: Split,
    /// Settings, with the rung's network.
    pub config: TrainConfig,
    /// Training images.
    pub images: usize,
}

impl Rung {
    /// Returns what the rung is, in words.
    pub fn words(&self) -> String {
        let model = &self.config.model;
        format!("{} images, {} to {}", self.images, model.architecture, model.trunk)
    }
}

/// How a rung went; a row of `ladder.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RungResult {
    /// Folder of its run.
    pub run: String,
    /// Training images.
    pub images: usize,
    /// Network.
    pub model: String,
    /// Where its trunk ends.
    pub trunk: String,
    /// Whether it was stable.
    pub stable: bool,
    /// Why not, in words.
    pub reason: Option<String>,
    /// Spikes and values that were not finite.
    pub alarms: u64,
    /// Median error on the test images in pixels, or the share of wrong classes.
    pub test_error: Option<f64>,
}

/// Returns the rungs from the smallest to what the settings ask for.
pub fn rungs(split: &Split, config: &TrainConfig) -> Vec<Rung> {
    let all = split.count(Part::Train);
    let mut images: Vec<usize> =
        std::iter::successors(Some(FIRST_IMAGES), |&count| Some(count * GROWTH))
            .take_while(|&count| count < all)
            .collect();
    images.push(all);
    let networks = networks(config);
    let smallest = &networks[0];
    let data = images.iter().map(|&count| rung(split, config, smallest, count));
    let larger = networks[1..].iter().map(|network| rung(split, config, network, all));
    data.chain(larger).collect()
}

fn rung(
    split: &Split,
    config: &TrainConfig,
    (architecture, trunk): &(String, String),
    images: usize,
) -> Rung {
    let mut config = config.clone();
    config.model.architecture.clone_from(architecture);
    config.model.trunk.clone_from(trunk);
    let mut train = split.images(Part::Train);
    // The same images stay from rung to rung, and more are added.
    SplitMix64::named("ladder", config.run.seed).shuffle(&mut train);
    let mut parts = split.parts.clone();
    for &image in &train[images.min(train.len())..] {
        parts[image as usize] = None;
    }
    Rung { split: Split { parts }, config, images }
}

/// Returns the networks of the family up to the one that is asked for, as names and ends of
/// trunks; the smallest is cut where it is asked, or earlier.
fn networks(config: &TrainConfig) -> Vec<(String, String)> {
    let asked = (config.model.architecture.clone(), config.model.trunk.clone());
    let Ok(Architecture::EfficientNet(network)) = config.architecture() else { return vec![asked] };
    let family = EfficientNet::all().filter(|other| other.same_family(&network));
    let smaller = family.take_while(|other| *other != network).map(|other| {
        let name = other.name();
        let short = name.strip_prefix("tf_").filter(|_| name.contains("lite"));
        (short.unwrap_or(&name).to_owned(), asked.1.clone())
    });
    let mut networks: Vec<_> = smaller.collect();
    networks.push(asked);
    networks
}

/// Says whether a run was stable: all steps were made, without a spike that a rollback had to
/// mend, and the loss at the end is finite.
///
/// # Errors
/// Why it was not, in words.
pub fn judge(outcome: &Outcome) -> Result<(), String> {
    match &outcome.ending {
        Ending::Stopped(reason) => Err(reason.clone()),
        Ending::Diverged => Err("the loss on the probe set diverged".to_owned()),
        Ending::Done if outcome.rollbacks > 0 => {
            Err(format!("{} rollbacks were needed", outcome.rollbacks))
        }
        Ending::Done => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_grow_before_the_network_does() {
        let parts = (0..120).map(|at| Some(if at < 20 { Part::Test } else { Part::Train }));
        let split = Split { parts: parts.collect() };
        let changes = ["model.architecture=efficientnet_b2", "model.weights=random"];
        let config = TrainConfig::new("stable", &changes.map(str::to_owned)).expect("settings");
        let rungs = rungs(&split, &config);
        let steps: Vec<_> = rungs
            .iter()
            .map(|rung| (rung.images, rung.config.model.architecture.as_str()))
            .collect();
        let names = [
            "efficientnet_b0",
            "efficientnet_b0",
            "efficientnet_b0",
            "efficientnet_b1",
            "efficientnet_b2",
        ];
        let counts = [16, 64, 100, 100, 100];
        assert_eq!(steps, counts.into_iter().zip(names).collect::<Vec<_>>());
        for pair in rungs.windows(2) {
            let [few, many] = [&pair[0], &pair[1]].map(|rung| rung.split.images(Part::Train));
            assert!(few.iter().all(|image| many.contains(image)), "images stay");
            assert_eq!(pair[0].split.count(Part::Test), 20);
        }
    }
}
