"""The installed wheel against infer-cli: the same answers to the bit, the same errors. Run by bindings/python/test."""

import io
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import unittest
import warnings
from pathlib import Path

import numpy
import resnet50_toolkit
from PIL import Image
from resnet50_toolkit import Classifier, ModelError, PictureError, PictureWarning, ToolkitError

REPOSITORY = Path(os.environ["REPOSITORY"]).resolve()
SAMPLES = sorted((REPOSITORY / "models/samples").glob("*.jpg"))
# Every format, orientation, profile and kind of damage that the decoders are tested with.
PICTURES = sorted(path for path in (REPOSITORY / "image-data/tests/data").rglob("*") if path.is_file())


def cli(pictures):
    """What infer-cli says of pictures: one object each."""
    command = [os.environ["INFER_CLI"], "--json", "--files-from", "-"]
    listed = "".join(f"{path}\n" for path in pictures)
    run = subprocess.run(command, input=listed, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert [line["path"] for line in lines] == [str(path) for path in pictures], run.stderr
    return lines


def bits(number):
    """The float32 that a decimal in JSON, or a float of Python, stands for."""
    return struct.pack("<f", number)


def of_json(line):
    return [(p["index"], p["id"], p["label"], bits(p["probability"])) for p in line["predictions"]]


def of_python(predictions):
    return [(p.index, p.id, p.label, bits(p.probability)) for p in predictions]


class Wheel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.classifier = Classifier.open()
        cls.expected = dict(zip(SAMPLES, cli(SAMPLES)))

    def setUp(self):
        warnings.simplefilter("error")

    def test_every_way_in_gives_the_programs_numbers(self):
        self.assertEqual(len(SAMPLES), 3)
        for path in SAMPLES:
            pillow = Image.open(path)
            ways = {
                "str": str(path),
                "Path": path,
                "bytes": path.read_bytes(),
                "bytearray": bytearray(path.read_bytes()),
                "Pillow": pillow,
                "numpy": numpy.asarray(pillow),
                # Neither contiguous nor writable.
                "numpy view": numpy.asarray(pillow)[:, ::-1][:, ::-1],
            }
            for way, image in ways.items():
                with self.subTest(path.name, way=way):
                    self.assertEqual(of_python(self.classifier.classify(image)), of_json(self.expected[path]))

    def test_the_everyday_word_is_the_programs(self):
        for path in SAMPLES:
            word, expected = self.classifier.everyday(path), self.expected[path]["answer"]
            self.assertEqual(
                (word.id, word.label, bits(word.probability), word.sure, len(word.classes)),
                (*(expected[key] for key in ("id", "label")), bits(expected["probability"]), expected["sure"], expected["classes"]),
            )

    def test_a_batch_has_the_same_bits_and_keeps_the_order(self):
        pillow = Image.open(SAMPLES[1])
        images = [*SAMPLES, numpy.asarray(pillow), SAMPLES[0].read_bytes(), pillow, *SAMPLES]
        expected = [*SAMPLES, SAMPLES[1], SAMPLES[0], SAMPLES[1], *SAMPLES]
        answers = self.classifier.classify_batch(iter(images))
        self.assertEqual([of_python(a) for a in answers], [of_json(self.expected[p]) for p in expected])

    def test_every_format_every_damage_and_every_error_is_the_programs(self):
        lines = cli(PICTURES)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            answers = self.classifier.classify_batch(PICTURES, errors="return")
        warned = {str(w.message).split(": ")[0]: w for w in warned}
        damaged = failed = 0
        for path, line, answer in zip(PICTURES, lines, answers):
            with self.subTest(path.relative_to(REPOSITORY)):
                if "error" in line:
                    self.assertIsInstance(answer, PictureError)
                    self.assertEqual((str(answer), answer.code), (f"{path}: {line['error']}", line["code"]))
                    failed += 1
                else:
                    self.assertEqual(of_python(answer), of_json(line))
                if line.get("damaged"):
                    self.assertIs(warned[str(path)].category, PictureWarning)
                    self.assertIn(line["damage"], str(warned[str(path)].message))
                    damaged += 1
        self.assertGreater(damaged, 0)
        self.assertGreater(failed, 0)
        self.assertGreater(len(PICTURES) - failed, 50)

    def test_a_pillow_image_is_read_as_its_png(self):
        # Transparency, 16 bits, a palette, gray, ink, an orientation: what a plain convert("RGB") loses.
        photo = Image.open(SAMPLES[0]).resize((96, 80))
        half = photo.convert("RGBA")
        half.putalpha(Image.linear_gradient("L").resize(half.size))
        deep = Image.fromarray((numpy.asarray(photo.convert("L")).astype(numpy.uint16) * 257))
        exif = Image.Exif()
        exif[274] = 6
        turned = io.BytesIO()
        photo.save(turned, "PNG", exif=exif)
        images = [half, deep, photo.convert("P"), photo.convert("L"), Image.open(turned)]
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / f"{index}.png" for index in range(len(images))]
            for image, file in zip(images, files):
                image.save(file, exif=image.getexif())
            for image, line in zip(images, cli(files)):
                with self.subTest(image.mode):
                    self.assertEqual(of_python(self.classifier.classify(image)), of_json(line))
        # Inks have no PNG: Pillow's own conversion counts.
        inks = photo.convert("CMYK")
        self.assertEqual(self.classifier.classify(inks), self.classifier.classify(numpy.asarray(inks.convert("RGB"))))

    def test_a_model_of_ones_own(self):
        model = REPOSITORY / "models/cifar10-resnet20/model.onnx"
        run = [os.environ["INFER_CLI"], "--json", "--model", str(model), str(SAMPLES[0])]
        line = json.loads(subprocess.run(run, capture_output=True, text=True, check=True).stdout)
        mine = Classifier.open(model, threads=1)
        self.assertEqual(of_python(mine.classify(SAMPLES[0])), of_json(line))
        self.assertEqual((mine.model.path, mine.model.threads, len(mine.model.labels)), (model, 1, 10))
        self.assertIsNone(mine.everyday(SAMPLES[0]))

    def test_what_is_known_of_the_model(self):
        model = self.classifier.model
        self.assertEqual((model.name, model.path, model.answers), ("efficientnet-lite0", None, "single_label"))
        self.assertEqual(len(model.labels), 1000)
        self.assertEqual(json.loads(model.manifest_json)["name"], model.name)
        self.assertEqual(model.model_bytes, (REPOSITORY / "models/efficientnet-lite0/model.onnx").stat().st_size)

    def test_topk(self):
        self.assertEqual(len(self.classifier.classify(SAMPLES[0], topk=1)), 1)
        everything = self.classifier.classify(SAMPLES[0], 5000)
        self.assertEqual(len(everything), 1000)
        self.assertAlmostEqual(sum(p.probability for p in everything), 1.0, places=4)
        with self.assertRaisesRegex(ValueError, "topk"):
            self.classifier.classify(SAMPLES[0], topk=0)

    def test_errors_say_what_why_and_what_to_do(self):
        data = SAMPLES[0].read_bytes()
        strict = Classifier.open(max_pixels=1000)
        cases = [
            (lambda: self.classifier.classify("no such file.jpg"), PictureError, "image.not-readable", None),
            (lambda: self.classifier.classify(b""), PictureError, "image.empty", "copy or download"),
            (lambda: self.classifier.classify(b"some words, no picture"), PictureError, "image.unknown-format", "leave it out"),
            (lambda: self.classifier.classify_batch([data, b"?"]), PictureError, "image.unknown-format", "leave it out"),
            (lambda: strict.classify(data), PictureError, "image.too-many-pixels", r"Classifier.open\(max_pixels=\d+\)"),
            (lambda: Classifier.open("no such.onnx"), ModelError, "model.not-found", "choose another"),
            (lambda: Classifier.open(SAMPLES[0]), ModelError, None, None),
            (lambda: Classifier.open(manifest="none.yaml"), ModelError, "file.not-readable", "none.yaml"),
        ]
        for call, kind, code, remedy in cases:
            with self.assertRaises(ToolkitError) as raised:
                call()
            error = raised.exception
            with self.subTest(str(error)):
                self.assertIsInstance(error, kind)
                self.assertNotIn("\n", str(error))
                self.assertNotIn("--", f"{error} {error.remedy}")
                self.assertEqual(error.code, code or error.code)
                if remedy:
                    self.assertRegex(error.remedy, remedy)
        # The advice helps.
        with self.assertRaises(PictureError) as raised:
            strict.classify(data)
        pixels = int(re.search(r"max_pixels=(\d+)", raised.exception.remedy)[1])
        self.assertEqual(of_python(Classifier.open(max_pixels=pixels).classify(data)), of_json(self.expected[SAMPLES[0]]))

    def test_wrong_arguments_are_pythons_errors(self):
        array = numpy.zeros((8, 9, 3), numpy.uint8)
        cases = [
            (TypeError, "got int", 5),
            (TypeError, "got builtins.list|got list", [1, 2]),
            (TypeError, r"\[8, 9, 3\]", array.astype(numpy.float32)),
            (ValueError, r"\[3, 8, 9\]", array.transpose(2, 0, 1)),
            (ValueError, r"\[8, 9\]", array[..., 0]),
            (ValueError, r"\[8, 9, 4\]", numpy.zeros((8, 9, 4), numpy.uint8)),
            (ValueError, "at least one pixel", array[:0]),
            (ValueError, "mode 'F'", Image.new("F", (8, 8))),
        ]
        for kind, text, image in cases:
            with self.subTest(text), self.assertRaisesRegex(kind, text):
                self.classifier.classify(image)
        for arguments in ({"engine": "magic"}, {"precision": "float8"}):
            with self.assertRaisesRegex(ValueError, "expected .* got"):
                Classifier.open(**arguments)
        with self.assertRaisesRegex(ValueError, "'return'"):
            self.classifier.classify_batch([], errors="ignore")
        self.assertEqual(self.classifier.classify_batch([]), [])

    def test_damage_is_no_silence(self):
        torn = [path for path, line in zip(PICTURES, cli(PICTURES)) if line.get("damaged")][0]
        with self.assertRaisesRegex(PictureWarning, "damaged"):
            self.classifier.classify(torn)
        with self.assertRaisesRegex(PictureWarning, "damaged"):
            self.classifier.classify_batch([SAMPLES[0], torn.read_bytes()])

    def test_a_batch_releases_the_lock(self):
        # No thread gives the lock up unasked, so this one only goes on before the batch is done if the batch released it.
        usual = sys.getswitchinterval()
        sys.setswitchinterval(600)
        started, done = threading.Event(), []

        def batch():
            started.set()
            done.append(self.classifier.classify_batch(SAMPLES * 8))

        thread = threading.Thread(target=batch)
        try:
            thread.start()
            started.wait()
            self.assertEqual(done, [])
        finally:
            sys.setswitchinterval(usual)
            thread.join()
        self.assertEqual(len(done[0]), 24)

    def test_threads_share_a_classifier(self):
        answers = {}

        def ask(index):
            path = SAMPLES[index % len(SAMPLES)]
            answers[index] = (path, of_python(self.classifier.classify(path)))

        threads = [threading.Thread(target=ask, args=(index,)) for index in range(9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(answers), 9)
        for path, answer in answers.values():
            self.assertEqual(answer, of_json(self.expected[path]))

    def test_the_readmes_examples_run(self):
        text = (REPOSITORY / "bindings/python/README.md").read_text()
        examples = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        self.assertEqual(len(examples), 2)
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(SAMPLES[0], Path(folder) / "photo.jpg")
            script = Path(folder) / "example.py"
            script.write_text("\n".join(examples))
            python = sys.executable
            run = subprocess.run([python, script], cwd=folder, capture_output=True, text=True, check=True)
        lines = run.stdout.splitlines()
        self.assertEqual(len(lines), 5 + 3, run.stdout)
        best = self.expected[SAMPLES[0]]["predictions"][0]
        self.assertEqual(lines[0], f"{best['probability']:6.1%}  {best['label']}")
        self.assertEqual(lines[6], "image.unknown-format")

    def test_the_version_is_the_workspaces(self):
        text = (REPOSITORY / "Cargo.toml").read_text()
        self.assertIn(f'version = "{resnet50_toolkit.__version__}"', text)


if __name__ == "__main__":
    unittest.main()
