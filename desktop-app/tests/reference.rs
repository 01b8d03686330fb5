//! The page of every option is what the program parses.

use clap::CommandFactory;

#[test]
fn the_reference_page_is_made_from_the_definition() {
    let command = desktop_app::cli::DesktopArgs::command();
    assert_eq!(checks::reference::check("desktop-app", command), Ok(()));
}
