//! SGD, AdamW and LAMB over fused kernels, with state that is ours to save: named tensors and a step count.
//!
//! What an optimizer keeps, does and says are the three matches on [`OptimizerKind`] below; none has a wildcard.

use anyhow::{Context, Result, bail};
use model_core::arch::TensorKind;
use tch::{Tensor, no_grad};
use torch_ext::optim::{Adam, OnDevice, Sgd, fused_adamw, fused_sgd, lamb};

use crate::model::TorchNetwork;
use crate::recipe::{OptimizerConfig, OptimizerKind};

/// Parameters that share their constants.
struct Group {
    parameters: Vec<Tensor>,
    /// A list for each of the kind's slots, one tensor a parameter.
    slots: Vec<Vec<Tensor>>,
    /// The fused AdamW's step counters on the device, one a parameter.
    counters: Vec<Tensor>,
    names: Vec<String>,
    lr_factor: f64,
    weight_decay: f64,
    /// LAMB's layer-wise rate: timm leaves it off where there is no decay.
    trust_ratio: bool,
}

impl OptimizerKind {
    /// Names of the buffers that it keeps for each parameter, as they are saved.
    fn slots(self) -> &'static [&'static str] {
        match self {
            Self::Sgd => &["momentum"],
            Self::Adamw | Self::Lamb => &["exp_avg", "exp_avg_sq"],
        }
    }
}

/// An optimizer over a network's trainable parameters.
pub struct Optimizer {
    settings: OptimizerConfig,
    groups: Vec<Group>,
    steps: i64,
    /// Of the step that comes next, before each group's factor.
    learning_rate: f64,
    /// The same with the factors, f32 `[groups]` on the parameters' device, where it is read there.
    rates: Option<Tensor>,
}

impl Optimizer {
    /// State of zeros for every trainable parameter. After the network was placed and frozen.
    pub fn new(settings: &OptimizerConfig, network: &TorchNetwork) -> Result<Self> {
        let mut groups: Vec<Group> = Vec::new();
        let slots = settings.kind.slots();
        let head = format!("{}.", network.classifier());
        let places = block_places(network);
        let last = places.last().copied().unwrap_or_default();
        for (named, place) in network.tensors().iter().zip(places) {
            if !named.kind.is_parameter() || named.frozen {
                continue;
            }
            let depth = (last - place) as i32;
            let mut lr_factor = settings.layer_decay.powi(depth);
            if !named.name.starts_with(&head) {
                lr_factor *= settings.body_lr_factor;
            }
            if named.kind == TensorKind::NormBias {
                lr_factor *= settings.norm_bias_lr_factor;
            }
            let decays = settings.decay_norm_and_bias || named.kind == TensorKind::Weight;
            let weight_decay = match decays {
                // What does not move does not decay either.
                true if settings.equal_decay && lr_factor > 0.0 => {
                    settings.weight_decay / lr_factor
                }
                true => settings.weight_decay,
                false => 0.0,
            };
            let trust_ratio = weight_decay != 0.0;
            let same = |g: &&mut Group| {
                g.lr_factor == lr_factor
                    && g.weight_decay == weight_decay
                    && g.trust_ratio == trust_ratio
            };
            if groups.iter_mut().find(same).is_none() {
                groups.push(Group {
                    parameters: Vec::new(),
                    slots: slots.iter().map(|_| Vec::new()).collect(),
                    counters: Vec::new(),
                    names: Vec::new(),
                    lr_factor,
                    weight_decay,
                    trust_ratio,
                });
            }
            let group = groups
                .iter_mut()
                .find(same)
                .context("the group made above")?;
            let tensor = &named.tensor;
            for slot in &mut group.slots {
                slot.push(no_grad(|| tensor.f_zeros_like())?);
            }
            let counter = Tensor::f_zeros([1], (tch::Kind::Float, tensor.device()))?;
            group.counters.push(counter);
            group.names.push(named.name.clone());
            group.parameters.push(tensor.shallow_clone());
        }
        if groups.is_empty() {
            bail!("every parameter is frozen: nothing to train");
        }
        Ok(Self {
            settings: settings.clone(),
            groups,
            steps: 0,
            learning_rate: settings.learning_rate,
            rates: None,
        })
    }

    /// Every parameter it moves, group by group.
    pub fn parameters(&self) -> Vec<Tensor> {
        let all = self.groups.iter().flat_map(|group| &group.parameters);
        all.map(Tensor::shallow_clone).collect()
    }

    /// Steps taken.
    pub fn steps(&self) -> i64 {
        self.steps
    }

    /// Forgets the gradients.
    pub fn zero_grad(&self) -> Result<()> {
        for group in &self.groups {
            torch_ext::grad::reset_grads(&group.parameters)?;
        }
        Ok(())
    }

    /// Whether [`Optimizer::step`] can leave a step out by itself: LAMB's correction for young averages counts the steps on
    /// the host.
    pub fn can_skip(&self) -> bool {
        self.settings.kind != OptimizerKind::Lamb
    }

    /// So many of the steps counted were left out by the device.
    pub fn uncount(&mut self, skipped: i64) {
        self.steps -= skipped;
    }

    /// From now on a step reads its rate on the parameters' device, as a number of 32 bits: a step that is captured once
    /// takes the rate of the time when it is replayed. LAMB is told its rate all the same.
    ///
    /// # Errors
    /// Only what libtorch itself reports.
    pub fn keep_rate_on_device(&mut self) -> Result<()> {
        let first = self
            .groups
            .first()
            .and_then(|group| group.parameters.first());
        let device = first.context("a parameter to train")?.device();
        let rates = Tensor::f_zeros([self.groups.len() as i64], (tch::Kind::Float, device))?;
        self.rates = Some(rates);
        self.set_rate(self.learning_rate)
    }

    /// Steps are taken at `learning_rate` times each group's factor from now on.
    ///
    /// # Errors
    /// Only what libtorch itself reports.
    pub fn set_rate(&mut self, learning_rate: f64) -> Result<()> {
        self.learning_rate = learning_rate;
        let Some(rates) = &self.rates else {
            return Ok(());
        };
        for (index, group) in self.groups.iter().enumerate() {
            let rate = learning_rate * group.lr_factor;
            // A number that travels with the command: nothing waits, as it would for a copy of a tensor.
            let _ = no_grad(|| rates.f_narrow(0, index as i64, 1)?.f_fill_(rate))?;
        }
        Ok(())
    }

    /// A whole step at `learning_rate`: set, applied, counted.
    ///
    /// # Errors
    /// As [`Optimizer::apply`].
    pub fn step(&mut self, learning_rate: f64, found_inf: Option<&Tensor>) -> Result<()> {
        self.set_rate(learning_rate)?;
        self.apply(found_inf)?;
        self.count_step();
        Ok(())
    }

    /// One more step was taken.
    pub fn count_step(&mut self) {
        self.steps += 1;
    }

    /// Moves the parameters by their gradients, at the rate of [`Optimizer::set_rate`]; [`Optimizer::count_step`]
    /// belongs behind it. Nothing moves where `found_inf` (f32 `[1]` on the device) is 1, if it is given.
    ///
    /// # Errors
    /// A parameter without a gradient.
    pub fn apply(&mut self, found_inf: Option<&Tensor>) -> Result<()> {
        let steps = self.steps + 1;
        let s = &self.settings;
        for (index, group) in self.groups.iter().enumerate() {
            let grads = torch_ext::grad::grads(&group.parameters)?;
            let lr = self.learning_rate * group.lr_factor;
            let rates = self.rates.as_ref();
            let rate = rates
                .map(|rates| rates.f_narrow(0, index as i64, 1))
                .transpose()?;
            let on_device = OnDevice {
                grad_scale: None,
                found_inf,
                rate: rate.as_ref(),
            };
            let adam = Adam {
                lr,
                beta1: s.betas[0],
                beta2: s.betas[1],
                eps: s.eps,
                weight_decay: group.weight_decay,
            };
            let Group {
                parameters,
                slots,
                counters,
                ..
            } = group;
            // As many lists as `OptimizerKind::slots` names.
            match s.kind {
                OptimizerKind::Sgd => {
                    let sgd = Sgd {
                        lr,
                        momentum: s.momentum,
                        dampening: 0.0,
                        weight_decay: group.weight_decay,
                        nesterov: s.nesterov,
                    };
                    let buffers: &[Tensor] = if s.momentum == 0.0 { &[] } else { &slots[0] };
                    // Zero buffers make the first step like any other.
                    fused_sgd(parameters, &grads, buffers, &sgd, false, on_device)?;
                }
                OptimizerKind::Adamw => {
                    let (first, second) = (&slots[0], &slots[1]);
                    fused_adamw(
                        parameters, &grads, first, second, counters, &adam, on_device,
                    )?;
                }
                OptimizerKind::Lamb => {
                    lamb(
                        parameters,
                        &grads,
                        &slots[0],
                        &slots[1],
                        steps,
                        &adam,
                        group.trust_ratio,
                    )?;
                }
            }
        }
        Ok(())
    }

    /// The state as named tensors, for a checkpoint: `momentum.NAME`, or `exp_avg.NAME` and `exp_avg_sq.NAME`.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let mut state = Vec::new();
        for group in &self.groups {
            for (i, name) in group.names.iter().enumerate() {
                for (slot, tensors) in self.settings.kind.slots().iter().zip(&group.slots) {
                    state.push((format!("{slot}.{name}"), tensors[i].shallow_clone()));
                }
            }
        }
        state
    }

    /// Takes up a saved state's step count; the caller copies the tensors into [`Optimizer::state`]'s handles.
    pub fn set_steps(&mut self, steps: i64) -> Result<()> {
        self.steps = steps;
        for counter in self.groups.iter_mut().flat_map(|group| &mut group.counters) {
            let _ = no_grad(|| counter.f_fill_(steps as f64))?;
        }
        Ok(())
    }

    /// One line for the log: groups, sizes and constants.
    pub fn describe(&self) -> String {
        let s = &self.settings;
        let name = match s.kind {
            OptimizerKind::Sgd if s.nesterov => format!("SGD (Nesterov momentum {})", s.momentum),
            OptimizerKind::Sgd => format!("SGD (momentum {})", s.momentum),
            OptimizerKind::Adamw => format!("AdamW (betas {:?}, eps {})", s.betas, s.eps),
            OptimizerKind::Lamb => format!("LAMB (betas {:?}, eps {})", s.betas, s.eps),
        };
        let groups: Vec<String> = self
            .groups
            .iter()
            .map(|g| {
                format!(
                    "{} tensors: rate x{}, weight decay {}",
                    g.names.len(),
                    g.lr_factor,
                    g.weight_decay
                )
            })
            .collect();
        format!("{name}; {}", groups.join("; "))
    }
}

/// For every tensor of the network, the place of its block: the stem is 0, then each residual block (`layer1.0`,
/// `blocks.2.1`), the classifier last. A norm on its own belongs to the convolution before it.
fn block_places(network: &TorchNetwork) -> Vec<usize> {
    let mut places = Vec::with_capacity(network.tensors().len());
    let mut present: Option<String> = None;
    let mut place = 0;
    for named in network.tensors() {
        let block = block_name(&named.name);
        let is_norm = !matches!(named.kind, TensorKind::Weight | TensorKind::Bias);
        let stands_alone = is_norm && !block.contains('.');
        if present.as_ref() != Some(&block) && !stands_alone {
            place += usize::from(present.is_some());
            present = Some(block);
        }
        places.push(place);
    }
    places
}

/// The part of a tensor's name that names its block.
fn block_name(name: &str) -> String {
    let parts: Vec<&str> = name.split('.').collect();
    let numbers = parts[1..]
        .iter()
        .take_while(|part| part.parse::<u32>().is_ok());
    parts[..1 + numbers.count()].join(".")
}

#[cfg(test)]
mod tests;
