//! Cleaning: patches applied to copies and taken back, byte by byte.

mod command;
mod planted;
mod round_trip;

use std::collections::BTreeMap;
use std::path::Path;

use labelvet::audit::{Action, Finding, Level, Proposal, Severity};
use labelvet::clean::{Limits, Policy};
use labelvet::dataset::{Dataset, Instance};
use sha2::Digest as _;

/// Returns the hash of every file below a folder, by its path; links by where they lead.
fn tree(folder: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for entry in walkdir::WalkDir::new(folder) {
        let entry = entry.expect("the folder is listed");
        let path = entry.path();
        let name = path.strip_prefix(folder).expect("below").display().to_string();
        if path.is_symlink() {
            let target = std::fs::read_link(path).expect("a link");
            files.insert(name, format!("-> {}", target.display()));
        } else if path.is_file() {
            let bytes = std::fs::read(path).expect("a file");
            files.insert(name, format!("{:x?}", sha2::Sha256::digest(&bytes)));
        }
    }
    files
}

/// Copies a folder, links as they are.
fn copy(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.expect("the folder is listed");
        let new = to.join(entry.path().strip_prefix(from).expect("below"));
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(new).expect("a folder");
        } else {
            std::fs::copy(entry.path(), new).expect("a copy");
        }
    }
}

/// The default policy without limits, which small datasets would run into.
fn unlimited() -> Policy {
    let limits =
        Limits { max_frame_share: 1.0, min_per_keypoint: 0, min_per_video: 0, min_per_class: 0 };
    Policy { limits, ..Policy::default() }
}

/// Makes findings about a dataset as an audit would.
struct Made<'a>(&'a Dataset);

impl Made<'_> {
    fn image(&self, rule: &str, image: u32) -> Finding {
        Finding {
            rule: rule.into(),
            severity: Severity::Warning,
            score: 1.0,
            level: Level::Image,
            kind: None,
            image: Some(self.0.images[image as usize].path.clone()),
            video: None,
            instance: None,
            keypoint: None,
            class: None,
            message: "is wrong".into(),
            value: None,
            threshold: None,
            related: Vec::new(),
            location: None,
            proposal: None,
            fingerprint: format!("{rule}-{image}"),
        }
    }

    fn instance(&self, rule: &str, at: usize) -> Finding {
        let instance = &self.0.instances[at];
        Finding {
            level: Level::Instance,
            instance: Some(self.0.instance_name(instance)),
            fingerprint: format!("{rule}-instance-{at}"),
            ..self.image(rule, instance.image)
        }
    }

    fn keypoint(&self, rule: &str, at: usize, kind: u16, proposal: Proposal) -> Finding {
        Finding {
            level: Level::Keypoint,
            keypoint: Some(self.name(&self.0.instances[at], kind)),
            related: proposal.with.iter().cloned().collect(),
            proposal: Some(proposal),
            fingerprint: format!("{rule}-keypoint-{at}-{kind}"),
            ..self.instance(rule, at)
        }
    }

    fn swap(&self, at: usize, [a, b]: [u16; 2]) -> Finding {
        let with = Some(self.name(&self.0.instances[at], b));
        let proposal = Proposal { with, ..Proposal::new(Action::Swap) };
        self.keypoint("left_right_swap", at, a, proposal)
    }

    fn name(&self, instance: &Instance, kind: u16) -> String {
        let skeleton = self.0.skeleton_of(instance).expect("it has keypoints");
        skeleton.keypoints[usize::from(kind)].clone()
    }
}
