//! How long the module's own code takes for a photo on the machine itself, on one thread: the other side of
//! `web-demo/speed`, which runs it.
//!
//! ```text
//! cargo run --release -p web-demo --example speed -- MODEL.onnx PHOTO...
//! ```
//!
//! prints the milliseconds of each photo, one a line, in the order of the arguments.

use std::error::Error;
use std::time::Instant;

use web_demo::open_model::PageModel;

/// As `page/worker.js` asks.
const TOP_K: usize = 5;
/// The side of the small picture that a card of the page shows, in pixels.
const SIDE: u32 = 160;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments
        .next()
        .ok_or("expected MODEL.onnx and photos as arguments")?;
    let (model, _) = PageModel::open(std::fs::read(model)?.leak()).map_err(|reply| reply.json)?;
    for photo in arguments {
        let file = std::fs::read(&photo)?;
        let began = Instant::now();
        let reply = model.classify(&file, TOP_K, SIDE);
        println!("{}", began.elapsed().as_secs_f64() * 1e3);
        if reply.size == [0, 0] {
            return Err(format!("{photo}: {}", reply.json).into());
        }
    }
    Ok(())
}
