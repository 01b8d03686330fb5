//! A last word to a connection that has to make room and has sent nothing yet: come again. A visitor whose request was on
//! its way reads a status, and not the end of a connection.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::State;

/// How long what still comes is read: a connection that is closed with unread bytes is reset, and the word with it.
const LINGER: Duration = Duration::from_millis(500);

pub(super) async fn turn_away(state: &State, mut stream: TcpStream) {
    // With too many of them at once, the rest goes without a word.
    let Ok(_place) = state.leaving.try_acquire() else {
        return;
    };
    let body = serde_json::json!({
        "schema": crate::output::SCHEMA,
        "error": "too many connections; try again",
    })
    .to_string();
    let head =
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-type: application/json\r\n";
    let length = body.len() + 1;
    let reply = format!("{head}content-length: {length}\r\nconnection: close\r\n\r\n{body}\n");
    // Nothing was written before, so there is room for all of it.
    if stream.try_write(reply.as_bytes()).is_err() {
        return;
    }
    let end = Instant::now() + LINGER;
    let _ = timeout_at(
        end,
        poll_fn(|context| Pin::new(&mut stream).poll_shutdown(context)),
    )
    .await;
    let mut forgotten = [0; 4096];
    while let Ok(Ok(())) = timeout_at(end, stream.readable()).await {
        match stream.try_read(&mut forgotten) {
            Ok(0) => return,
            Err(error) if error.kind() != ErrorKind::WouldBlock => return,
            _ => {}
        }
    }
}
