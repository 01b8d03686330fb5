//! The envelope: a DSSE signature inside a Sigstore bundle of version 0.3, as JSON.
//!
//! <https://github.com/secure-systems-lab/dsse>, <https://docs.sigstore.dev/about/bundle/>.

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model_core::text::one_line;
use p256::ecdsa::signature::{Signer, Verifier};
use p256::ecdsa::{DerSignature, Signature, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use super::key::hint;

const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    verification_material: Material,
    dsse_envelope: Envelope,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    /// Absent where a certificate or Sigstore's log vouches instead of a key.
    public_key: Option<KeyIdentifier>,
    /// Entries of a public log: none where plain keys sign.
    #[serde(default)]
    tlog_entries: Vec<serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
struct KeyIdentifier {
    hint: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Serialize, Deserialize)]
struct EnvelopeSignature {
    sig: String,
    #[serde(default)]
    keyid: String,
}

/// What is signed: the payload with its type and length (DSSE's pre-authentication encoding).
fn encoded(payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "DSSEv1 {} {PAYLOAD_TYPE} {} ",
        PAYLOAD_TYPE.len(),
        payload.len()
    )
    .into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

/// The bundle of a statement, signed by RFC 6979: the same statement and key give the same bytes.
///
/// # Errors
/// A key that cannot sign.
pub fn seal(statement: &str, key: &SigningKey) -> Result<String> {
    let signature: Signature = key
        .try_sign(&encoded(statement.as_bytes()))
        .context("the key cannot sign")?;
    let signature: DerSignature = signature.to_der();
    let bundle = Bundle {
        media_type: MEDIA_TYPE.into(),
        verification_material: Material {
            public_key: Some(KeyIdentifier {
                hint: Some(hint(key.verifying_key())?),
            }),
            tlog_entries: Vec::new(),
        },
        dsse_envelope: Envelope {
            payload: STANDARD.encode(statement),
            payload_type: PAYLOAD_TYPE.into(),
            signatures: vec![EnvelopeSignature {
                sig: STANDARD.encode(signature.as_bytes()),
                keyid: String::new(),
            }],
        },
    };
    Ok(serde_json::to_string(&bundle)? + "\n")
}

/// The statement inside a bundle, after its signature was found to be `key`'s.
///
/// # Errors
/// Another form of signature, another key, or one that does not fit the statement.
pub fn open(text: &str, key: &VerifyingKey) -> Result<String> {
    let bundle: Bundle = match serde_json::from_str(text) {
        Ok(bundle) => bundle,
        Err(error) => bail!("it is no Sigstore bundle ({error})"),
    };
    if bundle.media_type != MEDIA_TYPE {
        bail!(
            "expected a bundle of type {MEDIA_TYPE}, got '{}'",
            one_line(&bundle.media_type)
        );
    }
    let Some(named) = bundle.verification_material.public_key else {
        bail!("it was made by a certificate; expected one made by a plain key");
    };
    let expected = hint(key)?;
    if let Some(named) = named
        .hint
        .filter(|named| !named.is_empty() && *named != expected)
    {
        bail!(
            "it was made by the key {}, and the one given is {expected}",
            one_line(&named)
        );
    }
    let envelope = bundle.dsse_envelope;
    if envelope.payload_type != PAYLOAD_TYPE {
        bail!(
            "expected a payload of type {PAYLOAD_TYPE}, got '{}'",
            one_line(&envelope.payload_type)
        );
    }
    let [signature] = &envelope.signatures[..] else {
        bail!(
            "expected one signature in the bundle, got {}",
            envelope.signatures.len()
        );
    };
    let payload = STANDARD
        .decode(&envelope.payload)
        .context("its payload is no base64")?;
    let bytes = STANDARD
        .decode(&signature.sig)
        .context("its signature is no base64")?;
    let signature = Signature::from_der(&bytes)
        .ok()
        .context("its signature is none of ECDSA P-256")?;
    if key.verify(&encoded(&payload), &signature).is_err() {
        bail!("its signature is not the key's, or what was signed has been changed");
    }
    String::from_utf8(payload)
        .ok()
        .context("its payload is no text")
}
