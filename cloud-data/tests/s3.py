"""`train` on data sets in an S3 server, against the same files on the disk. Called by `cloud-data/test`; see there."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import unittest

import boto3

TRAIN = os.environ["TRAIN"]
WORK = pathlib.Path(os.environ["WORK"])
REPOSITORY = pathlib.Path(os.environ["REPOSITORY"])
DATA = WORK / "set"


def run(*args, cache=None, expected=0, **env):
    """Runs `train`, fails on another exit code, returns what it printed on both streams."""
    command = [TRAIN, *map(str, args)]
    if cache is not None:
        command += ["--data-cache", str(WORK / cache)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **env}, timeout=600)
    text = done.stdout + done.stderr
    if done.returncode != expected:
        raise AssertionError(f"{command}: exit code {done.returncode}, expected {expected}\n{text}")
    return text


def upload(folder, bucket, prefix):
    client.create_bucket(Bucket=bucket, ACL="public-read")
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            # Open to all: a web server asks nobody for keys.
            acl = {"ACL": "public-read"}
            client.upload_file(str(path), bucket, f"{prefix}/{path.relative_to(folder)}", ExtraArgs=acl)


def report(text):
    """The report of `train check --json`: the outermost braces of what was printed."""
    value = json.loads(text[text.index("{") : text.rindex("}") + 1])
    value.pop("seconds", None)
    return json.dumps(value, sort_keys=True)


def losses(output):
    lines = (WORK / output / "metrics.jsonl").read_text().splitlines()
    return [(line.get("train_loss"), line.get("val_loss")) for line in map(json.loads, lines)]


class Store(unittest.TestCase):
    def train(self, data, output, *more, **options):
        return run(
            "--data", data, "--arch", "cifar_resnet20", "--epochs", 2, "--batch-size", 32, "--precision", "fp32",
            "--max-steps", 3, "--device", "cpu", "--output", WORK / output, *more, **options,
        )

    def test_1_training_is_the_same_from_a_store_that_fails_and_kept_the_second_time(self):
        self.train(DATA, "local")
        text = self.train("s3://flaky/sets/cifar", "remote", cache="kept")
        self.assertIn("s3://flaky/sets/cifar (", text)
        self.assertEqual(losses("local"), losses("remote"))
        # What is kept needs no cache of any size to be right.
        self.train("s3://flaky/sets/cifar", "unkept", "--data-cache-size", "0", cache="none")
        self.assertEqual(losses("local"), losses("unkept"))
        self.train("s3://flaky/sets/cifar", "again", cache="kept")
        self.assertEqual(losses("local"), losses("again"))

    def test_2_two_processes_share_what_is_kept(self):
        self.train(DATA, "local-2", "--num-processes", "2")
        self.train("s3://flaky/sets/cifar", "remote-2", "--num-processes", "2", cache="two")
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
        self.train(WORK / "packed", "from-pack")
        self.train("s3://packs/cifar", "from-s3-pack", cache="packs")
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

    def test_6_a_bucket_that_is_not_there(self):
        text = run("check", "s3://nowhere/data", cache="nowhere", expected=1)
        self.assertIn("s3://nowhere/data", text)
        self.assertNotIn("Generic {", text)
        text = run("check", "ftp://host/data", cache="nowhere", expected=1)
        self.assertIn("expected s3://, gs://, az:// or https://", text)


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
    with tarfile.open(REPOSITORY / "models/samples/cifar10-subset.tar.gz") as archive:
        archive.extractall(WORK / "all", filter="data")
    # The server answers some tens of requests a second: a part of the images has to do.
    for split, count in (("train", 16), ("test", 4)):
        for folder in sorted((WORK / "all" / "cifar10-subset" / split).iterdir()):
            place = DATA / split / folder.name
            place.mkdir(parents=True)
            for path in sorted(folder.iterdir())[:count]:
                shutil.copy(path, place)
    upload(DATA, "flaky", "sets/cifar")
    try:
        unittest.main(verbosity=2)
    finally:
        server.stdin.close()
        server.wait(timeout=30)
