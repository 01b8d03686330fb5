//! One connection from its first byte to its last: requests are answered in turn, and nobody whose request was on its way
//! sees a connection that just ends.

use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use hyper::StatusCode;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::State;
use super::answer;
use super::connections::Open;
use super::socket::Socket;

/// What a connection that is to close gets, so that a request that lies in the system's buffer is read before.
const GRACE: Duration = Duration::from_millis(20);

/// How long what still comes is read after the last word: closing over unread bytes resets the connection, and the
/// client may lose the word with it.
const LINGER: Duration = Duration::from_secs(1);

/// The same where others wait for the place.
const LINGER_CROWDED: Duration = Duration::from_millis(300);

/// The largest head of a request. Every open connection may hold so much beside the uploads.
const HEAD_BYTES: usize = 128 << 10;

/// The most headers that hyper takes.
const HEADERS: usize = 100;

/// Answers a connection's requests until its end.
pub(super) async fn serve(
    state: Arc<State>,
    stream: TcpStream,
    mut stopped: watch::Receiver<bool>,
) {
    let open = state.connections.open();
    match begin(&state, &stream, &open, &mut stopped).await {
        Begun::Request => {}
        Begun::Crowded => {
            let text = "too many connections; try again";
            say(&state, &stream, StatusCode::SERVICE_UNAVAILABLE, text);
            return leave(stream, LINGER_CROWDED).await;
        }
        Begun::Nothing => return,
    }
    let (ending, stream) = talk(&state, stream, &open, &mut stopped).await;
    if let Ending::Unread(status) = ending {
        say(&state, &stream, status, &why(status, &state));
    }
    leave(stream, LINGER).await;
}

/// How a connection begins.
enum Begun {
    /// Something has come.
    Request,
    /// It has to make room before anything came, though its request may be on its way.
    Crowded,
    /// Nothing came in time, or the service ends.
    Nothing,
}

/// Waits for the first byte and leaves it where it is.
async fn begin(
    state: &State,
    stream: &TcpStream,
    open: &Open,
    stopped: &mut watch::Receiver<bool>,
) -> Begun {
    let mut first = [0];
    let mut request = pin!(stream.peek(&mut first));
    let mut closed = pin!(open.closed(GRACE));
    let mut stop = pin!(stopped.changed());
    let mut late = pin!(tokio::time::sleep(state.config.limits.timeout));
    poll_fn(|context| {
        if request.as_mut().poll(context).is_ready() {
            Poll::Ready(Begun::Request)
        } else if closed.as_mut().poll(context).is_ready() {
            Poll::Ready(Begun::Crowded)
        } else if stop.as_mut().poll(context).is_ready() || late.as_mut().poll(context).is_ready() {
            Poll::Ready(Begun::Nothing)
        } else {
            Poll::Pending
        }
    })
    .await
}

/// How a connection's requests end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// After an answer, or because the client went away.
    Done,
    /// In a request's head, which is not answered yet.
    Unread(StatusCode),
}

/// Why a head was not read.
fn why(status: StatusCode, state: &State) -> String {
    match status {
        StatusCode::REQUEST_TIMEOUT => format!(
            "expected the request's headers within {} seconds, and they did not all come; send it again",
            state.config.limits.timeout.as_secs()
        ),
        StatusCode::URI_TOO_LONG => {
            "expected a shorter address; a photo goes into the request's body".to_owned()
        }
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => format!(
            "expected at most {HEADERS} headers and {} KiB of them, address included; send fewer or shorter ones",
            HEAD_BYTES >> 10
        ),
        StatusCode::HTTP_VERSION_NOT_SUPPORTED => {
            "expected HTTP/1.1, got HTTP/2; tell the program or proxy to speak HTTP/1.1".to_owned()
        }
        _ => "expected a request of HTTP/1.1, got a first line or a header that is none; \
              is the address http:// and the program one that speaks HTTP?"
            .to_owned(),
    }
}

async fn talk(
    state: &Arc<State>,
    stream: TcpStream,
    open: &Open,
    stopped: &mut watch::Receiver<bool>,
) -> (Ending, TcpStream) {
    let peer = stream.peer_addr().ok();
    // The first request has begun to come: until it is answered, this connection does not just wait.
    let arriving = Mutex::new(Some(open.request()));
    let service = service_fn(|request| {
        let busy = open.request();
        drop(
            arriving
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let state = Arc::clone(state);
        Box::pin(async move {
            let reply = answer::answer(state, request, peer).await;
            drop(busy);
            reply
        })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(state.config.limits.timeout)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(Socket::new(stream)), service);
    let mut closed = pin!(open.closed(GRACE));
    let mut stop = pin!(stopped.changed());
    let mut stopping = false;
    // Whatever comes first: a client who goes away, a request to close, or the service's end.
    let ended = poll_fn(|context| {
        if !stopping && stop.as_mut().poll(context).is_ready() {
            stopping = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        if let Poll::Ready(ended) = connection.poll_without_shutdown(context) {
            return Poll::Ready(ended);
        }
        closed.as_mut().poll(context).map(|()| Ok(()))
    })
    .await;
    let parts = connection.into_parts();
    let (stream, refusal) = parts.io.into_inner().into_parts();
    let ending = match (ended, refusal) {
        (_, Some(status)) => Ending::Unread(status),
        // Who has sent nothing since the last answer only waited.
        (Err(error), _) if error.is_timeout() && !parts.read_buf.is_empty() => {
            Ending::Unread(StatusCode::REQUEST_TIMEOUT)
        }
        (Err(error), _) if error.is_parse_version_h2() => {
            Ending::Unread(StatusCode::HTTP_VERSION_NOT_SUPPORTED)
        }
        _ => Ending::Done,
    };
    (ending, stream)
}

/// A last word on a connection on which nothing was written, or nothing since the last answer.
fn say(state: &State, stream: &TcpStream, status: StatusCode, error: &str) {
    answer::unread(state, status, stream.peer_addr().ok());
    let body = answer::error_body(error);
    let retry = if status == StatusCode::SERVICE_UNAVAILABLE {
        "retry-after: 1\r\n"
    } else {
        ""
    };
    let length = body.len();
    let reply = format!(
        "HTTP/1.1 {status}\r\n{retry}content-type: application/json\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    );
    // So short a text has room in the system's buffer; a client that is gone needs none.
    let _ = stream.try_write(reply.as_bytes());
}

/// Ends a connection in order: no more from here, and what the client still sends is read for a moment.
async fn leave(mut stream: TcpStream, linger: Duration) {
    let end = Instant::now() + linger;
    let shutdown = poll_fn(|context| Pin::new(&mut stream).poll_shutdown(context));
    if !matches!(timeout_at(end, shutdown).await, Ok(Ok(()))) {
        return;
    }
    let mut forgotten = [0; 4096];
    while let Ok(Ok(())) = timeout_at(end, stream.readable()).await {
        match stream.try_read(&mut forgotten) {
            Ok(0) => return,
            Err(error) if error.kind() != ErrorKind::WouldBlock => return,
            _ => {}
        }
    }
}
