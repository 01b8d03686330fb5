//! Arithmetic: which dtype and memory layout a run uses, and the loss scaler that fp16 needs.

use anyhow::{Result, bail};
use tch::{Device, Kind, Tensor};
use torch_ext::amp::{ScaleUpdate, unscale, update_scale};
use torch_ext::backend::Float32Precision;

use crate::recipe::{Recipe, TrainPrecision};

/// What `auto` and the recipe came to on this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arithmetic {
    /// Autocast to this dtype; none is plain fp32.
    pub autocast: Option<Kind>,
    /// In training CUDA's convolutions and matrix products round their factors to TF32; validation and stored logits never do.
    pub tf32: bool,
    /// `[N, H, W, C]` in memory.
    pub channels_last: bool,
}

impl Arithmetic {
    /// Decides from the recipe and the device.
    ///
    /// # Errors
    /// A low precision asked for on a device that has no autocast.
    pub fn choose(recipe: &Recipe, device: Device) -> Result<Self> {
        let autocast = match recipe.precision {
            TrainPrecision::Fp32 | TrainPrecision::Tf32 => None,
            TrainPrecision::Bf16 => Some(Kind::BFloat16),
            TrainPrecision::Fp16 => Some(Kind::Half),
            TrainPrecision::Auto => match device {
                Device::Cpu if torch_ext::cpu::has_bf16() => Some(Kind::BFloat16),
                Device::Cuda(index) => Some(cuda_kind(index)),
                _ => None,
            },
        };
        let fast = matches!(device, Device::Cpu | Device::Cuda(_));
        if autocast.is_some() && !fast {
            bail!(
                "precision: autocast is for cpu and cuda, {device:?} computes in fp32 (--precision fp32)"
            );
        }
        let tf32 = recipe.precision == TrainPrecision::Tf32;
        if tf32 && !matches!(device, Device::Cuda(_)) {
            bail!("precision: tf32 is for cuda, {device:?} computes in fp32 (--precision fp32)");
        }
        Ok(Self {
            autocast,
            tf32,
            channels_last: recipe.channels_last.unwrap_or(fast),
        })
    }

    /// Sets what libtorch's fp32 kernels may do inside from here on: TF32 only in training, and only by choice.
    pub fn set_kernels(self, is_training: bool) -> Result<()> {
        let precision = if self.tf32 && is_training {
            Float32Precision::Tf32
        } else {
            Float32Precision::Ieee
        };
        Ok(torch_ext::backend::set_float32_precision(precision)?)
    }

    /// In words.
    pub fn describe(self) -> String {
        let kind = match self.autocast {
            None if self.tf32 => "fp32 weights, TF32 products in training",
            None => "fp32",
            Some(Kind::BFloat16) => "bf16 autocast",
            Some(_) => "fp16 autocast with loss scaling",
        };
        let layout = if self.channels_last {
            "channels_last"
        } else {
            "contiguous"
        };
        format!("{kind}, {layout}")
    }
}

/// bf16 since Ampere (compute capability 8), fp16 before.
fn cuda_kind(index: usize) -> Kind {
    match torch_ext::cuda::driver() {
        Ok(driver) => match driver.devices.get(index) {
            Some(gpu) if gpu.capability.0 >= 8 => Kind::BFloat16,
            _ => Kind::Half,
        },
        Err(_) => Kind::Half,
    }
}

/// Dynamic loss scaling with `torch.amp.GradScaler`'s numbers: start 65536, halve on overflow, double after 2000 finite
/// steps; unlike there, the scale has a floor. Without fp16 it stays at 1 and only looks for non-finite gradients.
pub struct Scaler {
    scale: Tensor,
    growth_tracker: Tensor,
    found_inf: Tensor,
    floor: f64,
    enabled: bool,
}

/// PyTorch's `init_scale`.
const INITIAL_SCALE: f64 = 65_536.0;

impl Scaler {
    /// A scaler on the parameters' device.
    pub fn new(enabled: bool, floor: f64, device: Device) -> Result<Self> {
        let scale = if enabled { INITIAL_SCALE } else { 1.0 };
        Ok(Self {
            scale: Tensor::f_full([1], scale, (Kind::Float, device))?,
            growth_tracker: Tensor::f_zeros([1], (Kind::Int, device))?,
            found_inf: Tensor::f_zeros([1], (Kind::Float, device))?,
            floor,
            enabled,
        })
    }

    /// The loss to run backward from.
    pub fn scale(&self, loss: &Tensor) -> Result<Tensor> {
        if self.enabled {
            Ok(loss.f_mul(&self.scale.f_squeeze()?)?)
        } else {
            Ok(loss.shallow_clone())
        }
    }

    /// Divides the gradients by the scale, and notes on the device whether one of them is not finite.
    pub fn unscale(&mut self, gradients: &[Tensor]) -> Result<()> {
        tch::no_grad(|| {
            let _ = self.found_inf.f_zero_()?;
            let inverse = self.scale.f_reciprocal()?;
            Ok(unscale(gradients, &self.found_inf, &inverse)?)
        })
    }

    /// 1 where a gradient of the last [`Scaler::unscale`] was not finite, else 0: f32 `[1]` on the device.
    pub fn found_inf(&self) -> &Tensor {
        &self.found_inf
    }

    /// Whether all gradients of the last [`Scaler::unscale`] were finite; waits for the device.
    pub fn is_finite(&self) -> Result<bool> {
        Ok(self.found_inf.f_double_value(&[0])? == 0.0)
    }

    /// Moves the scale after a step taken or skipped.
    pub fn update(&mut self) -> Result<()> {
        if !self.enabled {
            return Ok(());
        }
        update_scale(
            &self.scale,
            &self.growth_tracker,
            &self.found_inf,
            &ScaleUpdate::default(),
        )?;
        let _ = tch::no_grad(|| self.scale.f_clamp_min_(self.floor))?;
        Ok(())
    }

    /// Whether overflow is expected now and then.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// The scale and the count of finite steps since it last moved.
    pub fn state(&self) -> Result<(f64, i64)> {
        Ok((
            self.scale.f_double_value(&[0])?,
            self.growth_tracker.f_int64_value(&[0])?,
        ))
    }

    /// Takes up a saved state.
    pub fn restore(&mut self, (scale, tracker): (f64, i64)) -> Result<()> {
        if self.enabled {
            let _ = self.scale.f_fill_(scale)?;
            let _ = self.growth_tracker.f_fill_(tracker)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unscale(scaler: &mut Scaler, gradient: &Tensor) -> bool {
        scaler.unscale(std::slice::from_ref(gradient)).unwrap();
        scaler.is_finite().unwrap()
    }

    /// `torch.amp.GradScaler`, documented behavior: unscale divides, an overflow halves, 2000 finite steps double.
    #[test]
    fn moves_as_pytorchs_grad_scaler() {
        let mut scaler = Scaler::new(true, 128.0, Device::Cpu).unwrap();
        let gradient = Tensor::from_slice(&[65_536.0_f32, -131_072.0]);
        assert!(unscale(&mut scaler, &gradient));
        assert_eq!(Vec::<f32>::try_from(&gradient).unwrap(), [1.0, -2.0]);
        scaler.update().unwrap();
        assert_eq!(scaler.state().unwrap(), (65_536.0, 1));

        let overflow = Tensor::from_slice(&[f32::INFINITY]);
        assert!(!unscale(&mut scaler, &overflow));
        scaler.update().unwrap();
        assert_eq!(scaler.state().unwrap(), (32_768.0, 0));

        for _ in 0..2000 {
            assert!(unscale(&mut scaler, &Tensor::from_slice(&[1.0_f32])));
            scaler.update().unwrap();
        }
        assert_eq!(scaler.state().unwrap(), (65_536.0, 0));
    }

    #[test]
    fn the_scale_has_a_floor_and_survives_saving() {
        let mut scaler = Scaler::new(true, 128.0, Device::Cpu).unwrap();
        for _ in 0..20 {
            assert!(!unscale(&mut scaler, &Tensor::from_slice(&[f32::NAN])));
            scaler.update().unwrap();
        }
        assert_eq!(scaler.state().unwrap(), (128.0, 0));
        let mut other = Scaler::new(true, 128.0, Device::Cpu).unwrap();
        other.restore((512.0, 7)).unwrap();
        assert_eq!(other.state().unwrap(), (512.0, 7));
        assert_eq!(
            other
                .scale(&Tensor::from(2.0_f32))
                .unwrap()
                .double_value(&[]),
            1024.0
        );
    }

    #[test]
    fn switched_off_it_only_looks() {
        let mut scaler = Scaler::new(false, 128.0, Device::Cpu).unwrap();
        let gradient = Tensor::from_slice(&[3.0_f32]);
        assert!(unscale(&mut scaler, &gradient));
        assert_eq!(gradient.double_value(&[0]), 3.0);
        assert!(!unscale(&mut scaler, &Tensor::from_slice(&[f32::NAN])));
        scaler.update().unwrap();
        assert_eq!(scaler.state().unwrap(), (1.0, 0));
    }
}
