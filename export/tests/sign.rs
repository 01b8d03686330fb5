//! `sign` and `verify-signature` as programs. `data/signed` was made by the reference implementation, see
//! `data/make_signed.py`; that it accepts our signatures is `by-hand/signatures_by_others.py`.

#![allow(clippy::unwrap_used)] // helpers of tests are not seen as tests

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::export_onnx;
use predicates::prelude::*;
use predicates::str::contains;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/signed")
        .join(name)
}

fn run(
    command: &str,
    model: &Path,
    key: (&str, &Path),
    more: &[&str],
) -> assert_cmd::assert::Assert {
    export_onnx()
        .arg(command)
        .arg(model)
        .arg(key.0)
        .arg(key.1)
        .args(more)
        .assert()
}

fn verify(model: &Path, more: &[&str]) -> assert_cmd::assert::Assert {
    run(
        "verify-signature",
        model,
        ("--public-key", &data("key.pub.pem")),
        more,
    )
}

fn sign(model: &Path, more: &[&str]) -> assert_cmd::assert::Assert {
    run("sign", model, ("--private-key", &data("key.pem")), more)
}

/// A folder with files and one in a folder below.
fn model(dir: &Path) -> PathBuf {
    let folder = dir.join("model");
    fs::create_dir_all(folder.join("onnx")).unwrap();
    fs::write(folder.join("config.json"), "{}").unwrap();
    fs::write(folder.join("onnx/model.onnx"), "weights").unwrap();
    folder
}

#[test]
fn signatures_of_the_reference_implementation_are_verified() {
    let signature = |name: &str| data(name).to_str().unwrap().to_owned();
    verify(&data("model"), &["--signature", &signature("folder.sig")])
        .success()
        .stdout(contains("verified").and(contains("3 files")));
    verify(&data("model/a-b"), &["--signature", &signature("file.sig")])
        .success()
        .stdout(contains("1 file)"));
    verify(
        &data("model/config.json"),
        &["--signature", &signature("file.sig")],
    )
    .failure()
    .stderr(contains("does not vouch for").and(contains("was changed")));
}

#[test]
fn what_was_signed_verifies_until_a_byte_is_changed() {
    let dir = tempfile::tempdir().unwrap();
    let folder = model(dir.path());
    sign(&folder, &[])
        .success()
        .stdout(contains("2 files").and(contains("model.sig")));
    let first = fs::read(folder.join("model.sig")).unwrap();
    verify(&folder, &[]).success();
    // The folder may be called otherwise, and Git may keep its own in it.
    let moved = dir.path().join("moved");
    fs::rename(&folder, &moved).unwrap();
    fs::create_dir(moved.join(".git")).unwrap();
    fs::write(moved.join(".git/HEAD"), "x").unwrap();
    verify(&moved, &[]).success();

    fs::write(moved.join("extra.py"), "x").unwrap();
    verify(&moved, &[])
        .failure()
        .code(1)
        .stderr(contains("extra.py was not signed"));
    verify(&moved, &["--ignore", "extra.py"]).success();
    fs::remove_file(moved.join("extra.py")).unwrap();
    fs::write(moved.join("onnx/model.onnx"), "Weights").unwrap();
    fs::remove_file(moved.join("config.json")).unwrap();
    verify(&moved, &[])
        .failure()
        .stderr(contains("config.json is missing").and(contains("model.onnx was changed")));

    sign(&moved, &[])
        .failure()
        .stderr(contains("there already").and(contains("--overwrite")));
    assert_eq!(fs::read(moved.join("model.sig")).unwrap(), first);
    fs::write(moved.join("onnx/model.onnx"), "weights").unwrap();
    fs::write(moved.join("config.json"), "{}").unwrap();
    fs::rename(&moved, &folder).unwrap();
    sign(&folder, &["--overwrite"]).success();
    assert_eq!(
        fs::read(folder.join("model.sig")).unwrap(),
        first,
        "the same input must give the same bytes"
    );
}

#[test]
fn a_file_is_signed_beside_itself() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("model.onnx");
    fs::write(&file, "weights").unwrap();
    sign(&file, &[]).success();
    verify(&file, &[]).success();
    let signature = dir.path().join("model.onnx.sig");
    let text = fs::read_to_string(&signature).unwrap();
    let cases = [
        ("\"payload\":\"", "\"payload\":\"AAAA", "not the key's"),
        ("\"hint\":\"", "\"hint\":\"ab", "made by the key ab"),
        ("v0.3", "v0.4", "expected a bundle of type"),
        ("in-toto", "other", "expected a payload of type"),
        ("\"sig\":\"", "\"sig\":\"*", "no base64"),
        ("{", "", "no Sigstore bundle"),
    ];
    for (from, to, says) in cases {
        fs::write(&signature, text.replacen(from, to, 1)).unwrap();
        verify(&file, &[]).failure().code(1).stderr(contains(says));
    }
    fs::remove_file(&signature).unwrap();
    verify(&file, &[]).failure().stderr(contains("cannot read"));
}

#[test]
fn keys_and_models_that_do_not_do_are_refused_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let folder = model(dir.path());
    let key = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let encrypted = key(
        "encrypted.pem",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let other = key(
        "other.pem",
        "-----BEGIN RSA PRIVATE KEY-----\nAA==\n-----END RSA PRIVATE KEY-----\n",
    );
    let cases = [
        (encrypted, "without a password"),
        (other, "got another 'RSA PRIVATE KEY'"),
        (
            key("text.pem", "hello"),
            "expected an ECDSA P-256 private key",
        ),
        (data("key.pub.pem"), "got another 'PUBLIC KEY'"),
        (dir.path().join("absent.pem"), "cannot read"),
    ];
    for (key, says) in cases {
        let refused = run("sign", &folder, ("--private-key", &key), &[])
            .failure()
            .code(1);
        let text = String::from_utf8(refused.get_output().stderr.clone()).unwrap();
        assert!(
            text.contains(says) && text.trim_end().lines().count() == 1,
            "{text}"
        );
    }
    sign(&folder, &["--ignore", "../x"])
        .failure()
        .stderr(contains("inside"));
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    sign(&empty, &[])
        .failure()
        .stderr(contains("no file to sign"));
    sign(&dir.path().join("absent"), &[])
        .failure()
        .stderr(contains("cannot read"));
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(folder.join("config.json"), folder.join("link")).unwrap();
        sign(&folder, &[]).failure().stderr(contains("a link"));
    }
    assert!(!folder.join("model.sig").exists());
}
