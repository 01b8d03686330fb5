from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, final, overload

from typing_extensions import Buffer

__all__ = [
    "__version__",
    "Classifier",
    "EverydayAnswer",
    "ModelError",
    "ModelInfo",
    "PictureError",
    "PictureWarning",
    "Prediction",
    "ToolkitError",
]

__version__: str

class _PillowImage(Protocol):
    """A `PIL.Image.Image`."""

    mode: str
    def getexif(self) -> object: ...
    def tobytes(self) -> bytes: ...

_Picture: TypeAlias = str | PathLike[str] | bytes | Buffer | _PillowImage
"""A path, the bytes of an image file, a Pillow image, or a uint8 array `[H, W, 3]` of RGB pixels."""

@final
class Classifier:
    """An image classifier over one ONNX file. It may be shared between threads."""

    @staticmethod
    def open(
        path: str | PathLike[str] | None = None,
        *,
        engine: Literal["auto", "kernels", "tract", "onnxruntime"] | str = "auto",
        precision: Literal["float32", "bf16", "auto"] | str = "float32",
        threads: int = 0,
        manifest: str | PathLike[str] | None = None,
        onnxruntime_lib: str | PathLike[str] | None = None,
        max_pixels: int | None = None,
        max_side: int | None = None,
        max_file_bytes: int | None = None,
        max_memory_bytes: int | None = None,
    ) -> Classifier:
        """Loads an ONNX file, or without a path the model inside the package.

        `threads=0` takes one for every core. `manifest` names a file that takes the place of what the model says of
        itself. The limits hold for every picture; None is the usual limit.
        Raises `ModelError`.
        """

    @property
    def model(self) -> ModelInfo:
        """What is known of the model."""

    def classify(self, image: _Picture, topk: int = 5) -> list[Prediction]:
        """The most likely classes of a picture, best first. Releases the GIL.

        Raises `PictureError` or `ModelError`; warns with `PictureWarning`.
        """

    @overload
    def classify_batch(
        self, images: Iterable[_Picture], topk: int = 5, *, errors: Literal["raise"] = "raise"
    ) -> list[list[Prediction]]: ...
    @overload
    def classify_batch(
        self, images: Iterable[_Picture], topk: int = 5, *, errors: Literal["return"]
    ) -> list[list[Prediction] | ToolkitError]:
        """The most likely classes of every picture, in their order; faster than one by one. Releases the GIL.

        `errors="return"` puts the exception in the place of a picture that has no answer.
        """

    def everyday(self, image: _Picture, at_least: float = 0.8) -> EverydayAnswer | None:
        """The finest everyday word that is at least this likely; None for a model without words above its classes."""

@final
class Prediction:
    """One class and how sure the model is."""

    @property
    def index(self) -> int:
        """Place of the class in the network's output, from 0."""
    @property
    def id(self) -> str | None:
        """The class's id (WordNet for ImageNet), if it has one."""
    @property
    def label(self) -> str:
        """The class's name."""
    @property
    def probability(self) -> float:
        """The class's score, 0 to 1."""
    @property
    def present(self) -> bool | None:
        """Whether the score reaches the model's threshold; None where exactly one class is right."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class EverydayAnswer:
    """The finest word that is likely enough."""

    @property
    def id(self) -> str | None:
        """The WordNet id of the word, if it has one."""
    @property
    def label(self) -> str:
        """The word."""
    @property
    def probability(self) -> float:
        """Sum over the classes that the word covers."""
    @property
    def sure(self) -> bool:
        """Whether the probability reaches what was asked for; if not, the word is the best class's."""
    @property
    def classes(self) -> list[int]:
        """Places in the network's output of the classes that the word covers, the likeliest first."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class ModelInfo:
    """What is known of a loaded model."""

    @property
    def name(self) -> str:
        """The manifest's name."""
    @property
    def path(self) -> Path | None:
        """The model's file; None for the model inside the package."""
    @property
    def model_bytes(self) -> int:
        """Size of the ONNX file."""
    @property
    def engine(self) -> str:
        """What runs it: "kernels", "tract" or "onnxruntime"."""
    @property
    def precision(self) -> str:
        """In what numbers its float32 layers are computed: "float32" or "bf16"."""
    @property
    def threads(self) -> int:
        """Threads that run it."""
    @property
    def labels(self) -> list[str]:
        """One name a class, in the order of the network's output."""
    @property
    def answers(self) -> str:
        """How its scores are to be read: "single_label", "binary" or "multi_label"."""
    @property
    def threshold(self) -> float:
        """The least score at which a class of a binary or multi-label answer counts as present."""
    @property
    def notes(self) -> list[str]:
        """What was assumed or contradicted while it was loaded; worth showing to a person."""
    @property
    def manifest_json(self) -> str:
        """The whole manifest (labels, preprocessing, provenance, ...), as JSON."""

class ToolkitError(Exception):
    """Why there is no answer: what was expected and what was got."""

    code: str
    """A stable name, as `image.truncated`."""
    remedy: str | None
    """What to do about it; None where nothing sensible can be advised."""

class ModelError(ToolkitError):
    """The model, or what runs it, is at fault: no other picture would do better."""

class PictureError(ToolkitError):
    """This one picture cannot be read or classified."""

class PictureWarning(UserWarning):
    """There is an answer, but it may be wrong: the picture is damaged, or only a preview of it was read."""
