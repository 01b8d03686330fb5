//! `export-onnx`: parses the arguments and runs what they ask for.

use std::process::ExitCode;

use clap::Parser;
use export::cli::{Cli, ExportCommand};
use model_core::text::join_causes;

fn main() -> ExitCode {
    let cli = Cli::parse();
    #[cfg(feature = "object-stores")]
    cloud_data::configure(&cli.cache);
    let result = match cli.command {
        Some(ExportCommand::Verify(args)) => export::run_verify(&args),
        Some(ExportCommand::Inspect(args)) => export::run_inspect(&args),
        Some(ExportCommand::Sign(args)) => export::run_sign(&args),
        Some(ExportCommand::VerifySignature(args)) => export::run_verify_signature(&args),
        None => export::run_export(&cli.export),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let causes = error.chain().map(ToString::to_string);
            eprintln!("error: {}", join_causes(causes));
            ExitCode::FAILURE
        }
    }
}
