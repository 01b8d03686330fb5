//! A step that is captured once and replayed: a small network's step takes the host longer to ask for than a GPU to do.
//! Here is which steps are captured and what of them; how is a [`Recorder`]'s matter.
//!
//! The host's part of a step stays outside: drawing, reading and normalizing the batch, the learning rate, the seed of
//! dropout, counting, the average of the weights. What is captured depends on tensors alone.

use anyhow::{Context, Result, bail};
use tch::{Device, Tensor};
use torch_ext::graph::CudaGraph;

use super::batch::{Inputs, Share};
use super::{TrainEngine, Update};
use crate::collective::{Collective, SingleProcess};
use crate::data::TensorBatch;
use crate::evaluate::sum_kind;
use crate::mix::MixKey;
use crate::recipe::Recipe;

/// Steps alike in a row that are taken as usual before one is captured: libraries are opened and algorithms chosen in
/// them, which a capture may not do.
pub const USUAL_STEPS: u32 = 3;

/// What is captured.
pub type Body<'a> = &'a mut dyn FnMut() -> Result<()>;

/// Takes down what a device is asked for and has it done again. CUDA's graphs do; tests have one without a GPU.
pub trait Recorder {
    /// Takes down what `body` asks for, in the place of what was taken down before. Nothing of it is done yet.
    ///
    /// # Errors
    /// Something that cannot be captured; the process is good for nothing but its end then.
    fn capture(&mut self, body: Body<'_>) -> Result<()>;

    /// Has it done. `body` would ask for the same, where a recorder cannot replay.
    ///
    /// # Errors
    /// Only what the device reports.
    fn replay(&mut self, body: Body<'_>) -> Result<()>;

    /// Gives back what a capture holds.
    ///
    /// # Errors
    /// Only what the device reports.
    fn forget(&mut self) -> Result<()>;
}

/// CUDA's graphs.
struct CudaRecorder {
    device: usize,
    graph: CudaGraph,
}

impl Recorder for CudaRecorder {
    fn capture(&mut self, body: Body<'_>) -> Result<()> {
        self.forget()?;
        self.graph.capture(body)
    }

    fn replay(&mut self, _: Body<'_>) -> Result<()> {
        Ok(self.graph.replay()?)
    }

    fn forget(&mut self) -> Result<()> {
        self.graph = CudaGraph::new(self.device)?;
        Ok(())
    }
}

/// The recorder that a recipe asks for, if it does.
///
/// # Errors
/// It asks where there is none.
pub(super) fn recorder(
    recipe: &Recipe,
    device: Device,
    collective: &dyn Collective,
) -> Result<Option<Box<dyn Recorder>>> {
    if !recipe.cuda_graphs {
        return Ok(None);
    }
    let Device::Cuda(device) = device else {
        bail!(
            "cuda_graphs: expected false on a device other than cuda, got true on {} (--set cuda_graphs=false)",
            crate::device::describe(device)
        );
    };
    if !collective.is_alone() {
        bail!(
            "cuda_graphs: expected false in a group of processes, which exchange gradients within a step, got true \
             (--set cuda_graphs=false)"
        );
    }
    let graph = CudaGraph::new(device)?;
    Ok(Some(Box::new(CudaRecorder { device, graph })))
}

/// What makes steps alike: only those can be replayed for each other.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kin {
    /// `[N, 3, H, W]`.
    images: [i64; 4],
    /// Targets are distributions over classes (mixup, cutmix), not labels.
    is_mixed: bool,
}

/// A captured step's own memory: what it reads and what it leaves.
struct Captured {
    kin: Kin,
    inputs: Inputs,
    /// `[4]`, as [`TrainEngine::accumulate`] gives.
    sums: Tensor,
}

/// How a step is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Usual,
    Capture,
    Replay,
}

/// The steps so far, as far as the next needs to know, and the captured one.
pub(super) struct StepGraph {
    recorder: Box<dyn Recorder>,
    last: Option<Kin>,
    in_row: u32,
    captured: Option<Captured>,
}

impl StepGraph {
    /// How the step that comes next is taken. A single batch of another size, at the end of the data say, changes nothing;
    /// several in a row are captured in the place of what was. Images of another side come to stay, and the memory of
    /// the captured step is given back for them at once.
    fn turn(&mut self, kin: &Kin) -> Result<Turn> {
        if self.last.as_ref() == Some(kin) {
            self.in_row = self.in_row.saturating_add(1);
        } else {
            self.last = Some(kin.clone());
            self.in_row = 1;
        }
        if let Some(captured) = &self.captured {
            if captured.kin == *kin {
                return Ok(Turn::Replay);
            }
            if captured.kin.images[2..] != kin.images[2..] {
                self.captured = None;
                self.recorder.forget()?;
            }
        }
        Ok(match self.in_row > USUAL_STEPS {
            true => Turn::Capture,
            false => Turn::Usual,
        })
    }
}

impl TrainEngine {
    /// From now on steps that are alike are captured and replayed by `recorder`.
    ///
    /// # Errors
    /// An optimizer that cannot leave a step out by itself, because the host would have to look.
    pub fn capture_with(&mut self, recorder: Box<dyn Recorder>) -> Result<()> {
        if !self.optimizer.can_skip() {
            bail!(
                "cuda_graphs: expected sgd or adamw, whose steps need no look at their gradients"
            );
        }
        self.look_late()?;
        self.optimizer.keep_rate_on_device()?;
        self.graph = Some(StepGraph {
            recorder,
            last: None,
            in_row: 0,
            captured: None,
        });
        Ok(())
    }

    /// Whether steps are captured.
    pub fn has_graphs(&self) -> bool {
        self.graph.is_some()
    }

    /// From now on no step is captured.
    pub fn leave_graphs(&mut self) {
        self.graph = None;
    }

    /// A whole step on one batch at learning rate `rate`, captured or replayed: the sums of
    /// [`TrainEngine::accumulate`] and what [`TrainEngine::update`] tells. None: this step is to be taken as usual.
    ///
    /// # Errors
    /// The step cannot be captured; memory runs out; no image of the batch could be read.
    pub fn graph_step(
        &mut self,
        batch: &TensorBatch,
        key: MixKey,
        rate: f64,
    ) -> Result<Option<(Tensor, Update)>> {
        // Out of the engine, whose part of a step it works with. After an error the run ends without it.
        let Some(mut graph) = self.graph.take() else {
            return Ok(None);
        };
        let sums = self.step_of(&mut graph, batch, key, rate)?;
        self.graph = Some(graph);
        let update = Update {
            finite: None,
            gradients: Vec::new(),
        };
        Ok(sums.map(|sums| (sums, update)))
    }

    fn step_of(
        &mut self,
        graph: &mut StepGraph,
        batch: &TensorBatch,
        key: MixKey,
        rate: f64,
    ) -> Result<Option<Tensor>> {
        let (count, channels, height, width) = batch.pixels.size4()?;
        let kin = Kin {
            images: [count, channels, height, width],
            is_mixed: self.blend(batch, key)?.is_some(),
        };
        let turn = graph.turn(&kin)?;
        if turn == Turn::Usual {
            return Ok(None);
        }
        self.begin(key)?;
        let inputs = self.whole_inputs(batch, key)?;
        self.optimizer.set_rate(rate)?;
        let tracked = self.network.batches_tracked();
        if turn == Turn::Capture {
            graph.captured = None;
            let options = (sum_kind(&self.network), self.network.device());
            let sums = Tensor::f_zeros([4], options)?;
            graph
                .recorder
                .capture(&mut || self.device_part(&inputs, &sums))
                .context(
                    "the step cannot be captured as a CUDA graph (--set cuda_graphs=false goes without)",
                )?;
            graph.captured = Some(Captured { kin, inputs, sums });
        } else if let Some(captured) = &graph.captured {
            captured.inputs.overwrite(&inputs)?;
        }
        let captured = graph.captured.as_ref().context("a captured step")?;
        graph
            .recorder
            .replay(&mut || self.device_part(&captured.inputs, &captured.sums))?;
        // However often the host went through the step.
        self.network.set_batches_tracked(tracked + 1);
        self.was_finite = true;
        self.count_update()?;
        Ok(Some(captured.sums.shallow_clone()))
    }

    /// The part of a step that is captured: forward, loss, backward, and the update of weights and loss scale.
    fn device_part(&mut self, inputs: &Inputs, sums: &Tensor) -> Result<()> {
        let count = inputs.labels.size1()?;
        let of_batch = self.learn(&mut SingleProcess, inputs, &Share::Whole, count, true)?;
        self.move_weights()?;
        tch::no_grad(|| sums.shallow_clone().f_copy_(&of_batch))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    /// Says what it was asked for.
    #[derive(Default)]
    struct Listener(std::rc::Rc<std::cell::Cell<u32>>);

    impl Recorder for Listener {
        fn capture(&mut self, _: Body<'_>) -> Result<()> {
            Ok(())
        }

        fn replay(&mut self, _: Body<'_>) -> Result<()> {
            Ok(())
        }

        fn forget(&mut self) -> Result<()> {
            self.0.set(self.0.get() + 1);
            Ok(())
        }
    }

    fn kin(count: i64, side: i64, is_mixed: bool) -> Kin {
        Kin {
            images: [count, 3, side, side],
            is_mixed,
        }
    }

    #[test]
    fn steps_alike_are_captured_after_some_and_replayed_from_then_on() {
        let listener = Listener::default();
        let forgotten = listener.0.clone();
        let mut graph = StepGraph {
            recorder: Box::new(listener),
            last: None,
            in_row: 0,
            captured: None,
        };
        let mut turns = |kins: &[Kin]| -> Vec<Turn> {
            let turns = kins.iter().map(|kin| {
                let turn = graph.turn(kin).unwrap();
                if turn == Turn::Capture {
                    let none = || Tensor::zeros([1], (Kind::Float, Device::Cpu));
                    graph.captured = Some(Captured {
                        kin: kin.clone(),
                        inputs: Inputs {
                            images: none(),
                            labels: none(),
                            targets: crate::loss::Targets::Classes(none()),
                        },
                        sums: none(),
                    });
                }
                turn
            });
            turns.collect()
        };
        use Turn::{Capture, Replay, Usual};
        let whole = || kin(8, 32, false);
        let four = [Usual, Usual, Usual, Capture];
        assert_eq!(turns(&[whole(), whole(), whole(), whole()]), four);
        // A short batch in between, and one with mixed labels.
        let odd = [whole(), kin(5, 32, false), kin(8, 32, true), whole()];
        assert_eq!(turns(&odd), [Replay, Usual, Usual, Replay]);
        assert_eq!(forgotten.get(), 0);
        // Mixing ends, or begins, for good.
        let mixed = || kin(8, 32, true);
        assert_eq!(turns(&[mixed(), mixed(), mixed(), mixed()]), four);
        // Larger images come to stay: what was captured for smaller ones is given back.
        let large = || kin(8, 48, true);
        assert_eq!(turns(&[large()]), [Usual]);
        assert_eq!(forgotten.get(), 1);
        assert_eq!(turns(&[large(), large(), large()]), four[1..]);
        assert_eq!(turns(&[large()]), [Replay]);
        assert_eq!(forgotten.get(), 1);
    }
}
