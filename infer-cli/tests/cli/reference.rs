//! The page of every option is what the program parses.

#[test]
fn the_reference_page_is_made_from_the_definition() {
    let found = checks::reference::check("infer-cli", infer_cli::args::command());
    assert_eq!(found, Ok(()));
}
