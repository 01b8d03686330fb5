"""Classify photos offline with one ONNX file.

    from resnet50_toolkit import Classifier

    classifier = Classifier.open()
    for answer in classifier.classify("photo.jpg"):
        print(f"{answer.probability:6.1%}  {answer.label}")
"""

from ._native import (
    Classifier,
    EverydayAnswer,
    ModelError,
    ModelInfo,
    PictureError,
    PictureWarning,
    Prediction,
    ToolkitError,
    __version__,
)

__all__ = [
    "Classifier",
    "EverydayAnswer",
    "ModelError",
    "ModelInfo",
    "PictureError",
    "PictureWarning",
    "Prediction",
    "ToolkitError",
    "__version__",
]
