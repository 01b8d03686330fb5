//! Where samples come from: one picture and one label per index. A folder of files here; a packed cache or synthetic
//! pictures implement the same trait.

use std::sync::Arc;

use model_core::RgbImage;
use model_core::resample::Rect;

use crate::dataset::Sample;
use crate::decode::{DecodeConfig, DecodeError, decode, decode_part, decode_smaller_part};
use crate::folder::Folder;
use crate::remote::{self, Mirror};

/// Labeled pictures, addressed by index, read from several threads at once.
pub trait SampleSource: Send + Sync {
    /// Number of samples.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Class index of a sample.
    fn label(&self, index: usize) -> usize;

    /// What to call the sample in a report: its path.
    fn name(&self, index: usize) -> String;

    /// These samples are wanted soon, in this order. A source that waits for its bytes may begin.
    fn read_ahead(&self, indices: &[usize]) {
        let _ = indices;
    }

    /// Decodes a sample.
    ///
    /// # Errors
    /// [`DecodeError`] when it is no readable image.
    fn image(&self, index: usize) -> Result<RgbImage, DecodeError>;

    /// Decodes the part of a sample that `choose` asks for once its width and height are known, or all of it for `None`.
    /// A source that was told to may give the part smaller, with no fewer rows and columns than `least`.
    ///
    /// # Errors
    /// As [`SampleSource::image`].
    fn part(
        &self,
        index: usize,
        least: Option<[u32; 2]>,
        choose: &mut dyn FnMut(u32, u32) -> Option<Rect>,
    ) -> Result<RgbImage, DecodeError> {
        let _ = least;
        let image = self.image(index)?;
        Ok(match choose(image.width, image.height) {
            Some(part) => image.crop(part.x, part.y, part.width, part.height),
            None => image,
        })
    }
}

/// The files of a [`Folder`].
#[derive(Clone)]
pub struct FolderSource {
    folder: Folder,
    config: DecodeConfig,
    /// Parts that will be shrunk may be decoded smaller.
    decodes_smaller: bool,
    /// Where the folder is the mirror of an object store.
    mirror: Option<Arc<Mirror>>,
}

impl FolderSource {
    /// Reads `folder` with `config`; [`DecodeConfig::torchvision`] for training and published accuracies.
    pub fn new(folder: Folder, config: DecodeConfig) -> Self {
        Self {
            mirror: remote::mirror_of(&folder.root),
            folder,
            config,
            decodes_smaller: false,
        }
    }

    /// Whether parts that will be shrunk to half or less are decoded at a half, a quarter or an eighth of their size, see
    /// [`decode_smaller_part`]. Off by default.
    pub fn decode_smaller(self, yes: bool) -> Self {
        Self {
            decodes_smaller: yes,
            ..self
        }
    }

    /// The folder behind it.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }
}

impl SampleSource for FolderSource {
    fn len(&self) -> usize {
        self.folder.samples.len()
    }

    fn label(&self, index: usize) -> usize {
        self.folder.samples[index].class
    }

    fn name(&self, index: usize) -> String {
        remote::name(&self.folder.samples[index].path)
    }

    fn read_ahead(&self, indices: &[usize]) {
        let Some(mirror) = &self.mirror else {
            return;
        };
        let samples = indices.iter().map(|&index| &self.folder.samples[index]);
        mirror.read_ahead(
            samples
                .filter_map(Sample::stretch)
                .map(|(path, offset, length)| (path.to_owned(), offset, length)),
        );
    }

    fn image(&self, index: usize) -> Result<RgbImage, DecodeError> {
        let bytes = self.folder.samples[index].read(&self.config.limits)?;
        decode(&bytes, &self.config)
    }

    fn part(
        &self,
        index: usize,
        least: Option<[u32; 2]>,
        choose: &mut dyn FnMut(u32, u32) -> Option<Rect>,
    ) -> Result<RgbImage, DecodeError> {
        let bytes = self.folder.samples[index].read(&self.config.limits)?;
        match least.filter(|_| self.decodes_smaller) {
            Some(least) => decode_smaller_part(&bytes, &self.config, least, choose),
            None => decode_part(&bytes, &self.config, choose),
        }
    }
}
