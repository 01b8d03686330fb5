//! From the loader's RGB bytes to the network's input on its device: the normalization of `model_core::Preprocessing`,
//! channel order included, as one multiplication and one addition.

use anyhow::Result;
use model_core::preprocessing::{ChannelOrder, Preprocessing};
use tch::{Device, Kind, Tensor};

/// Normalization constants on a device.
#[derive(Debug)]
pub struct Normalizer {
    /// `[1, 3, 1, 1]`: multiplies the byte.
    scale: Tensor,
    /// `[1, 3, 1, 1]`: added then.
    shift: Tensor,
    channels: ChannelOrder,
    device: Device,
}

impl Normalizer {
    /// The constants of a preprocessing: `(p / pixel_max - mean) / std`, as one multiplication and one addition.
    pub fn new(preprocessing: &Preprocessing, device: Device) -> Result<Self> {
        let p = preprocessing;
        let scale = p.std.map(|std| 1.0 / (p.pixel_max * std));
        let shift = [0, 1, 2].map(|c| -p.mean[c] / p.std[c]);
        let tensor = |values: &[f32]| -> Result<Tensor> {
            Ok(Tensor::f_from_slice(values)?
                .f_view([1, 3, 1, 1])?
                .f_to_device(device)?)
        };
        Ok(Self {
            scale: tensor(&scale)?,
            shift: tensor(&shift)?,
            channels: p.channels,
            device,
        })
    }

    /// RGB bytes `[N, 3, H, W]` on the host to f32 `[N, 3, H, W]` on the device, channels in the order of the network.
    pub fn apply(&self, pixels: &Tensor) -> Result<Tensor> {
        let pixels = pixels.f_to_device_(self.device, Kind::Uint8, true, false)?;
        let floats = pixels.f_to_kind(Kind::Float)?;
        let rgb = self.shift.f_addcmul(&floats, &self.scale)?;
        Ok(match self.channels {
            ChannelOrder::Rgb => rgb,
            ChannelOrder::Bgr => rgb.f_flip([1])?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model_core::pixels::RgbImage;

    #[test]
    fn agrees_with_the_evaluation_preprocessing() {
        let data: Vec<u8> = (0..=255).cycle().take(3 * 16 * 16).collect();
        let image = RgbImage::new(16, 16, data.clone()).unwrap();
        let bytes = Tensor::from_slice(&data)
            .view([1, 16, 16, 3])
            .permute([0, 3, 1, 2]);
        for channels in [ChannelOrder::Rgb, ChannelOrder::Bgr] {
            let preprocessing = Preprocessing {
                channels,
                ..Preprocessing::imagenet()
            };
            let mut expected = vec![0.0; data.len()];
            preprocessing.normalize_into(&image, &mut expected);
            let got = Normalizer::new(&preprocessing, Device::Cpu)
                .unwrap()
                .apply(&bytes)
                .unwrap();
            let expected = Tensor::from_slice(&expected).view([1, 3, 16, 16]);
            let difference = (got - expected).abs().max().double_value(&[]);
            assert!(difference < 1e-6, "{channels:?}: {difference}");
        }
    }
}
