//! The `desktop-app` binary: arguments in, window out.

use std::process::ExitCode;

use clap::Parser as _;
use desktop_app::cli::DesktopArgs;
use desktop_app::ui::APP_NAME;
use model_core::text::join_causes;

fn main() -> ExitCode {
    match desktop_app::run(&DesktopArgs::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let causes = join_causes(error.chain().map(ToString::to_string));
            eprintln!("desktop-app: {causes}");
            desktop_app::platform::show_message(APP_NAME, &causes);
            ExitCode::FAILURE
        }
    }
}
