//! A planned network and the memory of its runs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::graph::{Error, Graph};
use crate::isa::Isa;
use crate::memory::{Aligned, Arena};
use crate::plan::Plan;
use crate::team::Team;

/// A network ready to run; share it between threads as you like.
pub struct Network {
    plan: Plan,
    /// Arenas of runs that have ended, for those to come.
    idle: Mutex<Vec<Aligned>>,
}

impl Network {
    /// Plans a network for this processor.
    ///
    /// # Errors
    /// A graph that is not valid, needs too much memory, or holds something there is no kernel for.
    pub fn new(graph: &Graph) -> Result<Self, Error> {
        Self::for_isa(graph, Isa::detect())
    }

    /// Plans for given instructions, which the processor must have.
    ///
    /// # Errors
    /// As [`Network::new`]; also when the processor has not these instructions.
    pub fn for_isa(graph: &Graph, isa: Isa) -> Result<Self, Error> {
        if !Isa::available().contains(&isa) {
            return Err(Error::Unsupported {
                node: 0,
                reason: format!("this processor has no {isa}"),
            });
        }
        let plan = Plan::new(graph, isa)?;
        Ok(Self {
            plan,
            idle: Mutex::new(Vec::new()),
        })
    }

    /// The instructions it was planned for.
    pub fn isa(&self) -> Isa {
        self.plan.isa
    }

    /// Numbers one image takes: `C * H * W`.
    pub fn input_len(&self) -> usize {
        self.plan.input_len
    }

    /// Numbers one image gives.
    pub fn output_len(&self) -> usize {
        self.output_shape().iter().product()
    }

    /// `[C, H, W]` of what one image gives.
    pub fn output_shape(&self) -> [usize; 3] {
        let output = &self.plan.output;
        [output.channels, output.height, output.width]
    }

    /// Memory of the packed weights, and of one run beside them.
    pub fn bytes(&self) -> (usize, usize) {
        (
            self.plan.packed_bytes,
            self.plan.arena_len * size_of::<f32>(),
        )
    }

    /// Runs the images that lie one after the other in `input` (`[N, C, H, W]`) on up to `threads` threads; `output`
    /// gets `[N, ...]`. Several images are shared out, one is worked on by all.
    ///
    /// # Panics
    /// When the slices are not `N` times [`Network::input_len`] and [`Network::output_len`] long.
    pub fn run(&self, input: &[f32], output: &mut [f32], threads: usize) {
        let count = input.len() / self.input_len();
        assert_eq!(input.len(), count * self.input_len(), "whole images");
        assert_eq!(
            output.len(),
            count * self.output_len(),
            "room for the answers of {count} images"
        );
        let threads = threads.max(1);
        let images = input.chunks_exact(self.input_len());
        let answers = output.chunks_exact_mut(self.output_len());
        if threads == 1 || count == 1 {
            images
                .zip(answers)
                .for_each(|(image, answer)| self.run_one(image, answer, threads));
            return;
        }
        // The last images, fewer than there are threads, are worked on by all.
        let whole = count - count % threads;
        let work: Vec<_> = images
            .zip(answers)
            .map(|(image, answer)| Mutex::new((image, answer)))
            .collect();
        let (shared, rest) = work.split_at(whole);
        let next = AtomicUsize::new(0);
        let member = || {
            while let Some(item) = shared.get(next.fetch_add(1, Ordering::Relaxed)) {
                let (image, answer) = &mut *item.lock().unwrap_or_else(PoisonError::into_inner);
                self.run_one(image, answer, 1);
            }
        };
        thread::scope(|scope| {
            (1..threads.min(whole)).for_each(|_| drop(scope.spawn(member)));
            member();
        });
        for item in rest {
            let (image, answer) = &mut *item.lock().unwrap_or_else(PoisonError::into_inner);
            self.run_one(image, answer, threads);
        }
    }

    fn run_one(&self, image: &[f32], answer: &mut [f32], threads: usize) {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let mut memory = idle.unwrap_or_else(|| Aligned::zeros(self.plan.arena_len));
        let arena = Arena::over(&mut memory);
        let team = Team::new(threads, self.plan.steps.len());
        let walk = || {
            team.walk(
                |step| self.plan.steps[step].tasks(threads),
                // SAFETY: the arena is of the plan's length, the barrier ends a step before the next begins, and the
                // counter gives a task to one thread.
                |step, task| unsafe { self.plan.steps[step].run(arena, image, threads, task) },
            );
        };
        thread::scope(|scope| {
            (1..threads).for_each(|_| drop(scope.spawn(walk)));
            walk();
        });
        self.read_output(memory.as_slice(), answer);
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(memory);
    }

    fn read_output(&self, memory: &[f32], answer: &mut [f32]) {
        let output = &self.plan.output;
        let mut values = answer.iter_mut();
        for channel in 0..output.channels {
            for y in 0..output.height {
                for x in 0..output.width {
                    let at = output.at(channel / output.lanes, y, x) + channel % output.lanes;
                    if let Some(value) = values.next() {
                        *value = memory[at];
                    }
                }
            }
        }
    }
}
