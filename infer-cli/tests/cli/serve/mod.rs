//! The HTTP service over loopback, spoken to as raw bytes: answers, limits, foreign hosts and origins.

mod forms;
mod full;
mod heads;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::helpers::{BLUE, Bench, RED, ppm};

struct Service {
    child: Child,
    address: SocketAddr,
    bench: Bench,
}

impl Service {
    fn start(arguments: &[&str]) -> Self {
        let bench = Bench::new();
        let mut child = Command::new(assert_cmd::cargo::cargo_bin!("infer-cli"))
            .args(["serve", "--port", "0"])
            .args(arguments)
            .env("INFER_MODEL", &bench.model)
            .stdout(Stdio::piped())
            .stderr(if arguments.contains(&"--log") {
                Stdio::piped()
            } else {
                Stdio::inherit()
            })
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .trim()
            .strip_prefix("listening on http://")
            .unwrap()
            .parse()
            .unwrap();
        Self {
            child,
            address,
            bench,
        }
    }

    /// Sends raw bytes, reads to the end: status and body.
    fn send(&self, request: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        // The service may answer and close before it has read everything.
        let _ = stream.write_all(request);
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        let reply = String::from_utf8_lossy(&reply).into_owned();
        let status = reply
            .split(' ')
            .nth(1)
            .and_then(|s| s.parse().ok())
            .unwrap_or(0);
        let body = reply
            .split_once("\r\n\r\n")
            .map_or("", |(_, body)| body)
            .to_owned();
        (status, body)
    }

    fn request(&self, first: &str, headers: &str, body: &[u8]) -> (u16, String) {
        let head = format!(
            "{first} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
            self.address,
            body.len()
        );
        self.send(&[head.as_bytes(), body].concat())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn the_page_and_the_answers() {
    let service = Service::start(&[]);
    let (status, page) = service.request("GET /", "", b"");
    assert_eq!(status, 200);
    assert!(page.contains("Drop photos or a folder here") && page.contains("<noscript>"));
    for part in [
        "/page.css",
        "/page.js",
        "/input.js",
        "/queue.js",
        "/show.js",
    ] {
        assert_eq!(service.request(&format!("GET {part}"), "", b"").0, 200);
    }
    let (status, body) =
        service.request("POST /api/classify?topk=2&name=a%20b.ppm", "", &ppm(BLUE));
    assert_eq!(status, 200);
    let answer = json(&body);
    assert_eq!(
        (answer["path"].as_str(), answer["schema"].as_u64()),
        (Some("a b.ppm"), Some(1))
    );
    assert_eq!(answer["predictions"].as_array().unwrap().len(), 2);
    assert_eq!(answer["predictions"][0]["label"], "blue");
    let (status, body) = service.request("GET /api/model", "", b"");
    assert_eq!((status, json(&body)["classes"].as_u64()), (200, Some(3)));
    let folder = service.bench.path().to_string_lossy().into_owned();
    assert!(!body.contains(&folder), "no folder of this machine: {body}");
    assert_eq!(
        service.request("GET /healthz", "", b""),
        (200, "ok\n".into())
    );
}

#[test]
fn wrong_requests_get_a_reason() {
    let service = Service::start(&[]);
    for (first, body, status, part) in [
        (
            "POST /api/classify",
            &b"not an image"[..],
            422,
            "expected JPEG",
        ),
        ("POST /api/classify", b"", 422, "0 bytes"),
        ("POST /api/classify?topk=x", b"", 400, "topk"),
        ("GET /api/classify", b"", 405, "POST"),
        ("DELETE /", b"", 405, "GET"),
        ("GET /etc/passwd", b"", 404, "/api/classify"),
    ] {
        let (got, text) = service.request(first, "", body);
        assert_eq!(got, status, "{first}: {text}");
        assert!(
            json(&text)["error"].as_str().unwrap().contains(part),
            "{first}: {text}"
        );
    }
    // Still alive, and still right.
    assert_eq!(service.request("POST /api/classify", "", &ppm(RED)).0, 200);
}

#[test]
fn uploads_are_bounded_announced_or_not() {
    let service = Service::start(&["--max-upload", "1"]);
    let (status, body) = service.send(
        format!("POST /api/classify HTTP/1.1\r\nHost: {}\r\nContent-Length: 99999999\r\nConnection: close\r\n\r\n", service.address)
            .as_bytes(),
    );
    assert_eq!(status, 413, "{body}");
    let mut chunked = format!(
        "POST /api/classify HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        service.address
    )
    .into_bytes();
    for _ in 0..20 {
        chunked.extend_from_slice(b"20000\r\n");
        chunked.extend_from_slice(&[0; 0x20000]);
        chunked.extend_from_slice(b"\r\n");
    }
    let mut stream = TcpStream::connect(service.address).unwrap();
    let _ = stream.write_all(&chunked);
    let mut head = [0; 12];
    // A reset may overtake the answer; a success must not come.
    if stream.read_exact(&mut head).is_ok() {
        assert_eq!(&head, b"HTTP/1.1 413");
    }
    assert_eq!(service.request("POST /api/classify", "", &ppm(RED)).0, 200);
}

#[test]
fn slow_uploads_end_by_the_clock() {
    let service = Service::start(&["--timeout", "1"]);
    let head = format!(
        "POST /api/classify HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000\r\nConnection: close\r\n\r\nabc",
        service.address
    );
    assert_eq!(service.send(head.as_bytes()).0, 408);
    // Half a header, and then nothing.
    assert_eq!(service.send(b"GET / HTTP/1.1\r\nHos").0, 408);
    assert_eq!(service.request("GET /healthz", "", b"").0, 200);
}

#[test]
fn other_sites_cannot_use_the_visitors_browser() {
    let service = Service::start(&[]);
    let (status, text) =
        service.send(b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    assert_eq!(status, 403);
    assert!(
        text.contains("Host") && text.contains("evil.example"),
        "{text}"
    );
    for origin in ["http://evil.example", "https://evil.example", "null"] {
        let header = format!("Origin: {origin}\r\n");
        let (status, text) = service.request("POST /api/classify", &header, &ppm(RED));
        assert_eq!(status, 403);
        assert!(text.contains("Origin") && text.contains(origin), "{text}");
    }
    // A proxy in front may speak TLS to the browser.
    for scheme in ["http", "https"] {
        let own = format!("Origin: {scheme}://{}\r\n", service.address);
        let (status, text) = service.request("POST /api/classify", &own, &ppm(RED));
        assert_eq!(status, 200, "{text}");
    }
}

#[test]
fn many_at_once_all_get_their_own_answer() {
    let service = Service::start(&["--concurrency", "2"]);
    std::thread::scope(|scope| {
        for i in 0..16 {
            let service = &service;
            scope.spawn(move || {
                let (rgb, label) = if i % 2 == 0 {
                    (RED, "red")
                } else {
                    (BLUE, "blue")
                };
                let (status, body) = service.request("POST /api/classify", "", &ppm(rgb));
                assert_eq!(
                    (status, json(&body)["predictions"][0]["label"].as_str()),
                    (200, Some(label))
                );
            });
        }
    });
}

#[test]
fn head_metrics_and_sureness() {
    let service = Service::start(&[]);
    for page in ["/", "/healthz", "/api/model", "/metrics"] {
        assert_eq!(
            service.request(&format!("HEAD {page}"), "", b""),
            (200, String::new()),
            "{page}"
        );
    }
    let query = "POST /api/classify?abstain=0.99999&name=a+b.ppm";
    let (_, text) = service.request(query, "", &ppm(RED));
    assert_eq!(
        (&json(&text)["sure"], &json(&text)["path"]),
        (&Value::from(false), &Value::from("a b.ppm"))
    );
    let (_, page) = service.request("GET /metrics", "", b"");
    for line in [
        "infer_requests_total{path=\"/api/classify\",status=\"200\"} 1",
        "infer_images_total{result=\"answered\"} 1",
        "infer_request_duration_seconds_count",
    ] {
        assert!(page.contains(line), "{line}: {page}");
    }
}

#[test]
fn sockets_that_only_wait_lock_nobody_out() {
    let service = Service::start(&["--max-connections", "8"]);
    let idle: Vec<TcpStream> = (0..20)
        .map(|_| TcpStream::connect(service.address).unwrap())
        .collect();
    assert_eq!(service.request("POST /api/classify", "", &ppm(RED)).0, 200);
    // One that had to make room is told so: its request may be on its way.
    let mut first = &idle[0];
    let mut word = String::new();
    first.read_to_string(&mut word).unwrap();
    assert!(
        word.starts_with("HTTP/1.1 503 ") && word.contains("\r\nretry-after: 1\r\n"),
        "{word}"
    );
    assert!(json(word.split("\r\n\r\n").nth(1).unwrap())["error"].is_string());
    drop(idle);
}

#[test]
fn a_request_that_has_begun_to_come_is_not_taken_for_idle() {
    let service = Service::start(&["--max-connections", "4"]);
    let mut slow = TcpStream::connect(service.address).unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\n").unwrap();
    // An answered request shows that the one before it has been accepted.
    assert_eq!(service.request("GET /healthz", "", b"").0, 200);
    let idle: Vec<TcpStream> = (0..12)
        .map(|_| TcpStream::connect(service.address).unwrap())
        .collect();
    // The last of them is reached only after all before it have made room.
    assert_eq!(service.request("GET /healthz", "", b"").0, 200);
    slow.write_all(b"Host: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    drop(idle);
}

/// A client that goes on sending although it has its answer must get to read it: no reset.
#[test]
fn who_sends_on_after_the_answer_can_read_it() {
    let service = Service::start(&["--timeout", "1"]);
    let mut stream = TcpStream::connect(service.address).unwrap();
    let head = format!(
        "POST /api/classify HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000000\r\n\r\n",
        service.address
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut sender = stream.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        for _ in 0..70 {
            std::thread::sleep(Duration::from_millis(20));
            if sender.write_all(&[7; 100]).is_err() {
                break;
            }
        }
    });
    sending.join().unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[test]
fn a_flood_is_answered_and_not_reset() {
    let service = Service::start(&["--concurrency", "2", "--max-connections", "16"]);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..100)
            .map(|_| scope.spawn(|| service.request("POST /api/classify", "", &ppm(RED)).0))
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(
        statuses.iter().all(|status| matches!(status, 200 | 503)),
        "{statuses:?}"
    );
    assert!(statuses.contains(&200));
}

#[cfg(unix)]
#[test]
fn a_stop_lets_the_request_under_way_finish() {
    let mut service = Service::start(&[]);
    let picture = ppm(RED);
    let mut stream = TcpStream::connect(service.address).unwrap();
    let head = format!(
        "POST /api/classify HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n",
        service.address,
        picture.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&picture[..100]).unwrap();
    // An answered request shows that the one before it has been accepted.
    assert_eq!(service.request("GET /healthz", "", b"").0, 200);
    let kill = Command::new("kill")
        .args(["-TERM", &service.child.id().to_string()])
        .status()
        .unwrap();
    assert!(kill.success());
    stream.write_all(&picture[100..]).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(
        reply.starts_with("HTTP/1.1 200") && reply.contains("red"),
        "{reply}"
    );
    assert_eq!(service.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_damaged_picture_is_marked() {
    let service = Service::start(&[]);
    let cut = crate::helpers::png_without_end(RED);
    let (status, text) = service.request("POST /api/classify", "", &cut);
    assert_eq!(
        (status, &json(&text)["damaged"]),
        (200, &Value::from(true)),
        "{text}"
    );
}
