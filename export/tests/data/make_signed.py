"""A folder signed by the reference implementation of OpenSSF Model Signing, for the test of `verify-signature`.

    python -m venv v && v/bin/pip install model-signing==1.1.1
    v/bin/python make_signed.py        # writes signed/ beside this file

The keys are made anew at every run; they sign nothing else.
"""

import pathlib

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
import model_signing

HERE = pathlib.Path(__file__).parent / "signed"
MODEL = HERE / "model"


def main():
    (MODEL / "a").mkdir(parents=True, exist_ok=True)
    # By parts `a/b` comes before `a-b`, by characters after it.
    for name, text in [("a/b", "first\n"), ("a-b", "second\n"), ("config.json", "{}\n")]:
        (MODEL / name).write_text(text)
    key = ec.generate_private_key(ec.SECP256R1())
    (HERE / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    (HERE / "key.pub.pem").write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    for model, signature in [(MODEL, "folder.sig"), (MODEL / "a-b", "file.sig")]:
        model_signing.signing.Config().use_elliptic_key_signer(private_key=HERE / "key.pem").sign(model, HERE / signature)


main()
