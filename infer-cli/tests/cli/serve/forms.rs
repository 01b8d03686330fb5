//! Photos that come as `multipart/form-data`, as `curl -F` and the pages' own forms send them.

use serde_json::Value;

use super::{Service, json};
use crate::helpers::{BLUE, RED, ppm};

fn form(files: &[(&str, &[u8])]) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (name, bytes) in files {
        body.extend(
            format!("--limit\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n")
                .into_bytes(),
        );
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--limit--\r\n");
    let kind = "Content-Type: multipart/form-data; boundary=limit\r\n".to_owned();
    (kind, body)
}

#[test]
fn forms_carry_one_photo_or_several() {
    let service = Service::start(&[]);
    let (kind, body) = form(&[("red.ppm", &ppm(RED))]);
    let (status, text) = service.request("POST /api/classify?topk=1", &kind, &body);
    let answer = json(&text);
    assert_eq!((status, &answer["path"]), (200, &Value::from("red.ppm")));
    assert_eq!(answer["predictions"][0]["label"], "red");
    let (kind, body) = form(&[
        ("red.ppm", &ppm(RED)),
        ("none.jpg", b"no picture"),
        ("blue.ppm", &ppm(BLUE)),
    ]);
    let (status, text) = service.request("POST /api/classify", &kind, &body);
    let answers = json(&text);
    assert_eq!((status, answers.as_array().unwrap().len()), (200, 3));
    assert_eq!(answers[0]["predictions"][0]["label"], "red");
    assert_eq!(answers[1]["code"], "image.unknown-format");
    assert_eq!(answers[2]["predictions"][0]["label"], "blue");
    let (kind, body) = form(&[]);
    let (status, text) = service.request("POST /api/classify", &kind, &body);
    assert_eq!(status, 400);
    assert!(text.contains("curl -F"), "{text}");
}
