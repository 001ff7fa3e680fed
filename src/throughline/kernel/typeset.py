"""Typesetting: a PDF from a Typst template and data.

Data reach a template as one JSON document and are shown as text, so nothing in them is ever markup.
The same template, data, fonts and version of Typst give the same bytes.
"""

from __future__ import annotations

import json
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Any

import typst

from throughline.kernel.errors import Unavailable
from throughline.kernel.i18n import N_
from throughline.kernel.logging import get_logger
from throughline.kernel.settings import settings

log = get_logger(__name__)

# Families that hold Chinese and Latin letters, the preferred first. Typst's own fonts have no Chinese.
FAMILIES = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "PingFang SC",
    "Microsoft YaHei",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Noto Serif CJK SC",
    "Noto Serif SC",
    "Source Han Serif SC",
)


class FontMissing(Unavailable):
    """No font of this machine has Chinese letters: a PDF would be full of empty boxes."""

    code = "font-missing"
    title = N_(
        "A PDF needs a font with Chinese characters, and this server has none: its operator installs "
        "fonts-noto-cjk, or puts such a font into the folder fonts of the home folder"
    )


def font_folder() -> Path:
    """Where an installation may keep fonts of its own, beside those of the system."""
    return settings().home / "fonts"


@lru_cache(maxsize=4)
def _fonts(folder: Path) -> tuple[typst.Fonts, str]:
    # Searching the system's fonts takes longer than most documents: once for a process. A failure is
    # not kept, so that a font that was installed meanwhile is found without a restart.
    fonts = typst.Fonts(font_paths=[folder] if folder.is_dir() else [])
    there = set(fonts.families())
    for family in FAMILIES:
        if family in there:
            return fonts, family
    log.warning("no font with Chinese characters", install="fonts-noto-cjk", folder=str(folder))
    raise FontMissing


def chinese_family() -> str:
    """The font family that PDFs are set in. Raises FontMissing."""
    return _fonts(font_folder())[1]


def pdf(template: Path, data: dict[str, Any]) -> bytes:
    """The PDF of a template, which finds `data` as JSON in `sys.inputs.data` and the font in `sys.inputs.font`.

    The template sets the date of the document itself; nothing of the clock gets into the file.
    Raises FontMissing.
    """
    fonts, family = _fonts(font_folder())
    compiler = typst.Compiler(template, root=template.parent, font_paths=fonts)
    made = compiler.compile(
        sys_inputs={"data": json.dumps(_printable(data), ensure_ascii=False), "font": family}, format="pdf"
    )
    if not isinstance(made, bytes):
        raise TypeError("a PDF is one run of bytes")
    return made


def _printable(value: Any) -> Any:
    """The data with every character that has no picture, or turns the direction of its line, as a blank."""
    if isinstance(value, str):
        return "".join(
            " " if unicodedata.category(one) in {"Cc", "Cf", "Cs", "Co", "Cn"} else one for one in value
        )
    if isinstance(value, dict):
        return {name: _printable(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(one) for one in value]
    return value
