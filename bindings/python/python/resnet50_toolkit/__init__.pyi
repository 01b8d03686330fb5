from ._native import (
    Classifier as Classifier,
    EverydayAnswer as EverydayAnswer,
    ModelError as ModelError,
    ModelInfo as ModelInfo,
    PictureError as PictureError,
    PictureWarning as PictureWarning,
    Prediction as Prediction,
    ToolkitError as ToolkitError,
    __version__ as __version__,
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
