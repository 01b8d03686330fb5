//! Decodes every file named on stdin as torchvision would and writes the pixels where a script compares them with
//! Pillow's: `tests/by-hand/against_pillow.py`. A line a file: name, then width and height, or the error.

use std::io::{BufRead, Write};
use std::path::Path;

use image_data::decode::{DecodeConfig, decode_full};

fn main() -> std::io::Result<()> {
    let out = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let mut stdout = std::io::stdout().lock();
    for (number, name) in std::io::stdin().lock().lines().enumerate() {
        let name = name?;
        let result = std::fs::read(&name)
            .map_err(|error| error.to_string())
            .and_then(|bytes| {
                decode_full(&bytes, &DecodeConfig::torchvision()).map_err(|error| error.to_string())
            });
        match result {
            Ok(decoded) => {
                let image = decoded.image;
                std::fs::write(Path::new(&out).join(format!("{number}.rgb")), &image.data)?;
                let damage = decoded
                    .damage
                    .map_or_else(String::new, |damage| damage.to_string());
                writeln!(
                    stdout,
                    "{name}\tok\t{}\t{}\t{damage}",
                    image.width, image.height
                )?;
            }
            Err(error) => writeln!(stdout, "{name}\terror\t{error}")?,
        }
        stdout.flush()?;
    }
    Ok(())
}
