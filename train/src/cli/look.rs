//! The subcommands that look: at an architecture, at the recipes.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use model_core::ReadingConfig;
use model_core::arch::{self, Shape};

use crate::model::describe;
use crate::recipe::{catalog, load};

/// Flags of `train summary`.
#[derive(Debug, Args)]
pub struct SummaryArgs {
    /// Architecture
    #[arg(default_value = "resnet50", value_name = "ARCH")]
    arch: String,
    /// Architecture, as the other commands take it
    #[arg(
        long = "arch",
        value_name = "NAME",
        hide = true,
        conflicts_with = "arch"
    )]
    named: Option<String>,
    /// Classes
    #[arg(long, default_value_t = 1000, value_name = "N")]
    classes: usize,
    /// Side of the input in pixels [default: the architecture's]
    #[arg(long, value_name = "PIXELS")]
    image_size: Option<usize>,
    /// List the architectures and nothing else
    #[arg(long)]
    list: bool,
}

/// Runs `train summary`.
pub fn summary(args: &SummaryArgs) -> Result<ExitCode> {
    if args.list {
        for name in arch::names() {
            crate::answer!("{name}");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let name = args.named.as_ref().unwrap_or(&args.arch);
    let architecture = arch::by_name(name, args.classes)?;
    let side = args
        .image_size
        .unwrap_or(architecture.default_input_size() as usize);
    let graph = architecture.graph();
    crate::answer!("{:<36} {:>20} {:>12}", "layer", "output", "parameters");
    for (node, shape) in graph.nodes.iter().zip(graph.shapes([side, side])) {
        let parameters = node.op.parameter_count();
        let shape = match shape {
            Shape::Map {
                channels,
                height,
                width,
            } => format!("[{channels}, {height}, {width}]"),
            Shape::Vector { features } => format!("[{features}]"),
        };
        let parameters = if parameters == 0 {
            String::new()
        } else {
            parameters.to_string()
        };
        crate::answer!("{:<36} {shape:>20} {parameters:>12}", describe(&node.op));
    }
    let count = graph.parameter_count();
    crate::answer!(
        "\n{}: {count} parameters ({:.1} MiB as fp32), {:.3} G multiply-accumulates at {side} x {side}",
        architecture.name(),
        count as f64 * 4.0 / f64::from(1 << 20),
        graph.macs([side, side]) as f64 / 1e9
    );
    Ok(ExitCode::SUCCESS)
}

/// What a recipe that stands for published figures means for photos of a telephone.
const READS_AS_PYTORCH: &str = "read as PyTorch reads them, on which the figures rest: a photo that a camera noted as turned \
     stays turned (--set preprocessing.reading.exif=apply turns it upright)";

/// Flags of `train recipes`.
#[derive(Debug, Args)]
pub struct RecipesArgs {
    /// Print this recipe, every key included
    #[arg(long, value_name = "NAME|FILE")]
    show: Option<String>,
}

/// Runs `train recipes`.
pub fn recipes(args: &RecipesArgs) -> Result<ExitCode> {
    if let Some(name) = &args.show {
        let text = load::to_yaml(&load::resolve(name, &[])?)?;
        crate::answer!("{}", text.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    for name in catalog::names() {
        let recipe = load::resolve(name, &[]).with_context(|| format!("recipe {name}"))?;
        crate::answer!("{name}");
        crate::answer!("    {}", recipe.description);
        crate::answer!("    source: {}", recipe.source);
        crate::answer!("    published: {}", recipe.published);
        if recipe.preprocessing.reading == ReadingConfig::TORCHVISION {
            crate::answer!("    photos: {READS_AS_PYTORCH}");
        }
        crate::answer!("    here: {}\n", recipe.tested);
    }
    Ok(ExitCode::SUCCESS)
}
