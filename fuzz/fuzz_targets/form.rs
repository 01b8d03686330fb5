//! Any request body as a form of `infer-cli serve`: the first line is its Content-Type, the rest its body.
#![no_main]

use infer_cli::serve::multipart;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (kind, body) = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[][..]),
    };
    if let Some(Ok(boundary)) = multipart::boundary(&String::from_utf8_lossy(kind))
        && let Ok(parts) = multipart::parse(body, &boundary)
    {
        let held: usize = parts.iter().map(|part| part.content.len()).sum();
        assert!(held <= body.len(), "parts lie inside the body");
    }
});
