//! The `desktop-app` binary: arguments in, window out.

use std::process::ExitCode;

use clap::Parser as _;
use desktop_app::cli::DesktopArgs;
use desktop_app::ui::APP_NAME;

fn main() -> ExitCode {
    match desktop_app::run(&DesktopArgs::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("desktop-app: {error:#}");
            desktop_app::platform::show_message(APP_NAME, &format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
