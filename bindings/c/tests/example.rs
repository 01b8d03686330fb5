//! C programs compiled with the system's compiler against the header and both kinds of library, and run.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use inference::{Classifier, ClassifierConfig};
// The library itself must be built before its tests.
use resnet50 as _;

#[derive(Clone, Copy)]
enum Link {
    Shared,
    Static,
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sample(name: &str) -> PathBuf {
    here().join("../../models/samples").join(name)
}

/// Where Cargo puts the libraries that tests depend on: beside the tests.
fn libraries() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    test.parent().expect("in a folder").to_owned()
}

fn compile(source: &str, into: &Path, link: Link) -> PathBuf {
    let program = into.join("program");
    let libraries = libraries();
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut command = Command::new(compiler);
    command
        .args(["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"])
        .arg(format!("-I{}", here().join("include").display()))
        .arg(here().join(source))
        .arg("-o")
        .arg(&program);
    match link {
        Link::Shared => command
            .arg(format!("-L{}", libraries.display()))
            .arg(format!("-Wl,-rpath,{}", libraries.display()))
            .arg("-lresnet50"),
        Link::Static => {
            command
                .arg(libraries.join("libresnet50.a"))
                .args(["-lpthread", "-ldl", "-lm"])
        }
    };
    let output = command.output().expect("the C compiler runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    program
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

fn run(program: &Path, arguments: &[&Path]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).output().expect("the program runs")
}

fn the_example_answers_as_the_library(link: Link) {
    let folder = tempfile::tempdir().expect("a folder");
    let program = compile("examples/classify.c", folder.path(), link);
    let classifier = Classifier::embedded(&ClassifierConfig::default()).expect("the model inside");
    for name in ["cat.jpg", "espresso.jpg", "rocket.jpg"] {
        let output = run(&program, &[&sample(name)]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let got: Vec<(u32, &str)> = text(&output.stdout)
            .lines()
            .map(|line| {
                let (probability, label) = line.split_once('\t').expect("two columns");
                let probability: f32 = probability.parse().expect("a number");
                (probability.to_bits(), label)
            })
            .collect();
        let answer = classifier
            .classify_file(sample(name), 5)
            .expect("an answer");
        let expected: Vec<(u32, &str)> = answer
            .iter()
            .map(|one| (one.probability.to_bits(), one.label.as_str()))
            .collect();
        assert_eq!(got, expected, "{name}");
    }
    let output = run(&program, &[Path::new("no such photo.jpg")]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("no such photo.jpg: cannot read it"), "{said}");
    assert!(said.contains("(image.not-readable)"), "{said}");
}

#[test]
fn the_example_with_the_shared_library() {
    the_example_answers_as_the_library(Link::Shared);
}

#[test]
fn the_example_with_the_static_library() {
    the_example_answers_as_the_library(Link::Static);
}

#[test]
fn wrong_calls_end_in_a_status_and_all_ways_agree() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = compile("tests/c/checks.c", folder.path(), Link::Shared);
    let model = here().join("../../models/cifar10-resnet20/model.onnx");
    let damaged = here().join("../../image-data/tests/data/jpeg/damaged-half.jpg");
    let output = run(&program, &[&sample("cat.jpg"), &damaged, &model]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}
