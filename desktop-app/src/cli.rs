//! The command line of the window.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use inference::Precision;

/// Drop a photo, know what it is: the drag-and-drop image classifier.
#[derive(Clone, Debug, Default, Parser)]
#[command(name = "desktop-app", version, about)]
pub struct DesktopArgs {
    /// Photos and folders to look at
    #[arg(value_name = "PHOTO")]
    pub photos: Vec<PathBuf>,

    /// An ONNX model to use for this run: a file, or the name of one in models/
    #[arg(long, value_name = "MODEL")]
    pub model: Option<PathBuf>,

    /// In what numbers a float32 network is computed: float32, bf16 or auto. bf16 (bfloat16) is faster and less exact;
    /// it needs AMX or AVX-512 BF16. auto takes bf16 where this processor has it, float32 otherwise
    #[arg(long, default_value = "float32", value_name = "NUMBERS")]
    pub precision: Precision,

    /// What draws the window
    #[arg(long, value_enum, default_value_t)]
    pub renderer: RendererChoice,

    /// Write the times of every frame to FILE, as tab-separated columns
    #[arg(long, value_name = "FILE")]
    pub frame_log: Option<PathBuf>,
}

/// What draws the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RendererChoice {
    /// What works: first wgpu (Vulkan, Metal, Direct3D), then OpenGL
    #[default]
    Auto,
    /// Vulkan, Metal or Direct3D
    Wgpu,
    /// OpenGL
    Glow,
}
