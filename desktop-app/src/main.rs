//! The `desktop-app` binary: arguments in, window out.

use std::process::ExitCode;

use clap::Parser as _;
use desktop_app::cli::Args;

fn main() -> ExitCode {
    match desktop_app::run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("desktop-app: {error:#}");
            ExitCode::FAILURE
        }
    }
}
