//! How long steps take here: a few of each kind, as many at once as the study will run.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::cost::Speed;
use super::design::Design;
use super::jobs::{COMMON, Job, RampKind};
use super::queue::JobMaterial;
use crate::stats::robust::median;
use crate::train::TrainError;
use crate::train::pass::{self, Wanted};
use crate::train::runtime::Runtime;

/// Images of a speed probe, and most of its steps.
const IMAGES: u64 = 160;
const MOST_STEPS: u64 = 40;
/// First steps, which also compile and fill caches, are not counted.
const WARM: usize = 3;

/// Measures the speed of each optimiser of a design on what a job would learn from; folders are
/// made in `scratch` and left there.
///
/// # Errors
/// [`TrainError`] where a step cannot be made.
pub fn speeds(
    design: &Design,
    material: &JobMaterial,
    runtime: &Runtime,
    cache: Option<PathBuf>,
    scratch: &Path,
) -> Result<Vec<Speed>, TrainError> {
    let mut jobs: Vec<Job> = Vec::new();
    let arm = design.arms.first().map(|arm| arm.name.clone()).unwrap_or_default();
    let job = |optimiser: &str, ramp| Job {
        arm: arm.clone(),
        optimiser: optimiser.to_owned(),
        shuffle: 0,
        repeat: 0,
        ramp,
    };
    jobs.extend(design.optimisers.iter().map(|optimiser| job(&optimiser.name, None)));
    if design.jobs().iter().any(|job| job.ramp == Some(RampKind::Common)) {
        jobs.push(job(COMMON, Some(RampKind::Common)));
    }
    let mut speeds = Vec::new();
    for job in jobs {
        let probe = Probe { design, material, runtime, cache: &cache };
        let copies: Vec<Result<[f64; 2], TrainError>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..design.parallel.max(1))
                .map(|copy| {
                    let folder = scratch.join(format!("{}-{copy}", job.optimiser));
                    let (probe, job) = (&probe, &job);
                    scope.spawn(move || probe.measure(job, &folder))
                })
                .collect();
            threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
        });
        let copies = copies.into_iter().collect::<Result<Vec<[f64; 2]>, TrainError>>()?;
        let most = |at: usize| copies.iter().map(|copy| copy[at]).fold(0.0, f64::max);
        speeds.push(Speed {
            optimiser: job.optimiser.clone(),
            size: design.size,
            step: most(0),
            rest: most(1),
        });
    }
    Ok(speeds)
}

struct Probe<'a> {
    design: &'a Design,
    material: &'a JobMaterial,
    runtime: &'a Runtime,
    cache: &'a Option<PathBuf>,
}

impl Probe<'_> {
    /// Returns seconds of a step, and of everything beside steps.
    fn measure(&self, job: &Job, folder: &Path) -> Result<[f64; 2], TrainError> {
        let start = Instant::now();
        let mut config = self.design.config(job)?;
        let batch = (config.data.batch * config.data.accumulate) as u64;
        config.run.steps = (IMAGES / batch).clamp(WARM as u64 + 5, MOST_STEPS);
        config.run.probe_every = config.run.steps;
        config.run.checkpoint_every = config.run.steps;
        let wanted = Wanted {
            dataset: &self.material.dataset,
            path: String::new(),
            split: &self.material.split,
            by: &self.material.by,
            config,
            runtime: self.runtime,
            words: &[],
            cache: self.cache.clone(),
            threads: None,
            probe: Some(self.material.probe.clone()),
        };
        let prepared = pass::prepare(wanted, &|_, _| ())?;
        std::fs::create_dir_all(folder).map_err(|source| {
            crate::train::folder::FolderError::Io { path: folder.into(), source }
        })?;
        prepared.begin(folder)?;
        let mut times = Vec::new();
        let outcome = prepared.train(folder, None, &mut |moment| {
            if let crate::train::run::Moment::Step { row, .. } = moment {
                times.push(f64::from(row.step_ms) / 1e3);
            }
        })?;
        if job.ramp.is_none() {
            prepared.finish(folder, &outcome)?;
        }
        let steps: f64 = times.iter().sum();
        let rest = (start.elapsed().as_secs_f64() - steps).max(0.0);
        let step = median(&mut times.split_off(WARM.min(times.len()))).unwrap_or(0.0);
        Ok([step, rest])
    }
}
