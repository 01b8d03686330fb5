"""`train` and `export-onnx` on data sets in an S3 server, against the same files on the disk.

Called by `cloud-data/test`; see there.
"""

import os
import pathlib
import subprocess
import sys
import unittest

import boto3
from common import DATA, REPOSITORY, WORK, losses, make_data, report, run, train


def upload(folder, bucket, prefix):
    client.create_bucket(Bucket=bucket, ACL="public-read")
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            # Open to all: a web server asks nobody for keys.
            acl = {"ACL": "public-read"}
            client.upload_file(str(path), bucket, f"{prefix}/{path.relative_to(folder)}", ExtraArgs=acl)


class Store(unittest.TestCase):
    def test_1_training_is_the_same_from_a_store_that_fails_and_kept_the_second_time(self):
        train(DATA, "local")
        text = train("s3://flaky/sets/cifar", "remote", cache="kept")
        self.assertIn("s3://flaky/sets/cifar (", text)
        self.assertEqual(losses("local"), losses("remote"))
        # What is kept needs no cache of any size to be right.
        train("s3://flaky/sets/cifar", "unkept", "--data-cache-size", "0", cache="none")
        self.assertEqual(losses("local"), losses("unkept"))
        train("s3://flaky/sets/cifar", "again", cache="kept")
        self.assertEqual(losses("local"), losses("again"))

    def test_2_two_processes_share_what_is_kept(self):
        train(DATA, "local-2", "--num-processes", "2")
        train("s3://flaky/sets/cifar", "remote-2", "--num-processes", "2", cache="two")
        self.assertEqual(losses("local-2"), losses("remote-2"))

    def test_3_check_reads_every_image_and_says_the_same(self):
        local = run("check", DATA, "--decode", "--json")
        remote = run("check", "s3://flaky/sets/cifar", "--decode", "--json", cache="check")
        root = str(WORK / "check" / "s3" / "flaky%2Fsets%2Fcifar" / "data")
        self.assertEqual(report(local), report(remote).replace(root, str(DATA)))

    def test_4_shards_by_prefix_by_pattern_and_over_http(self):
        run("pack", DATA, "--output", WORK / "packed", "--originals", "--shard-images", "50")
        upload(WORK / "packed", "packs", "cifar")
        shards = sorted(path.name for path in (WORK / "packed").glob("train*.tar"))
        train(WORK / "packed", "from-pack")
        train("s3://packs/cifar", "from-s3-pack", cache="packs")
        self.assertEqual(losses("from-pack"), losses("from-s3-pack"))
        first, last = shards[0].rsplit("-", 1), shards[-1].rsplit("-", 1)
        pattern = f"{first[0]}-{{{first[1][:-4]}..{last[1][:-4]}}}.tar"
        seen = [run("check", f"{place}/{pattern}", cache="pattern") for place in ("s3://packs/cifar", f"{ENDPOINT}/packs/cifar")]
        for text in seen:
            self.assertIn(f"images in {len(shards)} tar shard", text)

    def test_5_what_stays_unreadable_is_named(self):
        client.create_bucket(Bucket="bad")
        for split, count in (("train", 4), ("test", 2)):
            for name in ("ant", "bee"):
                source = sorted((DATA / split).glob("*/*"))[:count]
                for number, path in enumerate(source):
                    client.upload_file(str(path), "bad", f"{split}/{name}/{number}.jpg")
        source = next((DATA / "train").glob("*/*"))
        client.upload_file(str(source), "bad", "train/ant/unreadable.jpg")
        text = run("check", "s3://bad", "--no-duplicates", cache="bad", expected=1)
        self.assertIn("unreadable.jpg", text)
        self.assertIn("tries", text)
        # In training it is replaced, counted, and said by the exit code.
        text = train("s3://bad", "bad-run", batch=4, cache="bad", expected=3)
        self.assertIn("unreadable.jpg", text)
        self.assertEqual(text.count("unreadable s3://bad/train/ant/unreadable.jpg"), 1, text)

    def test_6_a_bucket_that_is_not_there(self):
        text = run("check", "s3://nowhere/data", cache="nowhere", expected=1)
        self.assertIn("s3://nowhere/data", text)
        self.assertNotIn("Generic {", text)
        text = run("check", "ftp://host/data", cache="nowhere", expected=1)
        self.assertIn("expected s3://, gs://, az:// or https://", text)

    def test_7_the_part_of_google_s_protocol_that_is_the_same(self):
        # Lists and reads of the XML API. It is no server of Google's, and asks for no keys.
        google = {"GOOGLE_BASE_URL": ENDPOINT, "GOOGLE_SKIP_SIGNATURE": "true"}
        local = run("check", DATA, "--decode", "--json")
        remote = run("check", "gs://flaky/sets/cifar", "--decode", "--json", cache="google", **google)
        (mirror,) = (WORK / "google").glob("*/*/data")
        self.assertEqual(report(local), report(remote).replace(str(mirror), str(DATA)))

    def test_8_a_cache_is_no_larger_than_it_may_be(self):
        train("s3://flaky/sets/cifar", "bounded", "--data-cache-size", "100kB", cache="bounded")
        self.assertEqual(losses("local"), losses("bounded"))
        (mirror,) = (WORK / "bounded").glob("*/*/data")
        # What is not kept is a hole of its length.
        files = [path.stat() for path in mirror.rglob("*") if path.is_file()]
        kept = sum(file.st_size for file in files if file.st_blocks)
        self.assertGreater(kept, 0)
        self.assertLessEqual(kept, 100_000)

    def test_9_export_calibrates_on_the_same_images(self):
        def export(data, output, *more):
            command = [
                os.environ["EXPORT_ONNX"], "--checkpoint", REPOSITORY / "models/cifar10-resnet20/best.safetensors",
                "--int8", "--calibration", data, "--calibration-images", "20", "--output", WORK / output, *more,
            ]
            return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout

        said = export(DATA, "from-disk.onnx")
        self.assertIn("calibrated on 20 photos of 40 images in 10 class", said)
        said = export("s3://flaky/sets/cifar", "from-store.onnx", "--data-cache", WORK / "calibration")
        self.assertIn("s3://flaky/sets/cifar", said)
        self.assertEqual((WORK / "from-disk.onnx").read_bytes(), (WORK / "from-store.onnx").read_bytes())


if __name__ == "__main__":
    server = subprocess.Popen(
        [sys.executable, str(pathlib.Path(__file__).with_name("s3_server.py"))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(WORK / "server.log", "w"), text=True,
    )
    ENDPOINT = f"http://127.0.0.1:{int(server.stdout.readline())}"
    os.environ.update(
        AWS_ENDPOINT_URL=ENDPOINT, AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_REGION="us-east-1",
        AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull,
    )
    client = boto3.client("s3", endpoint_url=ENDPOINT)
    make_data()
    upload(DATA, "flaky", "sets/cifar")
    try:
        unittest.main(verbosity=2)
    finally:
        server.stdin.close()
        server.wait(timeout=30)
