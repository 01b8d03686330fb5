//! Many images through one classifier: worker threads decode and preprocess while the calling thread runs the
//! network on whatever batch is ready. Answers come in the order of the questions, and memory stays bounded however
//! long the list is.

mod queue;
mod runner;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, mpsc};
use std::thread;

use image_data::decode::{Damage, DecodeConfig, Decoded, Format, decode_full, read_file};
use model_core::RgbImage;
use model_core::scores::DEFAULT_TOP_K;

use crate::classifier::check_numbers;
use crate::{Cancel, Classifier, InferenceError, Prediction};
use queue::{Shared, Window};
use runner::Runner;

/// An image to classify.
#[derive(Clone, Debug)]
pub enum Source {
    /// An image file.
    File(PathBuf),
    /// An image file's content, and what to call it.
    Bytes {
        /// Shown in answers.
        name: String,
        /// The encoded image.
        bytes: Vec<u8>,
    },
    /// Something that could not even be listed; comes back as a failed answer in its place.
    Failed {
        /// Shown in answers.
        name: String,
        /// Why.
        error: String,
    },
}

impl Source {
    /// What answers call it.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Bytes { name, .. } | Self::Failed { name, .. } => name.clone(),
        }
    }
}

/// How to work through a list.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    /// Predictions an image.
    pub top_k: usize,
    /// Images in one run of the network; 0 asks the engine.
    pub batch: usize,
    /// Threads that decode; 0 takes as many as run the network.
    pub decode_threads: usize,
    /// How to decode; none: as the model's manifest says.
    pub decode: Option<DecodeConfig>,
    /// Keep the pixels and the numbers the network saw in [`Outcome`].
    pub keep_input: bool,
    /// Checked between images.
    pub cancel: Cancel,
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            top_k: DEFAULT_TOP_K,
            batch: 0,
            decode_threads: 0,
            decode: None,
            keep_input: false,
            cancel: Cancel::default(),
        }
    }
}

/// One image's answer.
#[derive(Debug)]
pub struct Answer {
    /// Place of the source in the list, from 0.
    pub index: usize,
    /// [`Source::name`]: text to show, in which what is not UTF-8 is replaced.
    pub name: String,
    /// The file itself, when the source was one.
    pub path: Option<PathBuf>,
    /// What the network said, or why it said nothing.
    pub result: Result<Outcome, Failure>,
}

/// Why one image has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The file could not be read or decoded, or the network failed.
    #[error(transparent)]
    Error(#[from] InferenceError),
    /// It could not be listed.
    #[error("{0}")]
    Listing(String),
}

/// What the network said of one image.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The best classes.
    pub predictions: Vec<Prediction>,
    /// The scores of all classes, in the order of the labels.
    pub probabilities: Vec<f32>,
    /// The network's own output, before softmax and temperature.
    pub output: Vec<f32>,
    /// Width and height of the decoded image.
    pub size: [u32; 2],
    /// What the file is, whatever it is called.
    pub format: Format,
    /// What the decoder had to work around, so that the answer may be about a picture that is not whole.
    pub damage: Option<Damage>,
    /// The crop and the numbers the network saw, when [`StreamConfig::keep_input`] asked for them.
    pub input: Option<(RgbImage, Vec<f32>)>,
}

/// More threads than this decode no faster, and each holds a picture.
const MAX_DECODE_THREADS: usize = 256;

struct Prepared {
    input: Vec<f32>,
    /// The picture itself, for networks that take pictures.
    picture: Option<RgbImage>,
    crop: Option<RgbImage>,
    size: [u32; 2],
    format: Format,
    damage: Option<Damage>,
}

struct Item {
    name: String,
    path: Option<PathBuf>,
    result: Result<Prepared, Failure>,
}

impl Classifier {
    /// Classifies every source and hands the answers to `on_answer` in order, each as soon as it is known.
    ///
    /// A source that fails gives a failed answer and the rest goes on. `on_answer` may stop with
    /// [`ControlFlow::Break`].
    ///
    /// # Errors
    /// [`InferenceError::Cancelled`] when [`StreamConfig::cancel`] was set; [`InferenceError::Engine`] when the network
    /// failed, which no later image would mend.
    pub fn stream<I>(
        &self,
        sources: I,
        config: &StreamConfig,
        mut on_answer: impl FnMut(Answer) -> ControlFlow<()>,
    ) -> Result<(), InferenceError>
    where
        I: IntoIterator<Item = Source>,
        I::IntoIter: Send,
    {
        let batch = match config.batch {
            0 => self.preferred_batch(),
            n => n,
        };
        let workers = match config.decode_threads {
            0 => self.model().threads.max(1),
            n => n,
        }
        .min(MAX_DECODE_THREADS);
        let window = 2 * batch + workers;
        let shared = Shared {
            sources: Mutex::new((sources.into_iter(), 0)),
            window: Mutex::new(Window {
                limit: window,
                closed: false,
            }),
            moved: Condvar::new(),
        };
        let (sender, receiver) = mpsc::channel::<(usize, Item)>();
        let mut runner = Runner {
            classifier: self,
            config,
            waiting: BTreeMap::new(),
            next: 0,
        };
        let work = |sender: mpsc::Sender<(usize, Item)>| {
            while let Some((index, source)) = shared.take(&config.cancel) {
                let item = self.item(source, config);
                if sender.send((index, item)).is_err() {
                    break;
                }
            }
        };
        let work = &work;
        thread::scope(|scope| {
            // A thread that cannot be had makes this slower, not wrong.
            let started = (0..workers)
                .map_while(|_| {
                    let sender = sender.clone();
                    let worker = thread::Builder::new();
                    worker.spawn_scoped(scope, move || work(sender)).ok()
                })
                .count();
            drop(sender);
            let result = if started == 0 {
                self.alone(&shared, &mut runner, &mut on_answer)
            } else {
                runner.run(&receiver, batch, &mut on_answer, |emitted| {
                    shared.allow(emitted + window);
                })
            };
            shared.close();
            result
        })
    }

    /// Classifies one decoded picture, apart from any stream.
    ///
    /// # Errors
    /// [`InferenceError::Engine`] when the network failed, [`InferenceError::NotANumber`] when its output holds NaN.
    pub fn classify_decoded(
        &self,
        decoded: Decoded,
        top_k: usize,
    ) -> Result<Outcome, InferenceError> {
        let Decoded {
            image,
            format,
            damage,
            ..
        } = decoded;
        let output = self.logits(&image)?;
        check_numbers(&output)?;
        let probabilities = self.probabilities(&output);
        Ok(Outcome {
            predictions: self.predictions(&probabilities, top_k),
            probabilities,
            output,
            size: [image.width, image.height],
            format,
            damage,
            input: None,
        })
    }

    /// One image after the other on this thread, where no other can be had.
    fn alone<I: Iterator<Item = Source>>(
        &self,
        shared: &Shared<I>,
        runner: &mut Runner<'_>,
        on_answer: &mut impl FnMut(Answer) -> ControlFlow<()>,
    ) -> Result<(), InferenceError> {
        let config = runner.config;
        while let Some((index, source)) = shared.take(&config.cancel) {
            let item = self.item(source, config);
            if runner.answer(vec![item], on_answer)?.is_break() {
                return Ok(());
            }
            shared.allow(index + 2);
        }
        config.cancel.check()
    }

    /// A source prepared, with what it is called.
    fn item(&self, source: Source, config: &StreamConfig) -> Item {
        let name = source.name();
        let path = match &source {
            Source::File(path) => Some(path.clone()),
            _ => None,
        };
        let result = self.prepare(source, config);
        Item { name, path, result }
    }

    fn prepare(&self, source: Source, config: &StreamConfig) -> Result<Prepared, Failure> {
        let decode_config = config.decode.unwrap_or_else(|| self.decode_config());
        let Decoded {
            image,
            format,
            damage,
            ..
        } = match source {
            Source::File(path) => read_file(&path, &decode_config.limits)
                .and_then(|bytes| decode_full(&bytes, &decode_config)),
            Source::Bytes { bytes, .. } => decode_full(&bytes, &decode_config),
            Source::Failed { error, .. } => return Err(Failure::Listing(error)),
        }
        .map_err(InferenceError::from)?;
        let preprocessing = &self.model().manifest.preprocessing;
        let crop = preprocessing.crop_pixels(&image);
        let mut input = vec![0.0; self.input_len()];
        preprocessing.normalize_into(&crop, &mut input);
        Ok(Prepared {
            input,
            crop: config.keep_input.then_some(crop),
            size: [image.width, image.height],
            format,
            damage,
            picture: self.takes_pictures.then_some(image),
        })
    }
}
