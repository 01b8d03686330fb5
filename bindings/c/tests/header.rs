//! `include/resnet50.h` is what cbindgen makes of the sources.

use std::path::Path;

#[test]
fn the_header_is_what_the_sources_say() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(here.join("cbindgen.toml")).expect("a configuration");
    let bindings = ["error", "answer", "classifier"]
        .iter()
        .fold(
            cbindgen::Builder::new().with_config(config),
            |builder, module| builder.with_src(here.join(format!("src/{module}.rs"))),
        )
        .generate()
        .expect("the sources are understood");
    let mut made = Vec::new();
    bindings.write(&mut made);
    let made = String::from_utf8(made).expect("a header is text");
    let header = here.join("include/resnet50.h");
    if std::env::var_os("UPDATE_HEADER").is_some() {
        std::fs::write(&header, &made).expect("the header can be written");
    }
    let committed = std::fs::read_to_string(&header).expect("the header is there");
    assert!(
        committed == made,
        "include/resnet50.h is not what cbindgen makes of the sources: UPDATE_HEADER=1 cargo test -p resnet50-c \
         --test header"
    );
}
