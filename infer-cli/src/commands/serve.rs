//! `infer-cli serve`: from options to the service.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use image_data::decode::DecodeConfig;
use inference::Cancel;

use super::decode_config;
use crate::args::ServeArgs;
use crate::serve::{Limits, ServeConfig, run as listen};
use crate::{Exit, model, report};

/// Uploads that may be in memory together, in the largest upload's size.
const BUFFERED_UPLOADS: usize = 8;

/// Files that are open beside the connections: the model, the listening socket, standard streams, the runtime's own.
const OTHER_FILES: u64 = 64;

/// Serves until Ctrl-C.
///
/// # Errors
/// When the model cannot be used or the address cannot be listened on.
pub fn run(args: &ServeArgs, cancel: &Cancel) -> Result<Exit> {
    let classifier = model::open(&args.model, &args.verbosity)?;
    args.words.check(&classifier)?;
    let upload_bytes = usize::try_from(args.max_upload << 20)?;
    let limits = Limits {
        upload_bytes,
        buffered_bytes: upload_bytes.saturating_mul(BUFFERED_UPLOADS),
        timeout: Duration::from_secs(args.timeout),
        concurrency: args
            .concurrency
            .unwrap_or(classifier.model().threads.max(1)),
        connections: connections(args),
    };
    if !args.host.is_loopback() && !args.verbosity.quiet {
        report::note("others on the network can reach this service, and nothing asks who they are");
    }
    let config = ServeConfig {
        address: SocketAddr::new(args.host, args.port),
        limits,
        decode: DecodeConfig {
            // Strangers send these pictures.
            own_decoders_only: true,
            ..decode_config(&args.decode, &classifier)
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

/// As many connections as were asked for and the system lets this program have open; fewer are said.
fn connections(args: &ServeArgs) -> usize {
    let wanted = args.max_connections as u64;
    let files = wanted.saturating_add(OTHER_FILES);
    // A limit that cannot be read is none that we know of.
    let allowed = rlimit::increase_nofile_limit(files).unwrap_or(files);
    if allowed >= files {
        return args.max_connections;
    }
    let connections = allowed.saturating_sub(OTHER_FILES).max(1);
    if !args.verbosity.quiet {
        report::note(&format!(
            "{connections} connections at most, not {wanted}: the system lets this program open {allowed} files"
        ));
    }
    connections as usize
}
