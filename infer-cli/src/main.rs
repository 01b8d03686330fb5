//! Parses the command line, runs one command, turns its result into an exit code. Everything else is in the library.

use std::process::ExitCode;

use clap::FromArgMatches;
use infer_cli::args::{Arguments, InferCommand};
use infer_cli::{Exit, advice, commands, interrupt, report};

/// Fresh pages for every layer's output cost the network more than its arithmetic; mimalloc keeps them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let matches = infer_cli::args::command().get_matches();
    let arguments = match Arguments::from_arg_matches(&matches) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    let cancel = interrupt::install(matches!(arguments.command, Some(InferCommand::Serve(_))));
    let result = match arguments.command {
        None => commands::classify::run(&arguments.classify, &cancel),
        Some(InferCommand::Models(command)) => commands::models::run(&command),
        Some(InferCommand::Info(command)) => commands::info::run(&command),
        Some(InferCommand::Evaluate(command)) => commands::evaluate::run(&command, &cancel),
        Some(InferCommand::Calibrate(command)) => commands::calibrate::run(&command, &cancel),
        Some(InferCommand::Teach(command)) => commands::teach::run(&command, &cancel),
        Some(InferCommand::Sort(command)) => commands::sort::run(&command, &cancel),
        Some(InferCommand::Bench(command)) => commands::bench::run(&command, &cancel),
        Some(InferCommand::Serve(command)) => commands::serve::run(&command, &cancel),
        Some(InferCommand::Completions(command)) => commands::docs::completions(&command),
        Some(InferCommand::Man(command)) => commands::docs::man(&command),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            let exit = Exit::of(&error);
            if exit != Exit::Interrupted {
                let advice =
                    advice::of(&error).map_or(String::new(), |advice| format!("; {advice}"));
                report::error(&format!("{}{advice}", infer_cli::exit::line(&error)));
            }
            exit.into()
        }
    }
}
