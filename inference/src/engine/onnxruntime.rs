//! The optional engine: Microsoft's ONNX Runtime, a shared library opened at run time. Programs start and work
//! without it; asking for it where it is missing gives an error with the remedy.

use std::borrow::Cow;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use half::f16;
use image_data::sandbox::catch;
use model_core::RgbImage;
use model_core::onnx::{self, ValueInfoProto};
use model_core::text::{one_line, system_words};
use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::session::Session;
use ort::value::TensorRef;

use super::{Engine, EngineError, EngineKind, NetworkSource, to_bytes};
use crate::graph::{Element, InputShape, prepare};
use crate::onnx_file::OnnxFile;

/// A network that ONNX Runtime runs.
pub(crate) struct OnnxRuntimeEngine {
    session: Mutex<Session>,
    input: InputShape,
    classes: usize,
}

impl OnnxRuntimeEngine {
    /// Opens the library (once a process) and loads the network.
    pub fn load(source: &NetworkSource<'_>, library: Option<&Path>) -> Result<Self, EngineError> {
        let environment = environment(library)?;
        let input = source.input;
        let problem = |reason: String| EngineError::Load {
            engine: EngineKind::OnnxRuntime,
            model: source.model.to_owned(),
            reason: one_line(&reason),
        };
        let bytes = with_output(source).map_err(problem)?;
        let session = catch(|| -> Result<Session, String> {
            let text = |error: ort::Error<ort::session::builder::SessionBuilder>| error.to_string();
            let mut builder = Session::builder(environment)
                .map_err(|error| error.to_string())?
                .with_intra_threads(source.threads)
                .map_err(text)?
                .with_log_level(LogLevel::Fatal)
                .map_err(text)?;
            // It opens the files beside the model by itself: the same ones, whose places have been checked.
            match source.file.path_of_several() {
                Some(path) => builder.commit_from_file(path),
                None => builder.commit_from_memory(&bytes),
            }
            .map_err(|error| error.to_string())
        })
        .and_then(|result| result)
        .map_err(problem)?;
        let mut engine = Self {
            session: Mutex::new(session),
            input: input.clone(),
            classes: 0,
        };
        // Only a run tells the number of classes for certain: a file's output shape may be missing or wrong.
        let numbers = if input.any_size {
            let black =
                RgbImage::filled(320, 240, [0; 3]).map_err(|error| problem(error.to_string()))?;
            engine.run_picture(&black)?.len()
        } else {
            engine.run_step(&vec![0.0; input.image_len()], 1)?.len()
        };
        let step = input.fixed_batch.unwrap_or(1);
        if numbers == 0 || !numbers.is_multiple_of(step) {
            return Err(problem(format!(
                "expected an output of [{step}, classes], got {numbers} numbers"
            )));
        }
        engine.classes = numbers / step;
        Ok(engine)
    }

    /// Runs at most one step; the output is that of the padded step.
    fn run_step(&self, images: &[f32], count: usize) -> Result<Vec<f32>, EngineError> {
        let step = self.input.fixed_batch.unwrap_or(count);
        let padded;
        let images = if count == step {
            images
        } else {
            padded = [images, &vec![0.0; (step - count) * self.input.image_len()]].concat();
            &padded
        };
        let [a, b, c] = self.input.image;
        self.run_session([step, a, b, c], Values::of(self.input.element, images))
    }

    fn run_session(&self, shape: [usize; 4], values: Values<'_>) -> Result<Vec<f32>, EngineError> {
        let run = || -> Result<Vec<f32>, String> {
            let text = |error: ort::Error| error.to_string();
            let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
            let name = self.input.name.as_str();
            let outputs = match &values {
                Values::F32(values) => {
                    let tensor = TensorRef::from_array_view((shape, *values)).map_err(text)?;
                    session.run(ort::inputs![name => tensor])
                }
                Values::F16(values) => {
                    let tensor = TensorRef::from_array_view((shape, &values[..])).map_err(text)?;
                    session.run(ort::inputs![name => tensor])
                }
                Values::F64(values) => {
                    let tensor = TensorRef::from_array_view((shape, &values[..])).map_err(text)?;
                    session.run(ort::inputs![name => tensor])
                }
                Values::U8(values) => {
                    let tensor = TensorRef::from_array_view((shape, &values[..])).map_err(text)?;
                    session.run(ort::inputs![name => tensor])
                }
            }
            .map_err(text)?;
            let value = outputs
                .get(&self.input.output)
                .ok_or_else(|| format!("no output '{}'", self.input.output))?;
            if let Ok((_, halves)) = value.try_extract_tensor::<f16>() {
                return Ok(halves.iter().map(|half| half.to_f32()).collect());
            }
            if let Ok((_, wide)) = value.try_extract_tensor::<f64>() {
                return Ok(wide.iter().map(|value| *value as f32).collect());
            }
            Ok(value.try_extract_tensor::<f32>().map_err(text)?.1.to_vec())
        };
        catch(run)
            .and_then(|result| result)
            .map_err(|reason| EngineError::Run {
                engine: EngineKind::OnnxRuntime,
                reason: one_line(&reason),
            })
    }
}

/// The model's bytes; where the answer is no output of the graph (a `ZipMap` stands behind it), with that output added.
fn with_output(source: &NetworkSource<'_>) -> Result<Vec<u8>, String> {
    let unreadable =
        |error: std::io::Error| format!("cannot read the model: {}", system_words(error));
    let wanted = &source.input.output;
    let outputs = source.proto.graph.iter().flat_map(|graph| &graph.output);
    let whole = |file: &OnnxFile| file.whole().map(Cow::into_owned).map_err(unreadable);
    if outputs.into_iter().any(|output| output.name == *wanted) {
        return whole(source.file);
    }
    if source.file.path_of_several().is_some() {
        return Err(format!(
            "'{wanted}' is no output of the network, and its tensors lie in other files"
        ));
    }
    let mut model = onnx::parse(&whole(source.file)?).map_err(|error| error.to_string())?;
    if let Some(graph) = &mut model.graph {
        graph.output = vec![ValueInfoProto {
            name: wanted.clone(),
            ..ValueInfoProto::default()
        }];
    }
    Ok(onnx::to_bytes(&prepare::only_for(&model, wanted)))
}

/// Input numbers in the type that the network takes.
enum Values<'a> {
    F32(&'a [f32]),
    F16(Vec<f16>),
    F64(Vec<f64>),
    U8(Cow<'a, [u8]>),
}

impl<'a> Values<'a> {
    fn of(element: Element, images: &'a [f32]) -> Self {
        match element {
            Element::F32 => Self::F32(images),
            Element::F16 => Self::F16(images.iter().map(|value| f16::from_f32(*value)).collect()),
            Element::F64 => Self::F64(images.iter().map(|value| f64::from(*value)).collect()),
            Element::U8 => Self::U8(to_bytes(images).into()),
        }
    }
}

impl Engine for OnnxRuntimeEngine {
    fn run(&self, input: &[f32], batch: usize) -> Result<Vec<f32>, EngineError> {
        let image_len = self.input.image_len();
        if input.len() != batch * image_len {
            return Err(EngineError::InputLength {
                batch,
                expected: batch * image_len,
                got: input.len(),
            });
        }
        let mut output = Vec::with_capacity(batch * self.classes);
        let step = self.input.fixed_batch.unwrap_or(batch.max(1));
        for images in input.chunks(step * image_len) {
            let count = images.len() / image_len;
            let numbers = self.run_step(images, count)?;
            output.extend(numbers.into_iter().take(count * self.classes));
        }
        if output.len() != batch * self.classes {
            return Err(EngineError::Run {
                engine: EngineKind::OnnxRuntime,
                reason: format!(
                    "expected {} numbers, got {}",
                    batch * self.classes,
                    output.len()
                ),
            });
        }
        Ok(output)
    }

    fn run_picture(&self, picture: &RgbImage) -> Result<Vec<f32>, EngineError> {
        let shape = [1, picture.height as usize, picture.width as usize, 3];
        self.run_session(shape, Values::U8(picture.data.as_slice().into()))
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn preferred_batch(&self) -> usize {
        self.input.fixed_batch.unwrap_or(8)
    }
}

/// The process's only environment. A failed attempt is not remembered, so a better path can be tried.
fn environment(library: Option<&Path>) -> Result<&'static Environment, EngineError> {
    static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
    static OPENING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = ENVIRONMENT.get() {
        return Ok(environment);
    }
    let opened = open_library(library).map_err(|reason| EngineError::Unavailable {
        reason: one_line(&reason),
        min_version: format!("1.{}", ort::MINOR_VERSION),
    })?;
    Ok(ENVIRONMENT.get_or_init(|| opened))
}

fn open_library(library: Option<&Path>) -> Result<Environment, String> {
    // Not even tried: a program without a dynamic linker may crash in the attempt.
    if !super::OPENS_LIBRARIES {
        return Err(
            "this program is linked statically, and such a one opens no library".to_owned(),
        );
    }
    let named = library.map(|path| path.as_os_str().to_owned());
    let named =
        named.or_else(|| std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()));
    let candidates = match named {
        // Relative paths are the caller's, not relative to the program.
        Some(path) => vec![std::path::absolute(&path).map_err(system_words)?],
        None => {
            let name = |suffix: &str| {
                format!("{}onnxruntime{suffix}", std::env::consts::DLL_PREFIX).into()
            };
            let mut names = vec![name(std::env::consts::DLL_SUFFIX)];
            if cfg!(target_os = "linux") {
                names.push(name(".so.1"));
            }
            names
        }
    };
    let mut reasons = Vec::new();
    for path in candidates {
        let built = catch(|| -> Result<Environment, String> {
            let builder = ort::init_from(&path).map_err(system_words)?;
            builder
                .with_telemetry(false)
                .build()
                .map_err(|error| error.to_string())
        });
        match built.and_then(|result| result) {
            Ok(environment) => return Ok(environment),
            Err(reason) => reasons.push(reason),
        }
    }
    Err(reasons.join("; "))
}
