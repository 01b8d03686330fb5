//! The seam for training with several processes: what the loop asks of the others. One process asks nobody.

use std::rc::Rc;

use anyhow::Result;
use tch::Tensor;
use torch_ext::c10d::{Overlap, ProcessGroup};

/// What backward goes on with behind the loss's own graph.
pub type Further<'a> = &'a mut dyn FnMut() -> Result<()>;

/// The processes that train one network together, seen from one of them.
pub trait Collective {
    /// This process, from 0. Only rank 0 writes files and talks.
    fn rank(&self) -> usize;

    /// How many there are.
    fn size(&self) -> usize;

    /// Whether a step asks nothing of other processes, as an exchange of gradients does: only then can it be captured.
    fn is_alone(&self) -> bool {
        false
    }

    /// Called once, after weights are loaded and placed: makes every process start from rank 0's tensors and prepares
    /// the exchange of gradients of `parameters`.
    fn attach(&mut self, parameters: &[Tensor], buffers: &[Tensor]) -> Result<()>;

    /// Runs backward from `loss`; with `synchronize`, gradients are averaged over all processes when it returns.
    /// Without (all but the last micro-batch of an accumulated step), they only add up here. `further` is the rest of
    /// backward, which the loss does not know of: segments that are computed anew.
    fn backward(&mut self, loss: &Tensor, synchronize: bool, further: Further<'_>) -> Result<()>;

    /// Sums each number over all processes.
    fn sum(&mut self, values: &mut [f64]) -> Result<()>;

    /// Replaces floating-point tensors by their mean over all processes.
    fn average(&mut self, _tensors: &[Tensor]) -> Result<()> {
        Ok(())
    }

    /// Floating-point tensors of the other processes, from rank 1 on; each process gives as many, of the same shapes.
    fn gather(&mut self, _tensors: &[Tensor]) -> Result<Vec<Vec<Tensor>>> {
        Ok(Vec::new())
    }

    /// Over whom BatchNorm may take its statistics; after [`Collective::attach`].
    fn norm_group(&self) -> Option<Rc<ProcessGroup>> {
        None
    }

    /// Tells the others which step begins, counted from 1, so that they can say where this process was lost.
    fn set_step(&mut self, _epoch: u64, _step: u64) {}

    /// How much of the exchange of gradients was hidden behind backward.
    fn overlap(&self) -> Option<Overlap> {
        None
    }

    /// Waits until all processes are here, however long one of them needs, as long as it is alive: for what only rank 0
    /// does (writing, drawing), which has no time limit.
    fn barrier(&mut self) -> Result<()> {
        Ok(())
    }

    /// Waits for the others at the end of a run that went well.
    fn shut_down(&mut self) -> Result<()> {
        Ok(())
    }

    /// Begins to ask all processes `flags`, in the background: [`Collective::finish_any`] takes it up.
    fn begin_any(&mut self, _flags: [bool; 2]) -> Result<()> {
        Ok(())
    }

    /// Each flag of the last question: true everywhere where it was true anywhere. None: there is nobody to ask.
    fn finish_any(&mut self) -> Result<Option<[bool; 2]>> {
        Ok(None)
    }

    /// True everywhere as soon as it is true anywhere.
    fn any(&mut self, flag: bool) -> Result<bool> {
        let mut value = [f64::from(u8::from(flag))];
        self.sum(&mut value)?;
        Ok(value[0] > 0.0)
    }
}

/// One process.
#[derive(Debug, Default)]
pub struct SingleProcess;

impl Collective for SingleProcess {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn is_alone(&self) -> bool {
        true
    }

    fn attach(&mut self, _parameters: &[Tensor], _buffers: &[Tensor]) -> Result<()> {
        Ok(())
    }

    fn backward(&mut self, loss: &Tensor, _synchronize: bool, further: Further<'_>) -> Result<()> {
        loss.f_backward()?;
        further()
    }

    fn sum(&mut self, _values: &mut [f64]) -> Result<()> {
        Ok(())
    }
}
