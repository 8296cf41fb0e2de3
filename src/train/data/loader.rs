//! Makes batches ahead on threads of its own, so that a device need not wait for them.
//!
//! Batches come in the order of their steps, whichever thread made them. At most `depth` of them
//! wait; those that are handed back are filled again, so that memory is bounded.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::batch::Batch;
use super::batches::{Batches, Workspace};

/// How far ahead and on how many threads batches are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoaderSettings {
    /// Threads, 1 or more.
    pub threads: usize,
    /// Batches that are finished or in the making at a time, 1 or more.
    pub depth: usize,
    /// Number of the first step.
    pub first_step: u64,
}

/// Says why there is no next batch.
#[derive(Debug, thiserror::Error)]
pub enum LoaderError {
    /// A thread cannot be started.
    #[error("cannot start a thread to load pictures: {0}")]
    Thread(#[from] std::io::Error),
    /// Making a batch failed in a way that nobody foresaw.
    #[error("making the batch of step {step} failed: {reason}")]
    Panic {
        /// Number of the step.
        step: u64,
        /// What the failure said.
        reason: String,
    },
}

/// Gives batches step by step. Dropping it ends its threads, at latest after the picture that
/// each of them has in hand.
#[derive(Debug)]
pub struct Loader {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    batches: Arc<Batches>,
    depth: u64,
    queue: Mutex<Queue>,
    /// Told when a step may be begun.
    room: Condvar,
    /// Told when a batch is finished.
    finished: Condvar,
}

#[derive(Debug)]
struct Queue {
    /// The next step that a thread begins.
    next_begun: u64,
    /// The next step that is given out.
    next_given: u64,
    finished: BTreeMap<u64, Result<Batch, LoaderError>>,
    /// Batches that were handed back.
    spare: Vec<Batch>,
    stopped: bool,
}

impl Loader {
    /// Starts to make batches.
    ///
    /// # Errors
    /// [`LoaderError::Thread`] when the system starts no more threads.
    pub fn start(batches: Arc<Batches>, settings: LoaderSettings) -> Result<Loader, LoaderError> {
        let shared = Arc::new(Shared {
            batches,
            depth: settings.depth.max(1) as u64,
            queue: Mutex::new(Queue {
                next_begun: settings.first_step,
                next_given: settings.first_step,
                finished: BTreeMap::new(),
                spare: Vec::new(),
                stopped: false,
            }),
            room: Condvar::new(),
            finished: Condvar::new(),
        });
        let mut loader = Loader { shared, threads: Vec::new() };
        for _ in 0..settings.threads.max(1) {
            let shared = loader.shared.clone();
            let thread = std::thread::Builder::new().name("loader".into());
            loader.threads.push(thread.spawn(move || shared.work())?);
        }
        Ok(loader)
    }

    /// Returns the batch of the next step, and waits for it where it is not finished.
    ///
    /// # Errors
    /// [`LoaderError::Panic`] when it could not be made; the call after it gives the batch of the
    /// step behind.
    #[expect(clippy::should_implement_trait, reason = "batches never end, and are handed back")]
    pub fn next(&mut self) -> Result<Batch, LoaderError> {
        let mut queue = self.shared.lock();
        loop {
            let step = queue.next_given;
            if let Some(batch) = queue.finished.remove(&step) {
                queue.next_given += 1;
                drop(queue);
                self.shared.room.notify_one();
                return batch;
            }
            queue = wait(&self.shared.finished, queue);
        }
    }

    /// Takes a batch back, whose memory is used again.
    pub fn recycle(&mut self, batch: Batch) {
        let mut queue = self.shared.lock();
        if (queue.spare.len() as u64) < self.shared.depth {
            queue.spare.push(batch);
        }
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.room.notify_all();
        for thread in self.threads.drain(..) {
            // A thread catches the panics of its work, and there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// A thread that panicked left the queue as it was between two steps.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut workspace = Workspace::default();
        while let Some((step, mut batch)) = self.begin() {
            let made = catch_unwind(AssertUnwindSafe(|| {
                self.batches.begin(step, &mut batch);
                for place in 0..batch.examples.len() {
                    if self.lock().stopped {
                        return;
                    }
                    self.batches.fill(&mut batch, place, &mut workspace);
                }
            }));
            let made = made.map(|()| batch).map_err(|panic| {
                workspace = Workspace::default();
                LoaderError::Panic { step, reason: reason(panic.as_ref()) }
            });
            self.lock().finished.insert(step, made);
            self.finished.notify_one();
        }
    }

    /// Waits for a step to begin; `None` when there is nobody left to make batches for.
    fn begin(&self) -> Option<(u64, Batch)> {
        let mut queue = self.lock();
        loop {
            if queue.stopped {
                return None;
            }
            let step = queue.next_begun;
            if step < queue.next_given.saturating_add(self.depth) {
                queue.next_begun += 1;
                return Some((step, queue.spare.pop().unwrap_or_default()));
            }
            queue = wait(&self.room, queue);
        }
    }
}

fn wait<'a>(told: &Condvar, queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
    told.wait(queue).unwrap_or_else(PoisonError::into_inner)
}

/// Returns what a panic said.
fn reason(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("no reason was given").to_owned()
}
