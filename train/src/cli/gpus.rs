//! How many images a second GPUs take when they train ResNet-50: what others have published, each with its source.
//! Used to say whether a machine's loader keeps up with its own GPU, or with one that is not in it.

use clap::ValueEnum;

/// A GPU of whose appetite there is a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Gpu {
    /// 430 images a second: an estimate, the V100's by the bandwidth of the memory (320 of 900 GB/s)
    T4,
    /// 638 images a second: that of the A10, whose memory is as fast (Lambda deeplearning-benchmark, PyTorch, fp16)
    A10g,
    /// 1,200 images a second (NVIDIA DeepLearningExamples, ResNet50 v1.5, PyTorch, mixed precision, V100 16 GB)
    V100,
    /// 1,218 images a second (timm, benchmark-train-amp-nhwc, ResNet-50, RTX 3090)
    Rtx3090,
    /// 2,470 images a second (NVIDIA DeepLearningExamples, ResNet50 v1.5, PyTorch, mixed precision, A100 80 GB)
    A100,
    /// 1,976 images a second (Lambda deeplearning-benchmark, NVIDIA's ResNet50 in PyTorch, fp16, H100 PCIe 80 GB)
    H100Pcie,
    /// 2,791 images a second (Lambda deeplearning-benchmark, NVIDIA's ResNet50 in PyTorch, fp16, H100 SXM5 80 GB)
    H100,
}

impl Gpu {
    /// As it is written in commands.
    pub fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Images a second of 224 x 224 pixels.
    pub fn images_per_sec(self) -> f64 {
        match self {
            Self::T4 => 430.0,
            Self::A10g => 638.0,
            Self::V100 => 1200.0,
            Self::Rtx3090 => 1218.0,
            Self::A100 => 2470.0,
            Self::H100Pcie => 1976.0,
            Self::H100 => 2791.0,
        }
    }

    /// Who measured it, with what.
    pub fn source(self) -> &'static str {
        match self {
            Self::T4 => "an estimate: V100 by bandwidth of the memory",
            Self::A10g => "A10, Lambda deeplearning-benchmark, fp16",
            Self::V100 | Self::A100 => "NVIDIA DeepLearningExamples, mixed precision",
            Self::Rtx3090 => "timm benchmark, amp, nhwc",
            Self::H100Pcie | Self::H100 => "Lambda deeplearning-benchmark, fp16",
        }
    }

    /// The one that the driver calls `name`; none where there is no figure for it. The A10's figure is the A10G's. A part
    /// of a GPU (MIG) is none.
    pub fn of_name(name: &str) -> Option<Self> {
        let upper = name.to_uppercase();
        let words: Vec<&str> = upper.split([' ', '-']).collect();
        let has = |word: &str| words.contains(&word);
        if has("MIG") {
            return None;
        }
        match () {
            () if has("T4") => Some(Self::T4),
            () if has("A10G") || has("A10") => Some(Self::A10g),
            () if has("V100") => Some(Self::V100),
            () if has("3090") && !has("TI") => Some(Self::Rtx3090),
            () if has("A100") => Some(Self::A100),
            () if has("H100") && has("PCIE") => Some(Self::H100Pcie),
            () if has("H100") && !has("NVL") => Some(Self::H100),
            () => None,
        }
    }

    /// All of them, the slowest first.
    pub fn all() -> Vec<Self> {
        let mut all = Self::value_variants().to_vec();
        all.sort_by(|a, b| a.images_per_sec().total_cmp(&b.images_per_sec()));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drivers_names_are_known() {
        for (name, gpu) in [
            ("Tesla T4", Some(Gpu::T4)),
            ("NVIDIA A10G", Some(Gpu::A10g)),
            ("NVIDIA A10", Some(Gpu::A10g)),
            ("Tesla V100-SXM2-16GB", Some(Gpu::V100)),
            ("NVIDIA GeForce RTX 3090", Some(Gpu::Rtx3090)),
            ("NVIDIA A100-SXM4-40GB", Some(Gpu::A100)),
            ("NVIDIA A100 80GB PCIe", Some(Gpu::A100)),
            ("NVIDIA H100 80GB HBM3", Some(Gpu::H100)),
            ("NVIDIA H100 PCIe", Some(Gpu::H100Pcie)),
            ("NVIDIA H100 NVL", None),
            ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", None),
            ("NVIDIA GeForce RTX 3090 Ti", None),
            ("NVIDIA T400 4GB", None),
            ("NVIDIA L4", None),
            ("", None),
        ] {
            assert_eq!(Gpu::of_name(name), gpu, "{name}");
        }
    }
}
