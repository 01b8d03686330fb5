//! One sample of a batch: read, decoded, augmented; what takes its place when it cannot be read.

use std::sync::Arc;

use model_core::RgbImage;

use super::{BadImagePolicy, BadImageReport, LoaderError};
use crate::augment::Transform;
use crate::random::{Key, Purpose};
use crate::sampler::SampleRef;
use crate::sandbox::catch;
use crate::source::SampleSource;

/// Samples drawn in the place of an unreadable one before giving up.
const REPLACEMENTS: usize = 16;

/// What a sample is made with.
#[derive(Clone)]
pub(super) struct SampleMaker {
    pub source: Arc<dyn SampleSource>,
    pub transform: Arc<dyn Transform>,
    /// The run's.
    pub seed: u64,
    pub bad_images: BadImagePolicy,
    /// Another sample takes the place of one that is skipped.
    pub replace_skipped: bool,
    pub report: BadImageReport,
}

impl SampleMaker {
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
        match self.bad_images {
            BadImagePolicy::Fail => return Err(LoaderError::BadImage { name, reason }),
            BadImagePolicy::Skip if !self.replace_skipped => return Ok(None),
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
                .part(item.index, transform.least_part(), &mut choose)
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
        Key {
            repeat: item.repeat,
            ..Key::new(self.seed, epoch, item.index as u64, purpose)
        }
    }
}
