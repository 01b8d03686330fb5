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

/// A form's parts: headers and content of each.
fn parts(all: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (head, content) in all {
        let disposition = "Content-Disposition: form-data; name=";
        body.extend(format!("--limit\r\n{disposition}{head}\r\n\r\n").into_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--limit--\r\n");
    body
}

#[test]
fn fields_that_are_no_files_do_not_matter() {
    let service = Service::start(&[]);
    let (kind, _) = form(&[]);
    let red = ppm(RED);
    let body = parts(&[
        ("\"comment\"", b"from the zoo"),
        ("\"topk\"", b"1"),
        ("\"other\"; filename=\"\"", b""),
        ("\"photo\"; filename=\"red.ppm\"", &red),
        ("\"submit\"", b"Send"),
    ]);
    let (status, text) = service.request("POST /api/classify", &kind, &body);
    let answer = json(&text);
    assert_eq!((status, &answer["path"]), (200, &Value::from("red.ppm")));
    assert_eq!(answer["predictions"].as_array().unwrap().len(), 1);
    // What is an option still has to be one.
    for (value, part) in [
        (&b"many"[..], "topk: expected a whole number"),
        (&[b'1'; 5000], "4096 bytes"),
    ] {
        let body = parts(&[
            ("\"topk\"", value),
            ("\"photo\"; filename=\"red.ppm\"", &red),
        ]);
        let (status, text) = service.request("POST /api/classify", &kind, &body);
        assert_eq!(status, 400);
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_form_without_a_file_says_what_it_has() {
    let service = Service::start(&[]);
    let (kind, _) = form(&[]);
    for (body, part) in [
        (parts(&[]), "got none"),
        (
            parts(&[("\"file\"", b"photo.jpg"), ("\"submit\"", b"Send")]),
            "got 'file', 'submit' without one",
        ),
        (
            parts(&[("\"photo\"; filename=\"\"", b"")]),
            "got 'photo' without one",
        ),
        (
            parts(&[("\"many\"", &b"1"[..]); 5]),
            "and 2 more without one",
        ),
        (b"--limit\r\nbroken".to_vec(), "breaks off"),
        (b"nothing".to_vec(), "boundary 'limit'"),
    ] {
        let (status, text) = service.request("POST /api/classify", &kind, &body);
        assert_eq!(status, 400, "{text}");
        let error = json(&text)["error"].as_str().unwrap().to_owned();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn file_names_stay_what_they_are() {
    let service = Service::start(&[]);
    let (kind, _) = form(&[]);
    let red = ppm(RED);
    for (sent, name) in [
        ("filename=\"café ☕.ppm\"", "café ☕.ppm"),
        ("filename=\"a \\\"b\\\".ppm\"", "a \"b\".ppm"),
        ("filename=\"../a\nb.ppm\"", "../a\nb.ppm"),
        (
            "filename=\"caf_.ppm\"; filename*=UTF-8''caf%C3%A9.ppm",
            "café.ppm",
        ),
        ("filename=\"\"", "upload"),
    ] {
        let body = parts(&[(&format!("\"file\"; {sent}"), &red)]);
        let (status, text) = service.request("POST /api/classify", &kind, &body);
        assert_eq!((status, &json(&text)["path"]), (200, &Value::from(name)));
    }
}
