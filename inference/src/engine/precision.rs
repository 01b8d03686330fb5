//! In what numbers a float32 network is computed: what was asked for, and what this processor makes of it.

use std::fmt;
use std::str::FromStr;

use kernels::Isa;
use serde::{Deserialize, Serialize};

/// The numbers of a float32 network. Layers that the file stores in integers are computed in integers whatever this is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// float32, as the file has it.
    #[default]
    Float32,
    /// bfloat16 values and weights, float32 sums, in our own kernels: an error where they or the processor cannot.
    Bf16,
    /// bfloat16 where our kernels run the network and the processor multiplies bfloat16, else float32.
    Auto,
}

impl Precision {
    /// What our kernels compute in on this processor.
    ///
    /// # Errors
    /// In words, where bfloat16 is asked for and the processor has no instructions for it.
    pub(super) fn here(self) -> Result<kernels::ComputeType, String> {
        match self {
            Self::Float32 => Ok(kernels::ComputeType::Float32),
            Self::Bf16 | Self::Auto if Isa::detect().has_bf16() => Ok(kernels::ComputeType::Bf16),
            Self::Auto => Ok(kernels::ComputeType::Float32),
            Self::Bf16 => Err(format!(
                "this processor has no instructions for it (expected AMX or AVX-512 BF16, got {})",
                Isa::detect()
            )),
        }
    }

    /// The name as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Bf16 => "bf16",
            Self::Auto => "auto",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let all = [Self::Float32, Self::Bf16, Self::Auto];
        let known = all.into_iter().find(|precision| precision.name() == name);
        known.ok_or_else(|| format!("expected float32, bf16 or auto, got '{name}'"))
    }
}

impl From<kernels::ComputeType> for Precision {
    fn from(from: kernels::ComputeType) -> Self {
        match from {
            kernels::ComputeType::Float32 => Self::Float32,
            kernels::ComputeType::Bf16 => Self::Bf16,
        }
    }
}
