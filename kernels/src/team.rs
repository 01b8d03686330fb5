//! The threads of a network: parked until a run calls them, and helpers rather than partners.
//!
//! A run is a row of steps, each with tasks taken from a counter; a step ends when its tasks are done, not when every
//! thread has arrived. So a run needs nobody but its caller: where a thread cannot be had, or comes late, the answer is
//! slower and never missing. Helpers spin shortly between runs and then sleep; over the whole process no more threads
//! compute than there are cores.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, TryLockError};
use std::thread::{self, JoinHandle};

/// Looks at a counter before a waiting thread lets others run.
const SPINS_IN_A_STEP: usize = 2000;

/// Looks for the next run before a helper sleeps: some 50 microseconds.
const SPINS_BETWEEN_RUNS: usize = 1000;

/// What a helper needs; the kernels' buffers lie in the arena.
const STACK_BYTES: usize = 2 << 20;

/// Seats for computing threads, one a core; callers take theirs without asking, helpers only where one is free.
pub(crate) struct Seats {
    taken: AtomicUsize,
    count: usize,
}

impl Seats {
    pub fn new(count: usize) -> Self {
        Self {
            taken: AtomicUsize::new(0),
            count,
        }
    }

    /// Those of the process.
    pub fn of_process() -> &'static Self {
        static SEATS: OnceLock<Seats> = OnceLock::new();
        SEATS.get_or_init(|| Self::new(thread::available_parallelism().map_or(1, usize::from)))
    }

    /// A seat if one is free.
    fn try_take(&self) -> Option<Seat<'_>> {
        let taken = self
            .taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                (taken < self.count).then_some(taken + 1)
            });
        taken.ok().map(|_| Seat(self))
    }

    /// A seat, even where that is one too many.
    fn take(&self) -> Seat<'_> {
        self.taken.fetch_add(1, Ordering::Relaxed);
        Seat(self)
    }

    fn is_crowded(&self) -> bool {
        self.taken.load(Ordering::Relaxed) > self.count
    }
}

struct Seat<'a>(&'a Seats);

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How far one step of a run has come.
#[derive(Default)]
pub(crate) struct Progress {
    /// Tasks that were asked for at either end: from the first task on in the low half, from the last one back in the
    /// high half.
    asked: AtomicU64,
    done: AtomicUsize,
}

/// At which end of a step's tasks a thread begins. The tasks of neighboring steps go over the same places in the same
/// order, so that a thread finds in its own cache what it wrote a step ago.
#[derive(Clone, Copy, PartialEq)]
enum End {
    First,
    Last,
}

impl Progress {
    /// A task of `count` that nobody has; none when all are given away.
    fn take(&self, end: End, count: usize) -> Option<usize> {
        let one = match end {
            End::First => 1,
            End::Last => 1 << 32,
        };
        let asked = self.asked.fetch_add(one, Ordering::Relaxed);
        let (from_first, from_last) = ((asked & 0xFFFF_FFFF) as usize, (asked >> 32) as usize);
        (from_first + from_last < count).then(|| match end {
            End::First => from_first,
            End::Last => count - 1 - from_last,
        })
    }
}

/// What the threads of one run share; it lies on the caller's stack.
struct Job<'a> {
    progress: &'a [Progress],
    tasks: &'a (dyn Fn(usize) -> usize + Sync),
    run: &'a (dyn Fn(usize, usize) + Sync),
    seats: &'a Seats,
    /// A thread has panicked: nobody waits for its tasks.
    broken: AtomicBool,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Job<'_> {
    /// Takes tasks until all steps are done; a helper also leaves where threads have become too many.
    fn walk(&self, is_helper: bool, end: End) {
        for (step, progress) in self.progress.iter().enumerate() {
            if is_helper && self.seats.is_crowded() {
                return;
            }
            let count = (self.tasks)(step);
            while let Some(task) = progress.take(end, count) {
                if self.broken.load(Ordering::Relaxed) {
                    break;
                }
                (self.run)(step, task);
                // What the task wrote is seen by all who see it counted.
                progress.done.fetch_add(1, Ordering::Release);
            }
            let mut looks = 0;
            while progress.done.load(Ordering::Acquire) < count {
                if self.broken.load(Ordering::Relaxed) {
                    return;
                }
                looks += 1;
                if looks < SPINS_IN_A_STEP {
                    std::hint::spin_loop();
                } else {
                    thread::yield_now();
                }
            }
        }
    }

    fn walk_caught(&self, is_helper: bool, end: End) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.walk(is_helper, end))) {
            let mut first = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert(panic);
            self.broken.store(true, Ordering::Relaxed);
        }
    }
}

/// What helpers look at.
struct Shared {
    /// Odd while a run may be joined; one more at every opening and closing.
    epoch: AtomicUsize,
    /// The open run.
    job: AtomicPtr<Job<'static>>,
    /// Helpers that may be reading `job`.
    inside: AtomicUsize,
    quit: AtomicBool,
}

struct Helper {
    is_parked: Arc<AtomicBool>,
    handle: JoinHandle<()>,
}

/// The helpers of one network.
pub(crate) struct Team {
    shared: Arc<Shared>,
    /// Held during a run; a second run at the same time finds it taken and works alone.
    helpers: Mutex<Vec<Helper>>,
    seats: &'static Seats,
    stack_bytes: usize,
}

impl Team {
    /// A team without helpers; runs call them to life.
    pub fn new(seats: &'static Seats) -> Self {
        Self::with_stacks(seats, STACK_BYTES)
    }

    fn with_stacks(seats: &'static Seats, stack_bytes: usize) -> Self {
        Self {
            stack_bytes,
            shared: Arc::new(Shared {
                epoch: AtomicUsize::new(0),
                job: AtomicPtr::new(std::ptr::null_mut()),
                inside: AtomicUsize::new(0),
                quit: AtomicBool::new(false),
            }),
            helpers: Mutex::new(Vec::new()),
            seats,
        }
    }

    /// The most threads that a run uses.
    pub fn limit(&self) -> usize {
        self.seats.count
    }

    /// Runs `run(step, task)` for every task of every step, `tasks(step)` of them, on up to `threads` threads.
    pub fn run(
        &self,
        threads: usize,
        progress: &mut [Progress],
        tasks: &(dyn Fn(usize) -> usize + Sync),
        run: &(dyn Fn(usize, usize) + Sync),
    ) {
        for step in progress.iter_mut() {
            *step = Progress::default();
        }
        let _seat = self.seats.take();
        let job = Job {
            progress,
            tasks,
            run,
            seats: self.seats,
            broken: AtomicBool::new(false),
            panic: Mutex::new(None),
        };
        let helpers = match self.helpers.try_lock() {
            _ if threads <= 1 => None,
            Ok(helpers) => Some(helpers),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        match helpers {
            None => job.walk_caught(false, End::First),
            Some(mut helpers) => {
                let wanted = threads.min(self.limit()) - 1;
                self.hire(&mut helpers, wanted);
                self.open(&job, &helpers[..wanted.min(helpers.len())]);
                job.walk_caught(false, End::First);
                self.close();
            }
        }
        let panic = job
            .panic
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// Starts helpers until there are `wanted`, or no more can be had.
    fn hire(&self, helpers: &mut Vec<Helper>, wanted: usize) {
        while helpers.len() < wanted {
            let end = match helpers.len() % 2 {
                0 => End::Last,
                _ => End::First,
            };
            let is_parked = Arc::new(AtomicBool::new(false));
            let (shared, parked, seats) =
                (Arc::clone(&self.shared), Arc::clone(&is_parked), self.seats);
            let started = thread::Builder::new()
                .name("kernels".to_owned())
                .stack_size(self.stack_bytes)
                .spawn(move || serve(&shared, &parked, seats, end));
            let Ok(handle) = started else { return };
            helpers.push(Helper { is_parked, handle });
        }
    }

    fn open(&self, job: &Job<'_>, helpers: &[Helper]) {
        let job: *const Job<'_> = job;
        self.shared
            .job
            .store(job.cast_mut().cast(), Ordering::Relaxed);
        self.shared.epoch.fetch_add(1, Ordering::SeqCst);
        for helper in helpers {
            helper.wake();
        }
    }

    /// Lets nobody else in and waits until all helpers have left, so that the job may go.
    fn close(&self) {
        self.shared.epoch.fetch_add(1, Ordering::SeqCst);
        let mut looks = 0;
        while self.shared.inside.load(Ordering::SeqCst) != 0 {
            looks += 1;
            if looks < SPINS_IN_A_STEP {
                std::hint::spin_loop();
            } else {
                thread::yield_now();
            }
        }
    }
}

impl Helper {
    fn wake(&self) {
        if self.is_parked.swap(false, Ordering::SeqCst) {
            self.handle.thread().unpark();
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.quit.store(true, Ordering::SeqCst);
        let helpers = self
            .helpers
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        for helper in helpers.drain(..) {
            helper.handle.thread().unpark();
            // A helper catches every panic of a task and has none of its own.
            let _ = helper.handle.join();
        }
    }
}

/// A helper's life.
fn serve(shared: &Shared, is_parked: &AtomicBool, seats: &Seats, end: End) {
    let mut joined = 0;
    let mut looks = 0;
    while !shared.quit.load(Ordering::SeqCst) {
        let epoch = shared.epoch.load(Ordering::SeqCst);
        if epoch % 2 == 1
            && epoch != joined
            && let Some(_seat) = seats.try_take()
        {
            joined = epoch;
            looks = 0;
            shared.inside.fetch_add(1, Ordering::SeqCst);
            // Either the run is still open, then `close` sees this helper inside and waits; or it is not entered.
            if shared.epoch.load(Ordering::SeqCst) == epoch {
                // SAFETY: the job lives until `close` has returned, which waits for `inside` to fall.
                let job = unsafe { &*shared.job.load(Ordering::Relaxed) };
                job.walk_caught(true, end);
            }
            shared.inside.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        looks += 1;
        if looks < SPINS_BETWEEN_RUNS {
            std::hint::spin_loop();
            continue;
        }
        is_parked.store(true, Ordering::SeqCst);
        // Whoever opens a run or quits after this line sees the flag and wakes us.
        if shared.epoch.load(Ordering::SeqCst) == epoch && !shared.quit.load(Ordering::SeqCst) {
            thread::park();
        }
        is_parked.store(false, Ordering::SeqCst);
        looks = 0;
    }
}

// WebAssembly has no threads to try.
#[cfg(all(test, not(target_family = "wasm")))]
mod tests;
