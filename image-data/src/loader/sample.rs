//! One sample of a batch: read, decoded, augmented; what takes its place when it cannot be read.

use model_core::RgbImage;

use super::{BadImagePolicy, Loader, LoaderError};
use crate::random::{Key, Purpose};
use crate::sampler::SampleRef;
use crate::sandbox::catch;

/// Samples drawn in the place of an unreadable one before giving up.
const REPLACEMENTS: usize = 16;

impl Loader {
    /// Decodes and transforms one sample; `None` when it is to be left out.
    pub(super) fn load(
        &self,
        epoch: u32,
        item: SampleRef,
    ) -> Result<Option<(SampleRef, RgbImage)>, LoaderError> {
        let reason = match self.try_load(epoch, item) {
            Ok(image) => return Ok(Some((item, image))),
            Err(reason) => reason,
        };
        let name = self.source.name(item.index);
        self.report.add(item.index, &name, &reason);
        match self.config.bad_images {
            BadImagePolicy::Fail => return Err(LoaderError::BadImage { name, reason }),
            BadImagePolicy::Skip if !self.config.replace_skipped => return Ok(None),
            BadImagePolicy::Skip => {}
        }
        let key = Key {
            repeat: item.repeat,
            ..self.key(epoch, item, Purpose::Replace)
        };
        let mut random = key.stream();
        for _ in 0..REPLACEMENTS {
            let other = SampleRef {
                index: random.below(self.source.len() as u64) as usize,
                ..item
            };
            match self.try_load(epoch, other) {
                Ok(image) => return Ok(Some((other, image))),
                Err(reason) => {
                    self.report
                        .add(other.index, &self.source.name(other.index), &reason);
                }
            }
        }
        Err(LoaderError::TooManyBad {
            name,
            reason,
            tried: REPLACEMENTS,
        })
    }

    fn try_load(&self, epoch: u32, item: SampleRef) -> Result<RgbImage, String> {
        let work = || -> Result<RgbImage, String> {
            let transform = &self.transform;
            let mut random = self.key(epoch, item, Purpose::Augment).stream();
            let mut cut = false;
            let mut choose = |width, height| {
                let part = transform.part(width, height, &mut random);
                cut = part.is_some();
                part
            };
            let image = self
                .source
                .part(item.index, &mut choose)
                .map_err(|error| error.to_string())?;
            Ok(if cut {
                transform.apply_to_part(image, &mut random)
            } else {
                transform.apply(image, &mut random)
            })
        };
        let image =
            catch(work).unwrap_or_else(|panic| Err(format!("augmentation failed: {panic}")))?;
        let size = self.transform.size();
        if [image.height, image.width] != size {
            return Err(format!(
                "the transform made {} x {} pixels instead of {} x {}",
                image.width, image.height, size[1], size[0]
            ));
        }
        Ok(image)
    }

    fn key(&self, epoch: u32, item: SampleRef, purpose: Purpose) -> Key {
        let seed = self.sampler.seed;
        Key {
            repeat: item.repeat,
            ..Key::new(seed, epoch, item.index as u64, purpose)
        }
    }
}
