//! `infer-cli serve`: from options to the service.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use inference::Cancel;

use super::decode_options;
use crate::args::ServeArgs;
use crate::serve::{Limits, run as listen};
use crate::{Exit, model, report};

/// Serves until Ctrl-C.
///
/// # Errors
/// When the model cannot be used or the address cannot be listened on.
pub fn run(args: &ServeArgs, cancel: &Cancel) -> Result<Exit> {
    let classifier = model::open(&args.model, &args.talk)?;
    args.words.check(&classifier)?;
    let limits = Limits {
        upload_bytes: usize::try_from(args.max_upload << 20)?,
        timeout: Duration::from_secs(args.timeout),
        concurrency: args
            .concurrency
            .unwrap_or(classifier.model().threads.max(1)),
        connections: args.max_connections,
    };
    if !args.host.is_loopback() && !args.talk.quiet {
        report::warning(
            "others on the network can reach this service, and nothing asks who they are",
        );
    }
    let address = SocketAddr::new(args.host, args.port);
    listen(
        classifier,
        decode_options(&args.decode),
        args.words.clone(),
        address,
        limits,
        cancel,
        |address| {
            // Flushed, because a script may wait for this line to learn the port; its going away is not our problem.
            let mut out = anstream::stdout().lock();
            let _ = writeln!(out, "listening on http://{address}").and_then(|()| out.flush());
        },
    )?;
    Ok(Exit::Success)
}
