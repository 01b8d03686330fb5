//! Our own kernels as an engine: for networks made of convolutions, sums, clamps, pooling and linear layers, on
//! processors that the kernels were written for.

use image_data::sandbox::catch;
use kernels::{Config, Isa, Network};
use model_core::scores;
use model_core::text::{short_line, system_words};

use super::kernel_graph::{constants, translate};
use super::{Engine, EngineError, EngineKind, NetworkSource, Precision};

/// What this processor has for them. Where there is tract, the plain loops are for tests and for measuring: tract is
/// faster than they are.
pub(super) fn suitable() -> Option<Isa> {
    Some(Isa::detect()).filter(|isa| *isa != Isa::Portable || !EngineKind::Tract.is_built_in())
}

/// A network that our kernels run.
pub(crate) struct KernelEngine {
    network: Network,
    softmax: bool,
    threads: usize,
}

impl KernelEngine {
    /// What the kernels are to do on this processor.
    ///
    /// # Errors
    /// In words, where nothing of theirs suits it, or it has no instructions for that precision.
    pub fn config(precision: Precision, less_memory: bool) -> Result<Config, String> {
        if suitable().is_none() {
            return Err("this processor has neither AVX2, AVX-512 nor NEON".to_owned());
        }
        Ok(Config {
            isa: None,
            precision: precision.here()?,
            less_memory,
            cache_bytes: None,
        })
    }

    /// Translates and packs the network.
    ///
    /// # Errors
    /// What the kernels do not compute, in words.
    pub fn load(source: &NetworkSource<'_>, config: &Config) -> Result<Self, String> {
        let graph = source.prepared.graph.as_ref().ok_or("no graph")?;
        // Names of a damaged file may hold anything.
        let plain = |reason: String| short_line(reason, 600);
        catch(|| {
            let constants = constants(graph, &source.skeleton.blobs, source.file);
            let translated = translate(graph, &constants, source.input)?;
            let network = Network::with_config(&translated.graph, config);
            let network = network.map_err(system_words)?;
            Ok(Self {
                network,
                softmax: translated.softmax,
                threads: source.threads.max(1),
            })
        })
        .map_err(plain)?
        .map_err(plain)
    }
}

impl KernelEngine {
    /// In what numbers its float32 layers are computed.
    pub fn precision(&self) -> Precision {
        self.network.precision().into()
    }

    /// Its instructions and its numbers, in words: "AMX kernels, 54 of 54 layers in int8".
    pub fn description(&self) -> String {
        let layers = self.network.layers();
        let mut text = format!("{} kernels", self.network.isa());
        if layers.integer > 0 {
            text += &format!(", {} of {} layers in int8", layers.integer, layers.all);
        }
        if layers.integer < layers.all && self.precision() == Precision::Bf16 {
            text += if layers.integer == 0 {
                ", bfloat16"
            } else {
                ", the rest in bfloat16"
            };
        }
        text
    }

    /// `[C, H, W]` of one image's output.
    pub fn output_shape(&self) -> [usize; 3] {
        self.network.output_shape()
    }
}

impl Engine for KernelEngine {
    fn run(&self, input: &[f32], batch: usize) -> Result<Vec<f32>, EngineError> {
        let expected = batch * self.network.input_len();
        if input.len() != expected {
            return Err(EngineError::InputLength {
                batch,
                expected,
                got: input.len(),
            });
        }
        let mut output = vec![0.0; batch * self.classes()];
        catch(|| self.network.run(input, &mut output, self.threads)).map_err(|reason| {
            EngineError::Run {
                engine: EngineKind::Kernels,
                reason,
            }
        })?;
        if self.softmax {
            for scores in output.chunks_exact_mut(self.classes()) {
                let probabilities = scores::softmax(scores, 1.0);
                scores.copy_from_slice(&probabilities);
            }
        }
        Ok(output)
    }

    fn classes(&self) -> usize {
        self.network.output_len()
    }

    fn preferred_batch(&self) -> usize {
        4 * self.threads
    }
}
