//! Threads that walk the steps of one run together: tasks are taken from a counter, and a barrier closes each step.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What the threads of one run share.
pub(crate) struct Team {
    size: usize,
    /// The next task of each step.
    next: Vec<AtomicUsize>,
    /// Arrivals at barriers, over all steps.
    arrived: AtomicUsize,
    /// A member has panicked: nobody waits for it.
    broken: AtomicBool,
}

/// Looks at the barrier before a waiting thread lets others run.
const SPINS: usize = 2000;

impl Team {
    pub fn new(size: usize, steps: usize) -> Self {
        let next = (0..steps).map(|_| AtomicUsize::new(0)).collect();
        Self {
            size,
            next,
            arrived: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
        }
    }

    /// Runs this member's share: `tasks(step)` says how many there are, `run(step, task)` does one.
    pub fn walk(&self, tasks: impl Fn(usize) -> usize, run: impl Fn(usize, usize)) {
        let guard = Guard(self);
        for (step, next) in self.next.iter().enumerate() {
            let count = tasks(step);
            loop {
                let task = next.fetch_add(1, Ordering::Relaxed);
                if task >= count {
                    break;
                }
                run(step, task);
            }
            if !self.wait((step + 1) * self.size) {
                break;
            }
        }
        std::mem::forget(guard);
    }

    /// Waits for `target` arrivals; false when a member is gone.
    fn wait(&self, target: usize) -> bool {
        // What was written before is seen by all who pass.
        let mut arrived = self.arrived.fetch_add(1, Ordering::AcqRel) + 1;
        let mut looks = 0;
        while arrived < target {
            if self.broken.load(Ordering::Relaxed) {
                return false;
            }
            looks += 1;
            if looks < SPINS {
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
            arrived = self.arrived.load(Ordering::Acquire);
        }
        true
    }
}

/// Dropped only by a panic.
struct Guard<'a>(&'a Team);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.broken.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_is_done_once_and_steps_follow_each_other() {
        const TASKS: usize = 37;
        let team = Team::new(3, 50);
        let done: Vec<AtomicUsize> = (0..50 * TASKS).map(|_| AtomicUsize::new(0)).collect();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    team.walk(
                        |_| TASKS,
                        |step, task| {
                            if step > 0 {
                                let before = &done[(step - 1) * TASKS..step * TASKS];
                                assert!(before.iter().all(|d| d.load(Ordering::Relaxed) == 1));
                            }
                            done[step * TASKS + task].fetch_add(1, Ordering::Relaxed);
                        },
                    );
                });
            }
        });
        assert!(done.iter().all(|d| d.load(Ordering::Relaxed) == 1));
    }

    #[test]
    fn a_member_that_panics_does_not_hold_the_others() {
        let team = Team::new(2, 3);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            std::thread::scope(|scope| {
                scope.spawn(|| team.walk(|_| 4, |_, _| ()));
                team.walk(|_| 4, |_, task| assert!(task > 3, "as a kernel would"));
            });
        }));
        // Whichever member took the first task, nobody waits for ever.
        drop(result);
    }
}
