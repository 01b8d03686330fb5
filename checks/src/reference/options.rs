//! A page of every option of a program, made from the definition that parses it.

use std::fmt::Write;

use clap::{Arg, Command};

use super::{sentence, wrapped};

/// The page.
pub fn page(mut command: Command) -> String {
    command.build();
    let name = command.get_name().to_owned();
    let mut page = format!("# {name}\n\n");
    page.push_str("<!-- Made from the definition of the command line; a test holds it. -->\n\n");
    let own = groups(&command);
    section(&mut page, &command, &name, &own, None);
    for sub in command.get_subcommands() {
        if sub.get_name() == "help" || sub.is_hide_set() {
            continue;
        }
        let _ = write!(page, "\n## {name} {}\n\n", sub.get_name());
        section(&mut page, sub, &name, &groups(sub), Some(&own));
    }
    page
}

/// Options under one heading: what is typed, and what is said of it.
type Group = (String, Vec<(String, String)>);

fn section(
    page: &mut String,
    command: &Command,
    main: &str,
    groups: &[Group],
    known: Option<&[Group]>,
) {
    let about = command.get_long_about().or(command.get_about());
    if let Some(about) = about {
        let _ = writeln!(page, "{}\n", wrapped(&sentence(&about.to_string()), ""));
    }
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim();
    let lines: Vec<&str> = usage.lines().map(str::trim).collect();
    let _ = writeln!(page, "```text\n{}\n```", lines.join("\n"));
    for (heading, options) in groups {
        let same = known.and_then(|known| known.iter().find(|(other, _)| other == heading));
        let repeats = same.is_some_and(|(_, known)| options.iter().all(|one| known.contains(one)));
        let _ = writeln!(page, "\n**{heading}**\n");
        if repeats {
            let names: Vec<String> = options.iter().map(|(typed, _)| typed.clone()).collect();
            let text = format!("As of [{main}](#{main}): {}.", names.join(", "));
            let _ = writeln!(page, "{}", wrapped(&text, ""));
            continue;
        }
        for (typed, said) in options {
            let _ = writeln!(page, "{}", wrapped(&format!("- {typed}: {said}"), "  "));
        }
    }
    let after = command.get_after_long_help().or(command.get_after_help());
    if let Some(after) = after {
        let _ = writeln!(page, "\n```text\n{}\n```", after.to_string().trim_end());
    }
}

fn groups(command: &Command) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for arg in command.get_arguments() {
        let of_clap = ["help", "version"].contains(&arg.get_id().as_str());
        if arg.is_hide_set() || of_clap {
            continue;
        }
        let heading = match arg.get_help_heading() {
            Some(heading) => heading,
            None if arg.is_positional() => "Arguments",
            None => "Options",
        };
        let option = (typed(arg), said(arg));
        match groups.iter_mut().find(|(other, _)| other == heading) {
            Some((_, options)) => options.push(option),
            None => groups.push((heading.to_owned(), vec![option])),
        }
    }
    groups
}

fn typed(arg: &Arg) -> String {
    let short = arg.get_short().filter(|_| arg.get_long().is_some());
    let short = short.map_or_else(String::new, |short| format!("`-{short}`, "));
    format!("{short}`{arg}`")
}

fn said(arg: &Arg) -> String {
    let help = arg.get_long_help().or(arg.get_help());
    let mut text = help.map_or_else(String::new, |help| sentence(&help.to_string()));
    let takes_values = arg.get_action().takes_values();
    let values = arg.get_possible_values();
    if takes_values && !values.is_empty() && !arg.is_hide_possible_values_set() {
        let values: Vec<String> = values
            .iter()
            .filter(|value| !value.is_hide_set())
            .map(|value| match value.get_help() {
                Some(help) => format!("`{}` ({help})", value.get_name()),
                None => format!("`{}`", value.get_name()),
            })
            .collect();
        let _ = write!(text, " One of {}.", values.join(", "));
    }
    let defaults: Vec<String> = arg
        .get_default_values()
        .iter()
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    if takes_values && !defaults.is_empty() {
        let _ = write!(text, " Default: {}.", defaults.join(", "));
    }
    if let Some(aliases) = arg.get_all_aliases().filter(|aliases| !aliases.is_empty()) {
        let aliases: Vec<String> = aliases.iter().map(|name| format!("`--{name}`")).collect();
        let _ = write!(text, " Also {}.", aliases.join(", "));
    }
    if let Some(variable) = arg.get_env() {
        let _ = write!(text, " Environment: `{}`.", variable.to_string_lossy());
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::ArgAction;

    use super::super::WIDTH;
    use super::*;

    fn command() -> Command {
        let shared = || {
            let arg = Arg::new("threads").long("threads").short('j');
            arg.value_name("N")
                .default_value("2")
                .alias("jobs")
                .help("Threads <here>")
                .help_heading("Model")
        };
        Command::new("tool")
            .about("Does it")
            .arg(shared())
            .arg(Arg::new("file").help("A file"))
            .subcommand(
                Command::new("again")
                    .about("Does it again")
                    .arg(shared())
                    .arg(
                        Arg::new("loud")
                            .long("loud")
                            .action(ArgAction::SetTrue)
                            .help("Louder"),
                    ),
            )
    }

    #[test]
    fn a_page_says_each_option_once() {
        let page = page(command());
        assert!(
            page.contains(
                "- `-j`, `--threads <N>`: Threads \\<here>. Default: `2`. Also `--jobs`.\n"
            ),
            "{page}"
        );
        assert!(
            page.contains("**Arguments**\n\n- `[file]`: A file.\n"),
            "{page}"
        );
        assert!(page.contains("## tool again\n\nDoes it again.\n"), "{page}");
        assert!(
            page.contains("As of [tool](#tool): `-j`, `--threads <N>`.\n"),
            "{page}"
        );
        assert!(page.contains("- `--loud`: Louder.\n"), "{page}");
        assert!(
            page.lines().all(|line| line.chars().count() <= WIDTH),
            "{page}"
        );
    }
}
