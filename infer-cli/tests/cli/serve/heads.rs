//! Requests whose head cannot be read: a reason in the answer, and a place in the counters and in the log.

use std::io::Read;

use super::{Service, json};

#[test]
fn a_head_that_cannot_be_read_gets_a_reason() {
    let service = Service::start(&[]);
    let start = format!("GET / HTTP/1.1\r\nHost: {}\r\n", service.address);
    let many: String = (0..200).map(|i| format!("X-{i}: a\r\n")).collect();
    for (head, status, part) in [
        ("\u{16}\u{3}\u{1}\r\n\r\n".to_owned(), 400, "HTTP/1.1"),
        (
            format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(70_000)),
            414,
            "address",
        ),
        (format!("{start}{many}\r\n"), 431, "100 headers"),
        (
            format!("{start}X: {}\r\n\r\n", "a".repeat(200_000)),
            431,
            "128 KiB",
        ),
        (
            format!("{start}Content-Length: 1\r\nContent-Length: 2\r\n\r\n"),
            400,
            "header",
        ),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 505, "HTTP/2"),
    ] {
        let (got, body) = service.send(head.as_bytes());
        assert_eq!(got, status, "{body}");
        let error = json(&body)["error"].as_str().unwrap().to_owned();
        assert!(error.contains(part), "{error}");
    }
    let (_, page) = service.request("GET /metrics", "", b"");
    for (status, n) in [(400, 2), (414, 1), (431, 2), (505, 1)] {
        let line = format!("infer_requests_total{{path=\"unread\",status=\"{status}\"}} {n}\n");
        assert!(page.contains(&line), "{line}: {page}");
    }
}

#[test]
fn a_broken_head_after_an_answer_gets_its_own() {
    let service = Service::start(&[]);
    let two = format!(
        "GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\nNOTHING\r\n\r\n",
        service.address
    );
    let (status, rest) = service.send(two.as_bytes());
    assert_eq!(status, 200);
    let (first, second) = rest.split_once("HTTP/1.1 ").unwrap();
    assert_eq!(first, "ok\n");
    assert!(second.starts_with("400 "), "{second}");
    assert!(json(second.split_once("\r\n\r\n").unwrap().1)["error"].is_string());
}

#[test]
fn a_head_that_cannot_be_read_is_in_the_log() {
    let mut service = Service::start(&["--log"]);
    let (status, _) = service.send(b"NOTHING\r\n\r\n");
    assert_eq!(status, 400);
    // It ends with the service, so that a line that is missing is not waited for.
    service.child.kill().unwrap();
    let mut log = String::new();
    let mut stderr = service.child.stderr.take().unwrap();
    stderr.read_to_string(&mut log).unwrap();
    assert!(log.contains(" method=- path=\"-\" status=400 "), "{log}");
}
