//! `export-onnx sign` and `verify-signature`: OpenSSF Model Signing 1.0 with plain keys, without a network.
//!
//! A signature says that whoever holds the private key vouched for these bytes: a model file, or all files of a folder.
//! It is a Sigstore bundle ([`bundle`]) around an in-toto statement ([`statement`]) that lists each file's SHA-256
//! ([`files`]). Keys are ECDSA P-256 in PEM ([`key`]). Not here: Sigstore's certificates and logs, which need a network.

mod bundle;
mod files;
mod key;
mod statement;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use model_core::atomic_file;

use crate::cli::{SignArgs, VerifySignatureArgs};
use files::Signed;

/// `export-onnx sign MODEL --private-key FILE`
///
/// # Errors
/// A model or key that cannot be read, or a signature file that is there and is not one to be replaced.
pub fn run_sign(args: &SignArgs) -> Result<()> {
    let key = key::read_private(&args.private_key)?;
    let path = signature_path(&args.model, args.signature.as_deref());
    if path.exists() && !args.overwrite {
        bail!(
            "{} is there already; nothing was written (--overwrite replaces it)",
            path.display()
        );
    }
    let signed = Signed::read(&args.model, &path, &args.ignore)?;
    let text = bundle::seal(&statement::write(&signed), &key)?;
    atomic_file::write(&path, text.as_bytes())?;
    println!(
        "signed      {} ({})\nkey         {}\nwritten     {}",
        args.model.display(),
        count(signed.files.len()),
        key::hint(key.verifying_key())?,
        path.display()
    );
    Ok(())
}

/// `export-onnx verify-signature MODEL --public-key FILE`
///
/// # Errors
/// A signature of another key, a damaged one, or files that are not those that were signed.
pub fn run_verify_signature(args: &VerifySignatureArgs) -> Result<()> {
    let key = key::read_public(&args.public_key)?;
    let path = signature_path(&args.model, args.signature.as_deref());
    let what = || {
        format!(
            "{} does not vouch for {}",
            path.display(),
            args.model.display()
        )
    };
    let text = files::read_bounded(&path)?;
    let stated = bundle::open(&text, &key).and_then(|payload| statement::read(&payload));
    let stated = stated.with_context(what)?;
    let mut ignored = stated.ignored.clone();
    ignored.extend(args.ignore.iter().cloned());
    let found = Signed::read(&args.model, &path, &ignored)?;
    let differences = stated.differences(&found);
    if !differences.is_empty() {
        bail!("{}: {}", what(), differences.join("; "));
    }
    println!(
        "verified    {} ({})\nkey         {}",
        args.model.display(),
        count(found.files.len()),
        key::hint(&key)?
    );
    Ok(())
}

fn count(files: usize) -> String {
    format!("{files} file{}", if files == 1 { "" } else { "s" })
}

/// Where the signature of a model is: `model.sig` inside a folder, `NAME.sig` beside a file.
fn signature_path(model: &Path, given: Option<&Path>) -> PathBuf {
    match given {
        Some(path) => path.to_owned(),
        None if model.is_dir() => model.join("model.sig"),
        None => {
            let mut name = model.as_os_str().to_owned();
            name.push(".sig");
            name.into()
        }
    }
}
