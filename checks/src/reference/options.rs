//! A page of every option of a program, made from the definition that parses it.

use std::fmt::Write;

use clap::{Arg, Command};

use super::{item, sentence, wrapped};

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

/// Options under one heading.
type Group = (String, Vec<Described>);

/// One option: what is typed, what is said of it, and the values it takes, where something is said of those.
#[derive(PartialEq)]
struct Described {
    typed: String,
    said: String,
    values: Vec<String>,
}

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
            let names: Vec<&str> = options.iter().map(|one| one.typed.as_str()).collect();
            let text = format!("As of [{main}](#{main}): {}.", names.join(", "));
            let _ = writeln!(page, "{}", wrapped(&text, ""));
            continue;
        }
        for one in options {
            let text = format!("{}: {}", one.typed, one.said);
            page.push_str(&item(&text, &one.values));
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
        let option = described(arg);
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

fn described(arg: &Arg) -> Described {
    let help = arg.get_long_help().or(arg.get_help());
    let mut text = help.map_or_else(String::new, |help| sentence(&help.to_string()));
    let takes_values = arg.get_action().takes_values();
    let mut values = arg.get_possible_values();
    values.retain(|value| !value.is_hide_set());
    if !takes_values || arg.is_hide_possible_values_set() {
        values.clear();
    }
    let is_list = values.iter().any(|value| value.get_help().is_some());
    let values: Vec<String> = values
        .iter()
        .map(|value| match value.get_help() {
            Some(help) => format!("`{}`: {}", value.get_name(), sentence(&help.to_string())),
            None => format!("`{}`", value.get_name()),
        })
        .collect();
    if !values.is_empty() && !is_list {
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
    Described {
        typed: typed(arg),
        said: text,
        values: if is_list { values } else { Vec::new() },
    }
}

#[cfg(test)]
mod tests {
    use clap::ArgAction;
    use clap::builder::PossibleValue;

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
            .arg(
                Arg::new("kind")
                    .long("kind")
                    .help("Which one")
                    .default_value("a")
                    .value_parser([PossibleValue::new("a").help("The first"), "b".into()]),
            )
            .arg(
                Arg::new("way")
                    .long("way")
                    .help("How")
                    .value_parser(["c", "d"]),
            )
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
        let kinds =
            "- `--kind <kind>`: Which one. Default: `a`. One of:\n  - `a`: The first.\n  - `b`\n";
        assert!(page.contains(kinds), "{page}");
        assert!(
            page.contains("- `--way <way>`: How. One of `c`, `d`.\n"),
            "{page}"
        );
        assert!(
            page.lines().all(|line| line.chars().count() <= WIDTH),
            "{page}"
        );
    }
}
