//! From a model file to a classifier: read, check, describe, hand to an engine.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread::available_parallelism;

use model_core::manifest::Manifest;

use crate::classifier::Network;
use crate::engine::{
    Engine, EngineError, EngineKind, KernelEngine, OnnxRuntimeEngine, TractEngine,
};
use crate::graph::GraphFacts;
use crate::metadata::{self, Overrides, Sidecars};
use crate::onnx_file::OnnxFile;
use crate::{Classifier, Error, ModelInfo, ModelSource, embedded};

/// How to load a model.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What runs the network.
    pub engine: EngineKind,
    /// Threads that run the network; 0 takes one for every core.
    pub threads: usize,
    /// Takes the place of whatever the model says of itself.
    pub manifest: Option<Manifest>,
    /// Single values that win over the manifest.
    pub overrides: Overrides,
    /// The ONNX Runtime library; without it `ORT_DYLIB_PATH` and the system's library path are searched.
    pub onnxruntime_lib: Option<PathBuf>,
}

impl Options {
    /// [`Options::threads`], resolved.
    pub fn thread_count(&self) -> usize {
        match self.threads {
            0 => available_parallelism().map_or(1, usize::from),
            n => n,
        }
    }
}

impl Classifier {
    /// Loads an ONNX file; a side manifest is looked for beside it when it carries none.
    ///
    /// # Errors
    /// [`Error`]: unreadable, no ONNX, no usable description of itself, or not runnable by the engine.
    pub fn open(path: impl AsRef<Path>, options: &Options) -> Result<Self, Error> {
        let path = path.as_ref();
        let file = OnnxFile::open(path)?;
        let name = path.display().to_string();
        let sidecars = Sidecars::beside(path);
        let source = ModelSource::File(path.to_owned());
        Self::load(file, &name, source, &sidecars, options)
    }

    /// Loads an ONNX model from memory; `name` stands in error messages.
    ///
    /// # Errors
    /// As [`Classifier::open`].
    pub fn from_bytes(bytes: Vec<u8>, name: &str, options: &Options) -> Result<Self, Error> {
        let sidecars = Sidecars::none();
        let file = OnnxFile::Bytes(bytes.into());
        Self::load(file, name, ModelSource::Memory, &sidecars, options)
    }

    /// Loads the default model that is part of the program.
    ///
    /// # Errors
    /// As [`Classifier::open`].
    pub fn embedded(options: &Options) -> Result<Self, Error> {
        let file = OnnxFile::Bytes(embedded::MODEL.into());
        let sidecars = Sidecars::none();
        Self::load(
            file,
            embedded::NAME,
            ModelSource::Embedded,
            &sidecars,
            options,
        )
    }

    fn load(
        file: OnnxFile,
        model: &str,
        source: ModelSource,
        sidecars: &Sidecars,
        options: &Options,
    ) -> Result<Self, Error> {
        let problem = |reason: String| Error::model(model, reason);
        let skeleton = file
            .skeleton()
            .map_err(|reason| problem(format!("not an ONNX model ({reason})")))?;
        let proto = skeleton.parse(model)?;
        let facts = GraphFacts::read(&proto, model)?;
        let resolved = metadata::resolve(&proto, &facts, model, sidecars, options)?;
        let producer = format!("{} {}", proto.producer_name, proto.producer_version);
        let threads = options.thread_count();
        let input = facts.input(&resolved.manifest.preprocessing);
        let kernels = match options.engine {
            EngineKind::Auto | EngineKind::Kernels => Some(KernelEngine::load(
                &proto, &file, &skeleton, &input, threads,
            )),
            _ => None,
        };
        drop(proto);
        let mut kind = options.engine;
        let mut engine_note = None;
        let engine: Arc<dyn Engine> = match (options.engine, kernels) {
            (_, Some(Ok(engine))) => {
                kind = EngineKind::Kernels;
                engine_note = Some(format!("{} kernels", engine.isa()));
                Arc::new(engine)
            }
            (EngineKind::Kernels, Some(Err(reason))) => {
                return Err(Error::Engine(EngineError::Load {
                    engine: EngineKind::Kernels,
                    model: model.to_owned(),
                    reason: format!("{reason}; --engine tract may"),
                }));
            }
            (EngineKind::Auto | EngineKind::Kernels | EngineKind::Tract, kernels) => {
                kind = EngineKind::Tract;
                engine_note = kernels
                    .and_then(Result::err)
                    .map(|reason| format!("our kernels do not run it: {reason}"));
                Arc::new(TractEngine::load(&file, &skeleton, &input, threads, model)?)
            }
            (EngineKind::OnnxRuntime, _) => {
                let library = options.onnxruntime_lib.as_deref();
                let bytes = file
                    .whole()
                    .map_err(|error| problem(format!("cannot read the model: {error}")))?;
                Arc::new(OnnxRuntimeEngine::load(
                    &bytes, &input, threads, model, library,
                )?)
            }
            (EngineKind::Custom, _) => {
                return Err(Error::model(
                    model,
                    "a custom engine is handed in with Classifier::with_engine; expected auto, kernels, tract or onnxruntime",
                ));
            }
        };
        let classes = engine.classes();
        let manifest = metadata::finish_labels(resolved.manifest, classes);
        check_labels(&manifest, classes, model)?;
        let info = ModelInfo {
            name: manifest.name.clone(),
            source,
            dialect: resolved.dialect,
            notes: resolved.notes,
            model_bytes: file.len(),
            engine: kind,
            engine_note,
            threads,
            classes,
            opset: facts.opset,
            producer: producer.trim().to_owned(),
            manifest,
        };
        let mut classifier = Self::assemble(engine, info);
        classifier.takes_pictures = input.any_size;
        // Bytes handed in are the caller's to keep.
        classifier.network = (classifier.info.source != ModelSource::Memory).then(|| {
            Arc::new(Network {
                file,
                input,
                features: OnceLock::new(),
            })
        });
        Ok(classifier)
    }
}

pub(crate) fn check_labels(manifest: &Manifest, classes: usize, model: &str) -> Result<(), Error> {
    let labels = manifest.labels.len();
    if labels == classes {
        return Ok(());
    }
    let hint = match (labels, classes) {
        (1000, 1001) => {
            "; the network probably has a background class first (TensorFlow's ImageNet order)"
        }
        _ => "",
    };
    Err(Error::model(
        model,
        format!(
            "the network gives {classes} numbers an image but there are {labels} labels{hint}; \
             correct the manifest or give a list with --labels"
        ),
    ))
}
