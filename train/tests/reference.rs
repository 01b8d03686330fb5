//! The pages of every option and of every recipe key are what the program parses.

use checks::reference::types::Types;
use train::recipe::{Recipe, load};

/// Where the types of a recipe are defined.
const SOURCES: [&str; 6] = [
    "train/src/recipe/mod.rs",
    "train/src/recipe/sections.rs",
    "image-data/src/augment/config.rs",
    "model-core/src/preprocessing.rs",
    "model-core/src/reading.rs",
    "model-core/src/resample.rs",
];

const INTRO: &str = "A recipe is a YAML file with any of these keys; a key that is not there has its default. On the \
                     command line `--set KEY=VALUE` sets one, with the dotted name that stands here. An unknown key is an \
                     error. `train recipes --show NAME` prints a recipe that comes with the program, with every key.";

#[test]
fn the_reference_page_is_made_from_the_definition() {
    let found = checks::reference::check("train", train::cli::command());
    assert_eq!(found, Ok(()));
}

#[test]
fn the_page_of_recipe_keys_is_made_from_the_types() {
    let sources = SOURCES.map(|source| {
        std::fs::read_to_string(checks::root().join(source)).expect("a source is text")
    });
    let value = |recipe: Recipe| serde_json::to_value(recipe).expect("a recipe is plain data");
    let page = Types::read(sources.iter().map(String::as_str))
        .and_then(|types| {
            let (defaults, all) = (Recipe::default(), load::every_section());
            types.page(
                "Recipe keys",
                INTRO,
                "Recipe",
                &value(defaults),
                &value(all),
            )
        })
        .expect("every key has a comment");
    assert_eq!(checks::reference::hold("recipe-keys", &page), Ok(()));
}
