//! The in-toto statement of Model Signing 1.0: which files, and how they were listed.
//!
//! <https://github.com/ossf/model-signing-spec>; its reference is the Python package `model-signing`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Result, bail};
use model_core::text::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::files::Signed;

const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const PREDICATE: &str = "https://model_signing/signature/v1.0";

#[derive(Serialize, Deserialize)]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: Predicate,
}

#[derive(Serialize, Deserialize)]
struct Subject {
    name: String,
    digest: SubjectDigest,
}

#[derive(Serialize, Deserialize)]
struct SubjectDigest {
    sha256: String,
}

#[derive(Serialize, Deserialize)]
struct Predicate {
    serialization: Serialization,
    resources: Vec<Resource>,
}

#[derive(Serialize, Deserialize)]
struct Serialization {
    method: String,
    hash_type: String,
    allow_symlinks: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ignore_paths: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Resource {
    name: String,
    algorithm: String,
    digest: String,
}

/// The statement as JSON, on one line: the same files give the same bytes.
pub fn write(signed: &Signed) -> String {
    let name = |path: &PathBuf| {
        let parts: Vec<_> = path
            .components()
            .map(|part| part.as_os_str().to_string_lossy())
            .collect();
        parts.join("/")
    };
    let resource = |(path, digest): (&PathBuf, &String)| Resource {
        name: name(path),
        algorithm: "sha256".into(),
        digest: digest.clone(),
    };
    let statement = Statement {
        kind: STATEMENT.into(),
        subject: vec![Subject {
            name: signed.name.clone(),
            digest: SubjectDigest {
                sha256: root(signed.files.values()).unwrap_or_default(),
            },
        }],
        predicate_type: PREDICATE.into(),
        predicate: Predicate {
            serialization: Serialization {
                method: "files".into(),
                hash_type: "sha256".into(),
                allow_symlinks: false,
                ignore_paths: signed.ignored.clone(),
            },
            resources: signed.files.iter().map(resource).collect(),
        },
    };
    // Strings and numbers alone: there is nothing in it that JSON could not hold.
    serde_json::to_string(&statement).unwrap_or_default()
}

/// What a statement says was signed.
///
/// # Errors
/// Another kind of statement, other methods of listing than whole files by SHA-256, or a list that contradicts itself.
pub fn read(payload: &str) -> Result<Signed> {
    let statement: Statement = match serde_json::from_str(payload) {
        Ok(statement) => statement,
        Err(error) => bail!("the signed statement is damaged ({error})"),
    };
    let expect = |what: &str, expected: &str, got: &str| match got == expected {
        true => Ok(()),
        false => bail!(
            "{what}: expected '{expected}', got '{}'",
            model_core::text::one_line(got)
        ),
    };
    expect("the statement's type", STATEMENT, &statement.kind)?;
    expect(
        "the statement's predicate",
        PREDICATE,
        &statement.predicate_type,
    )?;
    let serialization = &statement.predicate.serialization;
    expect(
        "the way in which files were listed",
        "files",
        &serialization.method,
    )?;
    expect("the files' digest", "sha256", &serialization.hash_type)?;
    let [subject] = &statement.subject[..] else {
        bail!(
            "expected one subject in the statement, got {}",
            statement.subject.len()
        );
    };
    let mut files = BTreeMap::new();
    for resource in &statement.predicate.resources {
        expect("a file's digest", "sha256", &resource.algorithm)?;
        if files
            .insert(
                PathBuf::from(&resource.name),
                resource.digest.to_lowercase(),
            )
            .is_some()
        {
            bail!(
                "the statement lists '{}' twice",
                model_core::text::one_line(&resource.name)
            );
        }
    }
    let digests = statement
        .predicate
        .resources
        .iter()
        .map(|resource| &resource.digest);
    if root(digests) != Some(subject.digest.sha256.to_lowercase()) {
        bail!("the statement's digest of all files is not that of the files it lists");
    }
    Ok(Signed {
        name: subject.name.clone(),
        files,
        ignored: serialization.ignore_paths.clone(),
    })
}

/// SHA-256 over the digests of all files, one after the other; none where one is no hex.
fn root<'a>(digests: impl Iterator<Item = &'a String>) -> Option<String> {
    let mut hasher = Sha256::new();
    for digest in digests {
        let pairs = digest.as_bytes().chunks(2);
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let bytes: Option<Vec<u8>> = pairs.map(byte).collect();
        hasher.update(bytes?);
    }
    Some(hex(&hasher.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed() -> Signed {
        let files = [("a/b", "00ff"), ("a-b", "1234")];
        Signed {
            name: "model".into(),
            files: files
                .map(|(path, digest)| (path.into(), digest.into()))
                .into(),
            ignored: vec!["model.sig".into()],
        }
    }

    #[test]
    fn a_statement_says_again_what_was_signed_and_orders_paths_by_their_parts() {
        let text = write(&signed());
        assert_eq!(read(&text).unwrap(), signed());
        assert!(
            text.find("a/b").unwrap() < text.find("a-b").unwrap(),
            "{text}"
        );
    }

    #[test]
    fn another_statement_is_refused_by_name() {
        let text = write(&signed());
        let cases = [
            ("signature/v1.0", "signature/v2.0", "predicate"),
            ("\"files\"", "\"shards\"", "expected 'files', got 'shards'"),
            (
                "\"sha256\",\"digest\"",
                "\"blake3\",\"digest\"",
                "got 'blake3'",
            ),
            ("00ff", "00fe", "digest of all files"),
            ("a-b", "a/b", "twice"),
            (
                "\"subject\":[",
                "\"subject\":[{\"name\":\"x\",\"digest\":{\"sha256\":\"\"}},",
                "one subject",
            ),
        ];
        for (from, to, says) in cases {
            let error = read(&text.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(says), "{says}: {error}");
        }
        assert!(read("{}").unwrap_err().to_string().contains("damaged"));
    }
}
