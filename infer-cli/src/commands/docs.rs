//! `infer-cli completions SHELL` and `infer-cli man [DIR]`: made from the same definition that parses.

use anyhow::{Context, Result};
use model_core::atomic_file;

use super::print;
use crate::Exit;
use crate::args::{CompletionsArgs, ManArgs, command};

/// Prints a completion script.
///
/// # Errors
/// When stdout cannot be written.
pub fn completions(args: &CompletionsArgs) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command(), "infer-cli", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Success)
}

/// Prints the main page, or writes a page for every command.
///
/// # Errors
/// When the output cannot be written.
pub fn man(args: &ManArgs) -> Result<Exit> {
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command()).render(&mut page)?;
        print(&String::from_utf8_lossy(&page))?;
        return Ok(Exit::Success);
    };
    std::fs::create_dir_all(dir)
        .with_context(|| format!("cannot make the folder {}", dir.display()))?;
    let mut main = command();
    main.build();
    let mut pages = vec![("infer-cli".to_owned(), main.clone())];
    for sub in main
        .get_subcommands()
        .filter(|sub| sub.get_name() != "help")
    {
        let name = format!("infer-cli-{}", sub.get_name());
        // clap keeps names for the life of the program.
        let leaked: &'static str = Box::leak(name.clone().into_boxed_str());
        pages.push((name, sub.clone().name(leaked)));
    }
    for (name, page) in pages {
        let mut text = Vec::new();
        clap_mangen::Man::new(page).render(&mut text)?;
        atomic_file::write(&dir.join(format!("{name}.1")), &text)?;
    }
    Ok(Exit::Success)
}
