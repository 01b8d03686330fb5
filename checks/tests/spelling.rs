//! One spelling, the American one, as the APIs of this field have it.

/// Beginnings of words in British spelling. `cancelled` is the spelling of Rust's own ecosystem and stays.
const BRITISH: [&str; 29] = [
    "colour",
    "coloured",
    "centre",
    "centred",
    "neighbour",
    "behaviour",
    "favour",
    "honour",
    "licence",
    "optimis",
    "normalis",
    "quantis",
    "synchronis",
    "initialis",
    "serialis",
    "recognis",
    "equalis",
    "minimis",
    "maximis",
    "summaris",
    "organis",
    "labelled",
    "labelling",
    "unlabelled",
    "judgement",
    "catalogue",
    "artefact",
    "modelled",
    "grey",
];

/// Words that begin like a British one and are none.
const FINE: [&str; 3] = ["greyhound", "organism", "optimistic"];

fn british(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphabetic())
        .map(str::to_lowercase)
        .filter(|word| {
            BRITISH.iter().any(|start| word.starts_with(start))
                && !FINE.iter().any(|fine| word.starts_with(fine))
        })
        .collect()
}

#[test]
fn the_spelling_is_american() {
    let mut found = Vec::new();
    for file in checks::files(&["rs", "md", "cpp", "h", "py", "html", "js"]) {
        // This list itself, and names that other people gave (classes of ImageNet, keys of other programs' files).
        if file.ends_with("checks/tests/spelling.rs") {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(&file) else {
            continue;
        };
        // A method of egui's.
        for word in british(&text.replace("labelled_by", "")) {
            found.push(format!("{}: {word}", file.display()));
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_british_word_is_seen() {
    assert_eq!(british("let optimiser = Grey;"), ["optimiser", "grey"]);
    assert_eq!(british("an Italian greyhound, gray"), Vec::<String>::new());
}
