//! A planned network and the memory of its runs.

use std::sync::{Mutex, PoisonError};

use crate::elem::load;
use crate::graph::{Graph, KernelError};
use crate::isa::Isa;
use crate::memory::{Aligned, Arena};
use crate::plan::{ComputeType, Plan};
use crate::step::Step;
use crate::team::{Progress, Seats, Team};

/// How to plan a network.
#[derive(Clone, Copy, Debug, Default)]
pub struct Config {
    /// The instructions; the best that this processor has, where none are named.
    pub isa: Option<Isa>,
    /// In what numbers float32 networks are computed.
    pub precision: ComputeType,
    /// Computes 3 x 3 convolutions of float32 as direct sums: slower, with a quarter of their weights' memory.
    pub less_memory: bool,
    /// Bytes of a core's second-level cache, 1 MiB where it is not said. What would not stay in it between two
    /// convolutions is computed a band of rows at a time. The numbers do not depend on it.
    pub cache_bytes: Option<usize>,
}

/// How many convolutions and linear layers a network has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layers {
    /// Those whose sums are integers.
    pub integer: usize,
    /// Together with those of real numbers.
    pub all: usize,
}

/// A network ready to run; share it between threads as you like.
pub struct Network {
    isa: Isa,
    precision: ComputeType,
    plan: Plan,
    team: Team,
    /// What runs that have ended leave for those to come.
    idle: Mutex<Vec<RunState>>,
}

/// The memory of one run.
struct RunState {
    memory: Aligned,
    progress: Vec<Progress>,
}

/// Room for the answers of images that several threads work on.
struct Answers(*mut f32);

// SAFETY: every answer is handed to one thread; see `get`.
unsafe impl Sync for Answers {}

impl Answers {
    /// # Safety
    /// The answer lies in the room, and nobody else has it.
    #[allow(clippy::mut_from_ref)]
    unsafe fn get(&self, index: usize, len: usize) -> &mut [f32] {
        // SAFETY: the caller's.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(index * len), len) }
    }
}

impl Network {
    /// Plans a network for this processor, in float32 where it is not quantized.
    ///
    /// # Errors
    /// A graph that is not valid, needs too much memory, or holds something there is no kernel for.
    pub fn new(graph: &Graph) -> Result<Self, KernelError> {
        Self::with_config(graph, &Config::default())
    }

    /// Plans for given instructions, which the processor must have.
    ///
    /// # Errors
    /// As [`Network::new`]; also when the processor has not these instructions.
    pub fn for_isa(graph: &Graph, isa: Isa) -> Result<Self, KernelError> {
        Self::with_config(
            graph,
            &Config {
                isa: Some(isa),
                ..Config::default()
            },
        )
    }

    /// Plans as the configuration says.
    ///
    /// # Errors
    /// As [`Network::for_isa`].
    pub fn with_config(graph: &Graph, config: &Config) -> Result<Self, KernelError> {
        let isa = config.isa.unwrap_or_else(Isa::detect);
        let proof = isa
            .prove()
            .ok_or_else(|| KernelError::Instructions(isa.to_string()))?;
        let precision = match config.precision {
            ComputeType::Bf16 if isa.has_bf16() => ComputeType::Bf16,
            _ => ComputeType::Float32,
        };
        let plan = Plan::new(graph, proof, precision, config)?;
        Ok(Self {
            isa,
            precision,
            plan,
            team: Team::new(Seats::of_process()),
            idle: Mutex::new(Vec::new()),
        })
    }

    /// The instructions it was planned for.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// In what numbers its float32 layers are computed.
    pub fn precision(&self) -> ComputeType {
        self.precision
    }

    /// Its convolutions and linear layers.
    pub fn layers(&self) -> Layers {
        let kinds = || self.plan.steps.iter().filter_map(Step::is_integer);
        Layers {
            integer: kinds().filter(|is_integer| *is_integer).count(),
            all: kinds().count(),
        }
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

    /// Bytes of the packed weights, and of one run beside them.
    pub fn bytes(&self) -> (usize, usize) {
        (self.plan.packed_bytes, self.plan.arena_bytes)
    }

    /// Runs the images that lie one after the other in `input` (`[N, C, H, W]`) on up to `threads` threads, which are
    /// never more than the processor's cores; `output` gets `[N, ...]`. Several images are shared out, one is worked on
    /// by all. After the first runs have made their memory and threads, a run allocates nothing.
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
        let threads = threads.clamp(1, self.team.limit());
        // The last images, fewer than there are threads, are worked on by all.
        let shared = if threads == 1 || count == 1 {
            0
        } else {
            count - count % threads
        };
        let (image_len, answer_len) = (self.input_len(), self.output_len());
        let (together, rest) = output.split_at_mut(shared * answer_len);
        if shared > 0 {
            let answers = Answers(together.as_mut_ptr());
            let mut progress = [Progress::default()];
            self.team
                .run(threads, &mut progress, &|_| shared, &|_, index| {
                    // SAFETY: the team gives every index below `shared` to one thread, and answers do not overlap.
                    let answer = unsafe { answers.get(index, answer_len) };
                    self.run_one(&input[index * image_len..][..image_len], answer, 1);
                });
        }
        let images = input[shared * image_len..].chunks_exact(image_len);
        for (image, answer) in images.zip(rest.chunks_exact_mut(answer_len)) {
            self.run_one(image, answer, threads);
        }
    }

    fn run_one(&self, image: &[f32], answer: &mut [f32], threads: usize) {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let mut state = idle.unwrap_or_else(|| RunState {
            memory: Aligned::zeros(self.plan.arena_bytes),
            progress: self
                .plan
                .steps
                .iter()
                .map(|_| Progress::default())
                .collect(),
        });
        let arena = Arena::over(&mut state.memory);
        let steps = &self.plan.steps;
        let tasks = |step: usize| steps[step].tasks(threads);
        // SAFETY: the arena is of the plan's length, a step begins when all tasks of the one before are done, and a task
        // goes to one thread.
        let run = |step: usize, task: usize| unsafe {
            steps[step].run(arena, image, threads, task);
        };
        if threads == 1 {
            for step in 0..steps.len() {
                (0..tasks(step)).for_each(|task| run(step, task));
            }
        } else {
            self.team.run(threads, &mut state.progress, &tasks, &run);
        }
        // SAFETY: the run has ended, so nobody writes the arena.
        unsafe { self.read_output(arena, answer) };
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(state);
    }

    /// The output as float32, channel by channel.
    ///
    /// # Safety
    /// Nobody writes the arena, which is the plan's.
    unsafe fn read_output(&self, arena: Arena, answer: &mut [f32]) {
        let output = &self.plan.output;
        let mut values = answer.iter_mut();
        for channel in 0..output.channels {
            for y in 0..output.height {
                for x in 0..output.width {
                    if let Some(value) = values.next() {
                        // SAFETY: a number of the output.
                        unsafe {
                            let from = arena.at(output.number_at(channel, y, x));
                            load(output.elem, from, std::slice::from_mut(value));
                        }
                    }
                }
            }
        }
    }
}
