"""Signatures of export-onnx and of the reference implementation of OpenSSF Model Signing, each verified by the other.

    python -m venv v && v/bin/pip install model-signing==1.1.1 pyOpenSSL
    v/bin/python signatures_by_others.py path/to/export-onnx

Keys come from OpenSSL, in both of its forms. The model-signing command signs and verifies as its users call it; each
verifier also has to refuse a changed file and another key.
"""

import importlib.metadata
import pathlib
import subprocess
import sys
import tempfile


def run(*command):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True)


def main():
    (tool,) = sys.argv[1:]
    reference = pathlib.Path(sys.executable).parent / "model_signing"
    openssl = run("openssl", "version").stdout.strip()
    print(f"model-signing {importlib.metadata.version('model-signing')}, {openssl}")
    failed = False

    def check(what, holds, done):
        nonlocal failed
        failed |= not holds
        said = "" if holds else (done.stdout + done.stderr).strip()[-300:]
        print(f"{'ok  ' if holds else 'FAIL'} {what} {said}", flush=True)

    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        keys = {}
        for form in ("sec1", "sec1-with-parameters", "pkcs8", "other"):
            key = scratch / f"{form}.pem"
            if form == "pkcs8":
                run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
            else:
                plain = ["-noout"] if form != "sec1-with-parameters" else []
                run("openssl", "ecparam", "-name", "prime256v1", "-genkey", *plain, "-out", key)
            run("openssl", "ec", "-in", key, "-pubout", "-out", scratch / f"{form}.pub.pem")
            keys[form] = (key, scratch / f"{form}.pub.pem")
        model = scratch / "model"
        for name in ("config.json", "a/b", "a-b", "onnx/model.onnx", ".hidden", "größe"):
            (model / name).parent.mkdir(parents=True, exist_ok=True)
            (model / name).write_text(name)
        other = keys.pop("other")
        for form, (private, public) in keys.items():
            for what in (model, model / "onnx/model.onnx"):
                kind = "folder" if what.is_dir() else "file"
                ours, theirs = scratch / "ours.sig", scratch / "theirs.sig"
                done = run(tool, "sign", what, "--private-key", private, "--signature", ours, "--overwrite")
                check(f"{form}, {kind}: signed by us", done.returncode == 0, done)
                done = run(reference, "sign", "key", what, "--private_key", private, "--signature", theirs)
                check(f"{form}, {kind}: signed by model-signing", done.returncode == 0, done)

                def verified(signature, key):
                    by_them = run(reference, "verify", "key", what, "--signature", signature, "--public_key", key)
                    by_us = run(tool, "verify-signature", what, "--signature", signature, "--public-key", key)
                    return [("model-signing", by_them), ("us", by_us)]

                for who, signature in (("ours", ours), ("theirs", theirs)):
                    for verifier, done in verified(signature, public):
                        check(f"{form}, {kind}: {who} verified by {verifier}", done.returncode == 0, done)
                    for verifier, done in verified(signature, other[1]):
                        check(f"{form}, {kind}: {who} with another key refused by {verifier}", done.returncode != 0, done)
                    changed = model / "onnx/model.onnx"
                    changed.write_text("changed")
                    for verifier, done in verified(signature, public):
                        check(f"{form}, {kind}: {who} after a change refused by {verifier}", done.returncode != 0, done)
                    changed.write_text("onnx/model.onnx")
        # As it is used: the signature inside the folder it speaks of.
        private, public = keys["pkcs8"]
        inside = model / "model.sig"
        done = run(tool, "sign", model, "--private-key", private)
        check("inside the folder: signed by us", done.returncode == 0, done)
        done = run(reference, "verify", "key", model, "--signature", inside, "--public_key", public)
        check("inside the folder: ours verified by model-signing", done.returncode == 0, done)
        inside.unlink()
        done = run(reference, "sign", "key", model, "--private_key", private, "--signature", inside)
        check("inside the folder: signed by model-signing", done.returncode == 0, done)
        done = run(tool, "verify-signature", model, "--public-key", public)
        check("inside the folder: theirs verified by us", done.returncode == 0, done)
    sys.exit(failed)


main()
