//! What Cargo says of the workspace and of all that it links.

use cargo_metadata::{Metadata, MetadataCommand};

pub fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(checks::root().join("Cargo.toml"))
        // For this machine only: what other systems need has not been downloaded by a build here.
        .other_options(
            ["--locked", "--offline", "--filter-platform", "host-tuple"].map(str::to_owned),
        )
        .exec()
        .expect("cargo metadata runs")
}
