//! From a model file to a classifier: read, check, describe, hand to an engine.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread::available_parallelism;

use model_core::manifest::{MANIFEST_KEY, Manifest};

use crate::cam::Network;
use crate::classifier::check_labels;
use crate::engine::{self, EngineKind, NetworkSource, Precision};
use crate::error::ModelProblem;
use crate::graph::{Element, GraphFacts, Wanted, prepare};
use crate::metadata::{self, Overrides, Sidecars};
use crate::onnx_file::OnnxFile;
use crate::{Classifier, InferenceError, ModelInfo, ModelSource, embedded};

/// How to load a model.
#[derive(Clone, Debug, Default)]
pub struct ClassifierConfig {
    /// What runs the network.
    pub engine: EngineKind,
    /// In what numbers a float32 network is computed.
    pub precision: Precision,
    /// Our own kernels keep no second form of weights that would make 3 x 3 convolutions of float32 faster.
    pub less_memory: bool,
    /// Threads that run the network; 0 takes one for every core.
    pub threads: usize,
    /// Takes the place of whatever the model says of itself.
    pub manifest: Option<Manifest>,
    /// Single values that win over the manifest.
    pub overrides: Overrides,
    /// The ONNX Runtime library; without it `ORT_DYLIB_PATH` and the system's library path are searched.
    pub onnxruntime_lib: Option<PathBuf>,
}

impl ClassifierConfig {
    /// [`ClassifierConfig::threads`], resolved.
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
    /// [`InferenceError`]: unreadable, no ONNX, no usable description of itself, or not runnable by the engine.
    pub fn open(path: impl AsRef<Path>, config: &ClassifierConfig) -> Result<Self, InferenceError> {
        let path = path.as_ref();
        let file = OnnxFile::open(path)?;
        let name = path.display().to_string();
        let sidecars = Sidecars::beside(path);
        let source = ModelSource::File(path.to_owned());
        Self::load(file, &name, source, &sidecars, config)
    }

    /// Loads an ONNX model from memory; `name` stands in error messages. Bytes that live as long as the program
    /// (`&'static [u8]`) are still there for [`crate::explain`]; others are dropped once the network is loaded.
    ///
    /// # Errors
    /// As [`Classifier::open`].
    pub fn from_bytes(
        bytes: impl Into<Cow<'static, [u8]>>,
        name: &str,
        config: &ClassifierConfig,
    ) -> Result<Self, InferenceError> {
        let sidecars = Sidecars::none();
        let file = OnnxFile::Bytes(bytes.into());
        Self::load(file, name, ModelSource::Memory, &sidecars, config)
    }

    /// Loads the default model that is part of the program.
    ///
    /// # Errors
    /// As [`Classifier::open`].
    pub fn embedded(config: &ClassifierConfig) -> Result<Self, InferenceError> {
        if embedded::MODEL.is_empty() {
            return Err(InferenceError::model_problem(
                embedded::NAME,
                ModelProblem::NotFound,
                "this program was built without a model of its own",
            ));
        }
        let file = OnnxFile::Bytes(embedded::MODEL.into());
        let sidecars = Sidecars::none();
        Self::load(
            file,
            embedded::NAME,
            ModelSource::Embedded,
            &sidecars,
            config,
        )
    }

    fn load(
        mut file: OnnxFile,
        model: &str,
        source: ModelSource,
        sidecars: &Sidecars,
        config: &ClassifierConfig,
    ) -> Result<Self, InferenceError> {
        let (skeleton, proto) = file.read(model)?;
        let given = config.manifest.as_ref().map(|manifest| &manifest.labels);
        let wanted = Wanted {
            output: config.overrides.output_name.as_deref(),
            labels: config.overrides.labels.as_ref().or(given).map(Vec::len),
        };
        let mut facts = GraphFacts::read(&proto, model, wanted)?;
        // Our own file with its preprocessing inside: the manifest describes the same steps, so that any engine runs the
        // rest of the graph.
        let ours = facts.any_size()
            && config.manifest.is_none()
            && proto.metadata(MANIFEST_KEY).is_some()
            && config.engine != EngineKind::OnnxRuntime;
        let rest = ours
            .then(|| prepare::without_preprocessing(&proto))
            .flatten();
        if let Some((input, _)) = &rest {
            facts.take_images(input);
        }
        let mut resolved = metadata::resolve(&proto, &facts, model, sidecars, config)?;
        let threads = config.thread_count();
        let input = facts.input(&resolved.manifest.preprocessing);
        let prepared = match &rest {
            Some((_, rest)) => prepare::prepare(rest, &facts.output),
            None => prepare::prepare(&proto, &facts.output),
        };
        let network = NetworkSource {
            model,
            file: &file,
            skeleton: &skeleton,
            proto: &proto,
            prepared: &prepared,
            input: &input,
            threads,
            precision: config.precision,
            less_memory: config.less_memory,
        };
        let library = config.onnxruntime_lib.as_deref();
        let mut opened = engine::open(config.engine, &network, library)?;
        let settled = match metadata::settle_output(&mut resolved, &facts, &*opened.engine, config)
        {
            // What loads may still fail on its first image.
            Err(error) if config.engine == EngineKind::Auto && opened.kind == EngineKind::Tract => {
                opened = engine::fall_back(&network, library, error)?;
                metadata::settle_output(&mut resolved, &facts, &*opened.engine, config)
            }
            settled => settled,
        };
        let output_because = settled?;
        let outputs = opened.engine.classes();
        let answers = resolved.manifest.answers(outputs);
        let manifest = metadata::finish_labels(resolved.manifest, outputs, answers);
        check_labels(&manifest, outputs, model)?;
        let mut notes = facts.notes;
        notes.append(&mut resolved.notes);
        notes.append(&mut opened.notes);
        let info = ModelInfo {
            name: manifest.name.clone(),
            source,
            dialect: resolved.dialect,
            notes,
            model_bytes: file.total_len(),
            engine: opened.kind,
            precision: opened.precision,
            engine_note: opened.detail,
            threads,
            classes: manifest.labels.len(),
            outputs,
            answers,
            output_because,
            opset: facts.opset,
            producer: format!("{} {}", proto.producer_name, proto.producer_version)
                .trim()
                .to_owned(),
            manifest,
        };
        let mut classifier = Self::assemble(opened.engine, info);
        classifier.takes_pictures = input.any_size;
        classifier.takes_float16 = input.element == Element::F16;
        // Bytes that were handed over would be held a second time for the few who ask for more than an answer.
        let keeps = !matches!(file, OnnxFile::Bytes(Cow::Owned(_)));
        classifier.network = keeps.then(|| {
            Arc::new(Network {
                file,
                skeleton,
                prepared,
                input,
                features: OnceLock::new(),
            })
        });
        Ok(classifier)
    }
}
