//! A folder with a model and images, and the binary run in it.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use tempfile::TempDir;

use crate::support;

pub struct Bench {
    dir: TempDir,
    pub model: PathBuf,
}

/// A plain-color image as PNM: any decoder reads it to the byte.
pub fn ppm(rgb: [u8; 3]) -> Vec<u8> {
    let mut bytes = b"P6 20 20 255\n".to_vec();
    bytes.extend(rgb.repeat(400));
    bytes
}

/// A PNG whose end is missing, as a download that broke off in the last bytes leaves it: every pixel is there.
pub fn png_without_end(rgb: [u8; 3]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let pixels = rgb.repeat(400);
    image::ImageEncoder::write_image(
        image::codecs::png::PngEncoder::new(&mut bytes),
        &pixels,
        20,
        20,
        image::ExtendedColorType::Rgb8,
    )
    .unwrap();
    bytes.truncate(bytes.len() - 12);
    bytes
}

pub const RED: [u8; 3] = [200, 20, 20];
pub const GREEN: [u8; 3] = [10, 250, 0];
pub const BLUE: [u8; 3] = [0, 0, 120];

impl Bench {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("models")).unwrap();
        let model = support::write_model(&dir.path().join("models"));
        let bench = Self { dir, model };
        bench.write("red.ppm", &ppm(RED));
        bench.write("green.ppm", &ppm(GREEN));
        bench.write("blue.ppm", &ppm(BLUE));
        bench
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The binary without a model option, in the folder.
    pub fn bare(&self, arguments: &[&str]) -> Command {
        let mut command = assert_cmd::cargo::cargo_bin_cmd!("infer-cli");
        command.current_dir(self.dir.path()).args(arguments);
        for variable in [
            "INFER_MODEL",
            "INFER_MODELS_DIR",
            "NO_COLOR",
            "CLICOLOR_FORCE",
        ] {
            command.env_remove(variable);
        }
        // The same on every machine, whatever programs it has and its user has installed.
        command.env("HEIF_DEC", "");
        command.env("XDG_DATA_HOME", self.dir.path().join("data-home"));
        command
    }

    /// The binary with the colors model, in the folder.
    pub fn run(&self, arguments: &[&str]) -> Command {
        let mut command = self.bare(arguments);
        command.env("INFER_MODEL", &self.model);
        command
    }

    /// Exit code, stdout, stderr.
    pub fn outcome(&self, arguments: &[&str]) -> (i32, String, String) {
        outcome(&mut self.run(arguments))
    }

    /// Paths of the JSON lines that succeeded, with their best label.
    pub fn best(&self, arguments: &[&str]) -> Vec<(String, String)> {
        let (_, out, _) = self.outcome(&[arguments, &["--json"]].concat());
        best_of(&out)
    }
}

pub fn best_of(json_lines: &str) -> Vec<(String, String)> {
    json_lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|line| {
            let text = |value: &serde_json::Value| value.as_str().unwrap_or("failed").to_owned();
            (
                text(&line["path"]).replace('\\', "/"),
                text(&line["predictions"][0]["label"]),
            )
        })
        .collect()
}

pub fn outcome(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap_or(-1),
        text(output.stdout),
        text(output.stderr),
    )
}

pub fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(path, label)| ((*path).to_owned(), (*label).to_owned()))
        .collect()
}
