//! The page of every option is what the program parses.

use clap::CommandFactory;

#[test]
fn the_reference_page_is_made_from_the_definition() {
    let found = checks::reference::check("export-onnx", export::cli::Cli::command());
    assert_eq!(found, Ok(()));
}
