"""Validates the bill of materials inside an exported model by CycloneDX's own schema.

    python -m venv v && v/bin/pip install onnx 'cyclonedx-python-lib[json-validation]'
    v/bin/python sbom_by_others.py MODEL.onnx
"""

import importlib.metadata
import json
import sys

import onnx
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

metadata = {entry.key: entry.value for entry in onnx.load(sys.argv[1]).metadata_props}
bill = json.loads(metadata["resnet50_toolkit.manifest"])["sbom"]
error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill))
version = importlib.metadata.version("cyclonedx-python-lib")
print(f"{'FAIL' if error else 'ok  '} cyclonedx-python-lib {version}, CycloneDX 1.6 {error or ''}")
sys.exit(bool(error))
