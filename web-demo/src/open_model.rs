//! A model that is open, and its answers as JSON: the keys are those of `infer-cli --json` and of `infer-cli serve`.
//!
//! Not here: how bytes come from JavaScript (the crate's root).

use image_data::decode::{DecodeConfig, DecodeLimits, Decoded, Format, decode_full};
use image_data::formats;
use inference::explain::{ExplainConfig, Method, explain};
use inference::{
    Cancel, Classifier, ClassifierConfig, EverydayAnswer, InferenceError, Prediction, RgbImage,
};
use model_core::diagnostic::Diagnose;
use model_core::hierarchy::DEFAULT_AT_LEAST;
use model_core::resample::{Filter, resize};
use model_core::scores::DEFAULT_SURE_FROM;
use serde::Serialize;

/// What a decoder may allocate. A tab has at most 4 GiB, and a phone's far less.
const MAX_MEMORY_BYTES: u64 = 1 << 30;

/// An answer on its way to the page.
#[derive(Clone, Debug, PartialEq)]
pub struct PageReply {
    /// An object; with the key `error` where there is no answer.
    pub json: String,
    /// A picture, `[height, width, 4]`, row by row.
    pub rgba: Vec<u8>,
    /// Its width and height in pixels, 0 where there is none.
    pub size: [u32; 2],
}

impl PageReply {
    /// Nothing.
    pub const NONE: Self = Self {
        json: String::new(),
        rgba: Vec::new(),
        size: [0, 0],
    };

    fn new(object: &impl Serialize, image: Option<&RgbImage>) -> Self {
        match serde_json::to_string(object) {
            Ok(json) => Self {
                json,
                rgba: image.map(opaque).unwrap_or_default(),
                size: image.map_or([0, 0], |image| [image.width, image.height]),
            },
            Err(error) => Self {
                json: serde_json::json!({ "error": error.to_string() }).to_string(),
                ..Self::NONE
            },
        }
    }

    fn failure(error: &impl Diagnose) -> Self {
        let object = Failure {
            error: error.to_string(),
            code: error.code(),
        };
        Self::new(&object, None)
    }
}

#[derive(Serialize)]
struct Failure {
    error: String,
    code: &'static str,
}

#[derive(Serialize)]
struct Opened<'a> {
    name: &'a str,
    classes: usize,
    kernels: Option<&'a str>,
    sure_from: f32,
    extensions: Vec<&'static str>,
}

#[derive(Serialize)]
struct Answer<'a> {
    predictions: &'a [Prediction],
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<EverydayAnswer>,
    sure: bool,
    damaged: bool,
    /// The pixels are those of the preview inside a camera's raw file.
    preview: bool,
    format: String,
    width: u32,
    height: u32,
}

#[derive(Serialize)]
struct Explained<'a> {
    label: &'a str,
    probability: f32,
}

/// A model that is open.
pub struct PageModel {
    classifier: Classifier,
    decode: DecodeConfig,
}

impl PageModel {
    /// Opens an ONNX model that says everything of itself, as `export-onnx` writes it.
    ///
    /// # Errors
    /// The reply that says why not.
    pub fn open(model: &'static [u8]) -> Result<(Self, PageReply), PageReply> {
        let config = ClassifierConfig {
            threads: 1,
            ..ClassifierConfig::default()
        };
        let classifier = Classifier::from_bytes(model, "the model", &config)
            .map_err(|error| PageReply::failure(&error))?;
        let decode = DecodeConfig {
            limits: DecodeLimits {
                max_memory_bytes: MAX_MEMORY_BYTES,
                ..DecodeLimits::default()
            },
            // There is no system whose programs could be asked.
            own_decoders_only: true,
            ..classifier.decode_config()
        };
        let info = classifier.model();
        let opened = Opened {
            name: &info.name,
            classes: info.classes,
            kernels: info.engine_note.as_deref(),
            sure_from: DEFAULT_SURE_FROM,
            extensions: formats::decoded_extensions()
                .chain(formats::not_decoded_extensions())
                .collect(),
        };
        let reply = PageReply::new(&opened, None);
        Ok((Self { classifier, decode }, reply))
    }

    /// The `top_k` likeliest classes of a picture's file, the everyday word, and the picture itself with a longest side of
    /// at most `side` pixels.
    pub fn classify(&self, file: &[u8], top_k: usize, side: u32) -> PageReply {
        let decoded = match decode_full(file, &self.decode) {
            Ok(decoded) => decoded,
            Err(error) => return PageReply::failure(&error),
        };
        self.answer(&decoded, top_k, side)
            .unwrap_or_else(|error| PageReply::failure(&error))
    }

    fn answer(
        &self,
        decoded: &Decoded,
        top_k: usize,
        side: u32,
    ) -> Result<PageReply, InferenceError> {
        let image = &decoded.image;
        let output = self.classifier.logits(image)?;
        // Refuses what is no number.
        let predictions = self.classifier.answer(&output, top_k)?;
        let probabilities = self.classifier.probabilities(&output);
        let answer = Answer {
            answer: self.classifier.everyday(&probabilities, DEFAULT_AT_LEAST),
            sure: predictions
                .first()
                .is_some_and(|best| best.probability >= DEFAULT_SURE_FROM),
            predictions: &predictions,
            damaged: decoded.damage.is_some(),
            preview: decoded.format == Format::Raw,
            format: decoded.format.to_string(),
            width: image.width,
            height: image.height,
        };
        Ok(PageReply::new(&answer, Some(&small(image, side))))
    }

    /// The network's crop of a picture's file, bright where it speaks for `class`.
    pub fn explain(&self, file: &[u8], class: usize) -> PageReply {
        let image = match decode_full(file, &self.decode) {
            Ok(decoded) => decoded.image,
            Err(error) => return PageReply::failure(&error),
        };
        let config = ExplainConfig {
            class: Some(class),
            ..ExplainConfig::default()
        };
        let cancel = Cancel::default();
        match explain(&self.classifier, &image, Method::Auto, &config, &cancel) {
            Ok(found) => {
                let object = Explained {
                    label: &found.prediction.label,
                    probability: found.prediction.probability,
                };
                PageReply::new(&object, Some(&found.overlay()))
            }
            Err(error) => PageReply::failure(&error),
        }
    }
}

/// The picture with a longest side of at most `side` pixels.
fn small(image: &RgbImage, side: u32) -> RgbImage {
    let longest = image.width.max(image.height);
    if longest <= side {
        return image.clone();
    }
    let scaled = |length: u32| {
        let length = (u64::from(length) * u64::from(side) / u64::from(longest)) as u32;
        length.max(1)
    };
    resize(
        image,
        scaled(image.width),
        scaled(image.height),
        Filter::Bilinear,
    )
}

fn opaque(image: &RgbImage) -> Vec<u8> {
    let pixels = image.data.chunks_exact(3);
    pixels
        .flat_map(|pixel| [pixel[0], pixel[1], pixel[2], 255])
        .collect()
}
