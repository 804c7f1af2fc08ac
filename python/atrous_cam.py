"""Which pixels made an image network decide: maps of `atrous-cam` as NumPy arrays.

One file, which needs Python 3.9, NumPy and the command (Node 20 or newer). Copy it beside your notebook, or put its folder on
PYTHONPATH. The command is looked for in this order: the environment variable ATROUS_CAM (such as "node /path/dist/cli.js"), `atrous-cam` on
PATH, and dist/cli.js of the checkout that this file lies in.

    from atrous_cam import explain
    result = explain("photo.jpg", weights="model.onnx", target="boxer")
    plt.imshow(result["overlay"])
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Iterable, Sequence, Union

import numpy as np

__all__ = ["AtrousCamError", "explain", "explain_many"]

Picture = Union[str, "os.PathLike[str]", np.ndarray]
"""A picture file (PNG, JPEG, WebP, GIF, BMP or AVIF), or its pixels: (height, width, 3) or (height, width), uint8."""

MODES = ("auto", "pooled", "dilated", "atrous")


class AtrousCamError(Exception):
    """What the command refused, in its own words. `code` is that of the library: BAD_ARGUMENT, BAD_IMAGE, NOT_FOUND ..."""

    def __init__(self, message: str, code: str = "FAILED") -> None:
        super().__init__(message)
        self.code = code


def explain(
    picture: Picture,
    *,
    weights: str | os.PathLike[str] | None = None,
    target: int | str = "top",
    mode: str = "auto",
    method: str = "gradcam",
    zoom: float | Sequence[float] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Explains one picture.

    `weights`, `target`, `mode`, `method` and `zoom` are the command's options, and so are all others, with _ for -:
    `layer="block4_conv3"`, `align="evidence"`, `sign="signed"`, `output_stride=4`, `colormap="viridis"`, `opacity=0.6`, `aug_smooth=True`,
    `labels="labels.txt"`, `preprocess="torch"`; `atrous-cam explain --help` lists them.

    Returns a dictionary:

    - `map`: (height, width) float32 at the network's input size or that of the largest zoom, 0..1 (-1..1 with sign="signed")
    - `raw`: (rows, columns) float32, the method's own map, signed, not normalised
    - `overlay`: (height, width, 3) uint8, the map over the photograph at its own size
    - `logits`: (classes,) float32
    - `predictions`: the five most probable classes, each a dictionary of `index`, `label` and `probability`
    - `target` (`index` and `label`), `score`, `flat` (whether nothing speaks for it), and `details`: all else that the command says

    Raises AtrousCamError with the command's message. A picture costs a start of the command, about half a second; for several
    `explain_many` starts it once.
    """
    found = explain_many(
        [picture], weights=weights, target=target, mode=mode, method=method, zoom=zoom, overlay=True, **options
    )
    if len(found) != 1:
        raise AtrousCamError(f"{picture}: expected one picture, got {len(found)}; explain_many takes a folder", "BAD_ARGUMENT")
    if isinstance(found[0], AtrousCamError):
        raise found[0]
    return found[0]


def explain_many(
    pictures: Picture | Iterable[Picture],
    *,
    weights: str | os.PathLike[str] | None = None,
    target: int | str = "top",
    mode: str = "auto",
    method: str = "gradcam",
    zoom: float | Sequence[float] | None = None,
    overlay: bool = False,
    **options: Any,
) -> list[dict[str, Any] | AtrousCamError]:
    """Explains several pictures, or those of a folder, with one start of the command.

    Options and results as those of `explain`; `file` is added, and `overlay` is there only where it is asked for. A picture that
    failed has its AtrousCamError in the list, and the others are still done.
    """
    if mode not in MODES:
        raise AtrousCamError(f"mode: expected one of {', '.join(MODES)}, got {mode!r}", "BAD_ARGUMENT")
    given = [pictures] if isinstance(pictures, (str, os.PathLike, np.ndarray)) else list(pictures)
    if not given:
        return []
    with tempfile.TemporaryDirectory(prefix="atrous-cam-") as folder:
        files = [_file_of(picture, i, folder) for i, picture in enumerate(given)]
        flags: dict[str, Any] = {"weights": weights, "target": target, "mode": mode, "method": method, "zoom": zoom, **options}
        line = [*_command(), "explain", *files, *_flags(flags), "--npy", "--json", "--quiet"]
        if overlay:
            line.append("--overlay")
        document = _run([*line, "--out", os.path.join(folder, "out")])
        return [_result(image) for image in document["images"]]


def _result(image: dict[str, Any]) -> dict[str, Any] | AtrousCamError:
    if "error" in image:
        return AtrousCamError(f"{image['file']}: {image['error']['message']}", image["error"]["code"])
    (mode, details), = image["modes"].items()
    files = details.pop("files")
    arrays = {"map": "map", "raw": "raw", "overlay": "overlayPixels"}
    return {
        **{name: np.load(files[kind]) for name, kind in arrays.items() if kind in files},
        "logits": np.asarray(details.pop("logits"), dtype=np.float32),
        "predictions": details.pop("predictions"),
        "target": details.pop("target"),
        "score": details.pop("score"),
        "flat": details["map"]["flat"],
        "file": image["file"],
        "details": {"mode": mode, **details, "warnings": image.get("warnings", [])},
    }


def _command() -> list[str]:
    named = os.environ.get("ATROUS_CAM")
    if named:
        return shlex.split(named)
    installed = shutil.which("atrous-cam")
    if installed:
        return [installed]
    built = Path(__file__).resolve().parent.parent / "dist" / "cli.js"
    node = shutil.which("node")
    if node and built.is_file():
        return [node, str(built)]
    raise AtrousCamError(
        'the command atrous-cam is not on PATH; install it, or set ATROUS_CAM, such as "node /path/to/dist/cli.js"', "NOT_FOUND"
    )


def _flags(options: dict[str, Any]) -> list[str]:
    """Options of the command line; what is None or False is left out, a sequence is joined by commas."""
    flags = []
    for name, value in options.items():
        if value is None or value is False:
            continue
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            flags.append(flag)
        elif isinstance(value, (list, tuple)):
            flags.append(f"{flag}={','.join(map(str, value))}")
        else:
            flags.append(f"{flag}={os.fspath(value) if isinstance(value, os.PathLike) else value}")
    return flags


def _run(line: list[str]) -> dict[str, Any]:
    try:
        done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace")
    except OSError as error:
        raise AtrousCamError(f"{line[0]}: cannot be started: {error}", "NOT_FOUND") from error
    if done.stdout.strip():
        return json.loads(done.stdout)
    said = [text for text in done.stderr.splitlines() if not text.startswith("Try ")]
    message = "; ".join(text.removeprefix("atrous-cam: ") for text in said) or f"{line[0]} ended with {done.returncode}"
    raise AtrousCamError(message, "BAD_ARGUMENT" if done.returncode == 2 else "FAILED")


def _file_of(picture: Picture, index: int, folder: str) -> str:
    if not isinstance(picture, np.ndarray):
        return os.path.abspath(os.fspath(picture))
    path = os.path.join(folder, f"array-{index}.bmp")
    with open(path, "wb") as file:
        file.write(_bmp(picture))
    return path


def _bmp(pixels: np.ndarray) -> bytes:
    """Pixels as a BMP file: 24 bits, rows from the bottom up, each filled to a multiple of 4 bytes."""
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3) or pixels.size == 0:
        raise AtrousCamError(
            f"picture: expected uint8 of shape (height, width, 3) or (height, width), got {pixels.dtype} of {pixels.shape}",
            "BAD_ARGUMENT",
        )
    rgb = np.repeat(pixels[:, :, None], 3, axis=2) if pixels.ndim == 2 else pixels
    height, width, _ = rgb.shape
    rows = np.zeros((height, -(-width * 3 // 4) * 4), np.uint8)
    rows[:, : width * 3] = rgb[::-1, :, ::-1].reshape(height, width * 3)
    header = struct.pack("<2sIIIIiiHHIIiiII", b"BM", 54 + rows.size, 0, 54, 40, width, height, 1, 24, 0, rows.size, 0, 0, 0, 0)
    return header + rows.tobytes()
