//! `infer-cli serve`: from options to the service.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use image_data::decode::DecodeOptions;
use inference::Cancel;

use super::decode_options;
use crate::args::ServeArgs;
use crate::serve::{Limits, ServeConfig, run as listen};
use crate::{Exit, model, report};

/// Uploads that may be in memory together, in the largest upload's size.
const BUFFERED_UPLOADS: usize = 8;

/// Serves until Ctrl-C.
///
/// # Errors
/// When the model cannot be used or the address cannot be listened on.
pub fn run(args: &ServeArgs, cancel: &Cancel) -> Result<Exit> {
    let classifier = model::open(&args.model, &args.talk)?;
    args.words.check(&classifier)?;
    let upload_bytes = usize::try_from(args.max_upload << 20)?;
    let limits = Limits {
        upload_bytes,
        buffered_bytes: upload_bytes.saturating_mul(BUFFERED_UPLOADS),
        timeout: Duration::from_secs(args.timeout),
        concurrency: args
            .concurrency
            .unwrap_or(classifier.model().threads.max(1)),
        connections: args.max_connections,
    };
    if !args.host.is_loopback() && !args.talk.quiet {
        report::note("others on the network can reach this service, and nothing asks who they are");
    }
    let config = ServeConfig {
        address: SocketAddr::new(args.host, args.port),
        limits,
        decode: DecodeOptions {
            // Strangers send these pictures.
            own_decoders_only: true,
            ..decode_options(&args.decode, &classifier)
        },
        words: args.words.clone(),
        log: args.log,
    };
    listen(classifier, config, cancel, |address| {
        // Flushed, because a script may wait for this line to learn the port; its going away is not our problem.
        let mut out = anstream::stdout().lock();
        let _ = writeln!(out, "listening on http://{address}").and_then(|()| out.flush());
    })?;
    Ok(Exit::Success)
}
