//! The seam for training with several processes: what the loop asks of the others. One process asks nobody.

use std::rc::Rc;

use anyhow::Result;
use tch::Tensor;
use torch_ext::c10d::{Overlap, ProcessGroup};

/// The processes that train one network together, seen from one of them.
pub trait World {
    /// This process, from 0. Only rank 0 writes files and talks.
    fn rank(&self) -> usize;

    /// How many there are.
    fn size(&self) -> usize;

    /// Called once, after weights are loaded and placed: makes every process start from rank 0's tensors and prepares
    /// the exchange of gradients of `parameters`.
    fn attach(&mut self, parameters: &[Tensor], buffers: &[Tensor]) -> Result<()>;

    /// Runs backward from `loss`; with `synchronize`, gradients are averaged over all processes when it returns.
    /// Without (all but the last micro-batch of an accumulated step), they only add up here.
    fn backward(&mut self, loss: &Tensor, synchronize: bool) -> Result<()>;

    /// Sums each number over all processes.
    fn sum(&mut self, values: &mut [f64]) -> Result<()>;

    /// The device this process takes where the recipe says `wanted`.
    fn device(&self, wanted: &str) -> String {
        wanted.to_owned()
    }

    /// Replaces floating-point tensors by their mean over all processes.
    fn average(&mut self, _tensors: &[Tensor]) -> Result<()> {
        Ok(())
    }

    /// Over whom BatchNorm may take its statistics; after [`World::attach`].
    fn norm_group(&self) -> Option<Rc<ProcessGroup>> {
        None
    }

    /// Tells the others which step begins, counted from 1, so that they can say where this process was lost.
    fn at(&mut self, _epoch: u64, _step: u64) {}

    /// How much of the exchange of gradients was hidden behind backward.
    fn overlap(&self) -> Option<Overlap> {
        None
    }

    /// Waits for the others at the end of a run that went well.
    fn finish(&mut self) -> Result<()> {
        Ok(())
    }

    /// Begins to ask all processes `flags`, in the background: [`World::answer`] takes it up.
    fn ask(&mut self, _flags: [bool; 2]) -> Result<()> {
        Ok(())
    }

    /// Each flag of the last question: true everywhere where it was true anywhere. None: there is nobody to ask.
    fn answer(&mut self) -> Result<Option<[bool; 2]>> {
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
pub struct Alone;

impl World for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn attach(&mut self, _parameters: &[Tensor], _buffers: &[Tensor]) -> Result<()> {
        Ok(())
    }

    fn backward(&mut self, loss: &Tensor, _synchronize: bool) -> Result<()> {
        Ok(loss.f_backward()?)
    }

    fn sum(&mut self, _values: &mut [f64]) -> Result<()> {
        Ok(())
    }
}
