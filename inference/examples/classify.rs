//! The library in twenty lines: `cargo run -p inference --release --example classify -- photo.jpg [model.onnx]`.
//!
//! In the repository the example has the default model inside; in a program of your own, the feature `embedded-model` does
//! that.

use inference::{Classifier, ClassifierConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let photo = arguments
        .next()
        .ok_or("expected: classify PHOTO [MODEL.onnx]")?;
    let config = ClassifierConfig::default();
    let classifier = match arguments.next() {
        Some(model) => Classifier::open(model, &config)?,
        None => Classifier::embedded(&config)?,
    };
    for answer in classifier.classify_file(photo, 5)? {
        println!("{:6.2} %  {}", answer.probability * 100.0, answer.label);
    }
    Ok(())
}
