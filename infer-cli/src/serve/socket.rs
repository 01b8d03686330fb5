//! The socket as hyper sees it. A head that hyper cannot read it refuses by itself, with a status and no reason; that
//! refusal is kept back here, so that an answer with a reason can go out in its place.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

pub(super) struct Socket {
    stream: TcpStream,
    refusal: Option<StatusCode>,
}

impl Socket {
    pub fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            refusal: None,
        }
    }

    /// The stream again, and the status of the refusal that was kept back.
    pub fn into_parts(self) -> (TcpStream, Option<StatusCode>) {
        (self.stream, self.refusal)
    }

    /// Keeps hyper's own refusal back; it comes in one piece, after all that was written before it.
    fn keeps(&mut self, bytes: &[u8]) -> bool {
        let refusal = refusal(bytes);
        self.refusal = self.refusal.or(refusal);
        refusal.is_some()
    }
}

/// The status of an answer that hyper made by itself: a head that announces no body. Every answer of ours has one, and
/// an answer to HEAD announces it, too.
fn refusal(bytes: &[u8]) -> Option<StatusCode> {
    let head = std::str::from_utf8(bytes).ok()?;
    let (_, rest) = head.strip_prefix("HTTP/1.")?.split_once(' ')?;
    let is_empty = head.contains("\r\ncontent-length: 0\r\n") && head.ends_with("\r\n\r\n");
    let status = StatusCode::from_bytes(rest.as_bytes().get(..3)?).ok()?;
    (is_empty && status.is_client_error()).then_some(status)
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        if self.keeps(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        if let Some(first) = slices.first()
            && self.keeps(first)
        {
            return Poll::Ready(Ok(first.len()));
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_without_a_body_is_kept_back() {
        let own = b"HTTP/1.1 414 URI Too Long\r\nconnection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        assert_eq!(refusal(own), Some(StatusCode::URI_TOO_LONG));
        for ours in [
            &b"HTTP/1.1 404 Not Found\r\ncontent-length: 99\r\n\r\n"[..],
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}",
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"\r\ncontent-length: 0\r\n\r\n",
            b"",
        ] {
            assert_eq!(refusal(ours), None);
        }
    }
}
