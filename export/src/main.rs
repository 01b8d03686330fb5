//! `export-onnx`: parses the arguments and runs what they ask for.

use std::process::ExitCode;

use clap::Parser;
use export::cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Some(Command::Verify(args)) => export::run_verify(&args),
        Some(Command::Inspect(args)) => export::run_inspect(&args),
        Some(Command::Sign(args)) => export::run_sign(&args),
        Some(Command::VerifySignature(args)) => export::run_verify_signature(&args),
        None => export::run_export(&cli.export),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
