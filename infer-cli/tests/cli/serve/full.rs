//! More uploads at once than there is memory set aside for.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::{Service, json};

/// Each holds a part of the room and needs more to end: none may wait for the others.
#[test]
fn uploads_that_fill_the_room_together_all_end() {
    let service = Service::start(&["--max-upload", "1", "--timeout", "10"]);
    let body = vec![b'x'; 1_000_000];
    let head = format!(
        "POST /api/classify HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        service.address,
        body.len()
    );
    let (first, second) = body.split_at(600_000);
    let mut uploads: Vec<TcpStream> = (0..20)
        .map(|_| TcpStream::connect(service.address).unwrap())
        .collect();
    for upload in &mut uploads {
        upload.write_all(head.as_bytes()).unwrap();
    }
    // From a thread each: the service reads no more of an upload that waits for room.
    let answers: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = uploads
            .iter_mut()
            .map(|upload| {
                scope.spawn(move || {
                    upload.write_all(first).unwrap();
                    std::thread::sleep(Duration::from_millis(500));
                    upload.write_all(second).unwrap();
                    let mut answer = String::new();
                    upload.read_to_string(&mut answer).unwrap();
                    answer
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    for answer in answers {
        assert!(answer.starts_with("HTTP/1.1 422 "), "{answer}");
    }
    // All of it is given back.
    let (_, page) = service.request("GET /metrics", "", b"");
    assert!(page.contains("\ninfer_buffered_bytes 0\n"), "{page}");
}

#[test]
fn an_upload_that_is_too_large_is_told_of_the_option_and_visitors_are_not() {
    let service = Service::start(&["--max-upload", "1"]);
    let (status, text) = service.request("POST /api/classify", "", &vec![0; 3 << 20]);
    assert_eq!(status, 413);
    let error = json(&text)["error"].as_str().unwrap().to_owned();
    for part in ["at most 1 MiB", "got 3.0 MiB", "--max-upload"] {
        assert!(error.contains(part), "{error}");
    }
    for part in ["/", "/page.js", "/input.js", "/queue.js", "/show.js"] {
        let (_, page) = service.request(&format!("GET {part}"), "", b"");
        assert!(!page.contains(" --"), "{part} names an option");
    }
}
