//! Runs the jobs of a study: several at once, each in its own folder, none twice.
//!
//! Takes jobs and what makes a dataset of each; leaves RUN folders. A job that is done is not
//! done again; one that was interrupted goes on from its last checkpoint (a ramp, which is
//! short, begins anew); one that fails is reported, and the rest goes on. Where two arms have the
//! same labels in a shuffle, one is trained and the other takes over what it gave.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::design::Design;
use super::jobs::Job;
use crate::dataset::{Dataset, Split};
use crate::train::TrainError;
use crate::train::config::ConfigError;
use crate::train::folder::{self, FolderError, RunFile, Status};
use crate::train::pass::{self, Wanted};
use crate::train::run::{CHECKPOINTS, Moment};
use crate::train::runtime::Runtime;

/// What all jobs share.
pub struct Queue<'a> {
    /// The design.
    pub design: &'a Design,
    /// Folder of the study.
    pub folder: &'a Path,
    /// The dataset as the user named it.
    pub path: &'a str,
    /// The command line, as words.
    pub words: &'a [String],
    /// Where graphs are computed.
    pub runtime: &'a Runtime,
    /// labelvet's cache, for weights that are fetched.
    pub cache: Option<PathBuf>,
    /// Makes what a job learns from.
    pub material: &'a (dyn Fn(&Job) -> JobMaterial + Sync),
    /// Returns the first job that learns from exactly the same, often the job itself: what that
    /// one gave, this one would give, and is copied.
    pub twin: &'a (dyn Fn(&Job) -> Job + Sync),
}

/// What a job learns from.
#[derive(Debug, Clone)]
pub struct JobMaterial {
    /// Images and labels.
    pub dataset: Dataset,
    /// Its parts.
    pub split: Split,
    /// How they were made, in a word.
    pub by: String,
    /// Images that the probe set is drawn from.
    pub probe: Vec<u32>,
    /// SHA-256 of the patch that the labels went through, where they did.
    pub patch: Option<String>,
}

/// What is told while jobs run; from several threads, one at a time.
#[derive(Debug)]
pub enum News<'a> {
    /// A job begins, or goes on.
    Begins(&'a Job),
    /// So many more images were learnt from.
    Images(u64),
    /// A job is over: now, or was before.
    Over(&'a Job),
    /// A job failed.
    Failed(&'a Failure),
}

/// A job that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The job.
    pub job: Job,
    /// Why, a lower-case fragment.
    pub reason: String,
}

/// Why one job failed.
#[derive(Debug, thiserror::Error)]
enum JobError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Train(#[from] TrainError),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("{twin}, which learns from the same, is not over")]
    Twin { twin: String },
    #[error("failed to write {}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
}

impl Queue<'_> {
    /// Runs jobs, as many at once as the design says; returns those that failed, in the order
    /// of the jobs.
    pub fn run(&self, jobs: &[Job], tell: &mut (dyn FnMut(News<'_>) + Send)) -> Vec<Failure> {
        let (own, copies): (Vec<&Job>, Vec<&Job>) =
            jobs.iter().partition(|job| (self.twin)(job) == **job);
        let tell = Mutex::new(tell);
        let tell = |news: News<'_>| (tell.lock().unwrap_or_else(PoisonError::into_inner))(news);
        let mut failures = self.each(&own, &|job| self.job(job, &tell), &tell);
        failures.extend(self.each(&copies, &|job| self.copy(job, &tell), &tell));
        failures.sort_by_key(|failure| jobs.iter().position(|job| *job == failure.job));
        failures
    }

    /// Does something for each job, several at once.
    fn each(
        &self,
        jobs: &[&Job],
        work: &(dyn Fn(&Job) -> Result<(), JobError> + Sync),
        tell: &(dyn Fn(News<'_>) + Sync),
    ) -> Vec<Failure> {
        let waiting: Mutex<VecDeque<&Job>> = Mutex::new(jobs.iter().copied().collect());
        let failures: Mutex<Vec<Failure>> = Mutex::default();
        let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        std::thread::scope(|scope| {
            for _ in 0..self.design.parallel.clamp(1, jobs.len().max(1)) {
                scope.spawn(|| {
                    while let Some(job) = next() {
                        if let Err(error) = work(job) {
                            let failure = Failure { job: job.clone(), reason: error.to_string() };
                            tell(News::Failed(&failure));
                            let mut all = failures.lock().unwrap_or_else(PoisonError::into_inner);
                            all.push(failure);
                        }
                        tell(News::Over(job));
                    }
                });
            }
        });
        failures.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what a job with the same labels gave.
    fn copy(&self, job: &Job, tell: &dyn Fn(News<'_>)) -> Result<(), JobError> {
        let twin = (self.twin)(job);
        let (from, folder) = (self.folder.join(twin.folder()), self.folder.join(job.folder()));
        let config = self.design.config(job)?;
        let images = config.run.steps * (config.data.batch * config.data.accumulate) as u64;
        if RunFile::read(&folder).is_ok_and(|file| is_over(&file)) {
            tell(News::Images(images));
            return Ok(());
        }
        let mut file = RunFile::read(&from)?;
        if !is_over(&file) {
            return Err(JobError::Twin { twin: twin.folder() });
        }
        remove(&folder)?;
        let io = |path: &Path| {
            let path = path.to_path_buf();
            move |source| JobError::Io { path, source }
        };
        fs::create_dir_all(&folder).map_err(io(&folder))?;
        for entry in fs::read_dir(&from).map_err(io(&from))? {
            let entry = entry.map_err(io(&from))?;
            let to = folder.join(entry.file_name());
            // What says that the run is over comes last.
            if entry.path().is_file() && entry.file_name() != folder::RUN {
                fs::copy(entry.path(), &to).map_err(io(&to))?;
            }
        }
        file.arm = Some(job.arm.clone());
        file.patch = (self.material)(job).patch;
        file.write(&folder)?;
        tell(News::Images(images));
        Ok(())
    }

    /// Runs one job, or what is left of it.
    fn job(&self, job: &Job, tell: &dyn Fn(News<'_>)) -> Result<(), JobError> {
        let folder = self.folder.join(job.folder());
        let old = RunFile::read(&folder).ok();
        let config = self.design.config(job)?;
        let batch = (config.data.batch * config.data.accumulate) as u64;
        let all = config.run.steps * batch;
        if old.as_ref().is_some_and(is_over) {
            tell(News::Images(all));
            return Ok(());
        }
        tell(News::Begins(job));
        // Where nothing could go on, what is there is of no use.
        let old = old.filter(|_| job.ramp.is_none() && folder.join(CHECKPOINTS).is_dir());
        if old.is_none() && folder.exists() {
            remove(&folder)?;
        }
        let material = (self.material)(job);
        let wanted = Wanted {
            dataset: &material.dataset,
            path: self.path.to_owned(),
            split: &material.split,
            by: &material.by,
            config,
            runtime: self.runtime,
            words: self.words,
            cache: self.cache.clone(),
            threads: None,
            probe: Some(material.probe.clone()),
        };
        let mut prepared = pass::prepare(wanted, &|_, _| ())?;
        prepared.file.arm = Some(job.arm.clone());
        prepared.file.shuffle = Some(job.shuffle);
        prepared.file.patch = material.patch.clone();
        match &old {
            Some(old) => prepared.same_as(old)?,
            None => {
                fs::create_dir_all(&folder)
                    .map_err(|source| JobError::Io { path: folder.clone(), source })?;
                prepared.begin(&folder)?;
            }
        }
        let mut told = old.as_ref().map_or(0, |old| old.steps[0]) * batch;
        tell(News::Images(told));
        let outcome = prepared.train(&folder, old.as_ref(), &mut |moment| {
            if let Moment::Step { images, .. } = moment {
                told += images as u64;
                tell(News::Images(images as u64));
            }
        })?;
        match job.ramp {
            None => drop(prepared.finish(&folder, &outcome)?),
            Some(_) => prepared.close(&folder, &outcome)?,
        }
        // The model and the record stay; to go on from the last step is of no use any more.
        remove(&folder.join(CHECKPOINTS))?;
        tell(News::Images(all.saturating_sub(told)));
        Ok(())
    }
}

/// Says whether a run needs nothing more.
pub(super) fn is_over(file: &RunFile) -> bool {
    file.status != Status::Running
}

fn remove(folder: &Path) -> Result<(), JobError> {
    match fs::remove_dir_all(folder) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(JobError::Io { path: folder.into(), source })
        }
        _ => Ok(()),
    }
}

/// Reads what a job's RUN folder says of it, where it is over.
pub(super) fn read(study: &Path, job: &Job) -> Option<RunFile> {
    let file = RunFile::read(&study.join(job.folder())).ok()?;
    is_over(&file).then_some(file)
}

/// Returns where the model of a run lies.
pub fn model_path(study: &Path, job: &Job) -> PathBuf {
    study.join(job.folder()).join(folder::MODEL)
}
