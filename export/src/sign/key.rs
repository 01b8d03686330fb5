//! ECDSA keys on the curve P-256, in the PEM forms that OpenSSL writes.

use std::path::Path;

use anyhow::{Context, Result, bail};
use model_core::text::{self, hex};
use p256::ecdsa::{SigningKey, VerifyingKey};
use p256::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePublicKey, LineEnding};
use p256::{PublicKey, SecretKey};
use sha2::{Digest, Sha256};

use super::files::read_bounded;

/// A private key: PKCS#8 (`BEGIN PRIVATE KEY`) or SEC1 (`BEGIN EC PRIVATE KEY`), not encrypted.
///
/// # Errors
/// Any other key or file.
pub fn read_private(path: &Path) -> Result<SigningKey> {
    let pem = read_bounded(path)?;
    if pem.contains("ENCRYPTED") {
        bail!(
            "{}: expected a private key without a password, got an encrypted one",
            path.display()
        );
    }
    const SEC1: &str = "-----BEGIN EC PRIVATE KEY-----";
    // `openssl ecparam -genkey` writes the curve's name in a block of its own before the key.
    let secret = match pem.find(SEC1) {
        Some(start) => SecretKey::from_sec1_pem(&pem[start..]).ok(),
        None => SecretKey::from_pkcs8_pem(&pem).ok(),
    };
    let expected = "expected an ECDSA P-256 private key in PEM (PKCS#8 or SEC1)";
    let secret = secret.with_context(|| format!("{}: {expected}{}", path.display(), got(&pem)))?;
    Ok(SigningKey::from(secret))
}

/// A public key: `BEGIN PUBLIC KEY`.
///
/// # Errors
/// Any other key or file.
pub fn read_public(path: &Path) -> Result<VerifyingKey> {
    let pem = read_bounded(path)?;
    let key = PublicKey::from_public_key_pem(&pem).ok();
    let key = key.with_context(|| {
        format!(
            "{}: expected an ECDSA P-256 public key in PEM{}",
            path.display(),
            got(&pem)
        )
    })?;
    Ok(VerifyingKey::from(key))
}

/// What kind of PEM it was that did not do; empty for files that are none.
fn got(pem: &str) -> String {
    let kind = pem
        .split("-----BEGIN ")
        .nth(1)
        .and_then(|rest| rest.split("-----").next());
    match kind {
        Some(kind) => format!(", got another '{}'", text::one_line(kind)),
        None => String::new(),
    }
}

/// How the specification names a key inside a signature: the SHA-256 of its PEM text, lower-case hex.
///
/// # Errors
/// None for a key that was read.
pub fn hint(key: &VerifyingKey) -> Result<String> {
    let pem = PublicKey::from(key)
        .to_public_key_pem(LineEnding::LF)
        .context("the public key has no PEM form")?;
    Ok(hex(&Sha256::digest(pem.as_bytes())))
}
