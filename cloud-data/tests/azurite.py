"""`train` on data sets in an Azure server (Azurite), against the same files on the disk.

Called by `cloud-data/test-azure`; see there.
"""

import os
import socket
import subprocess
import time
import unittest

from azure.storage.blob import BlobServiceClient
from common import DATA, WORK, losses, make_data, report, run, train

# Azurite's own, the same everywhere.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def upload(folder, container, prefix):
    service.create_container(container)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            blob = service.get_blob_client(container, f"{prefix}/{path.relative_to(folder)}")
            blob.upload_blob(path.read_bytes())


class Store(unittest.TestCase):
    def test_1_training_is_the_same_and_kept_the_second_time(self):
        train(DATA, "local")
        text = train("az://sets/small/cifar", "remote", cache="kept")
        self.assertIn("az://sets/small/cifar (", text)
        self.assertEqual(losses("local"), losses("remote"))
        train("az://sets/small/cifar", "unkept", "--data-cache-size", "0", cache="none")
        self.assertEqual(losses("local"), losses("unkept"))
        train("az://sets/small/cifar", "again", cache="kept")
        self.assertEqual(losses("local"), losses("again"))

    def test_2_check_reads_every_image_and_says_the_same(self):
        local = run("check", DATA, "--decode", "--json")
        remote = run("check", "az://sets/small/cifar", "--decode", "--json", cache="check")
        (mirror,) = (WORK / "check").glob("*/*/data")
        self.assertEqual(report(local), report(remote).replace(str(mirror), str(DATA)))

    def test_3_shards_by_pattern(self):
        run("pack", DATA, "--output", WORK / "packed", "--originals", "--shard-images", "50")
        upload(WORK / "packed", "packs", "cifar")
        shards = sorted(path.name for path in (WORK / "packed").glob("train*.tar"))
        first, last = (name.rsplit("-", 1) for name in (shards[0], shards[-1]))
        pattern = f"{first[0]}-{{{first[1][:-4]}..{last[1][:-4]}}}.tar"
        text = run("check", f"az://packs/cifar/{pattern}", cache="pattern")
        self.assertIn(f"images in {len(shards)} tar shard", text)

    def test_4_a_container_that_is_not_there(self):
        text = run("check", "az://nowhere/data", cache="nowhere", expected=1)
        self.assertIn("az://nowhere/data", text)
        self.assertNotIn("Generic {", text)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(port, server):
    """Until the server accepts connections."""
    while True:
        if server.poll() is not None:
            raise SystemExit(f"azurite ended: {(WORK / 'server.log').read_text()}")
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.1)


if __name__ == "__main__":
    port = free_port()
    command = [os.environ["AZURITE"], "--blobPort", str(port), "--location", str(WORK / "azurite")]
    command.append("--skipApiVersionCheck")
    server = subprocess.Popen(command, stdout=open(WORK / "server.log", "w"), stderr=subprocess.STDOUT)
    try:
        wait_for(port, server)
        endpoint = f"http://127.0.0.1:{port}"
        os.environ.update(AZURE_STORAGE_USE_EMULATOR="true", AZURITE_BLOB_STORAGE_URL=endpoint)
        service = BlobServiceClient(f"{endpoint}/{ACCOUNT}", credential=KEY)
        make_data()
        upload(DATA, "sets", "small/cifar")
        unittest.main(verbosity=2)
    finally:
        server.terminate()
