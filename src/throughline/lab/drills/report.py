"""The report of a drill: measures beside tolerances, as JSON and as a page. Pure, but for writing the files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from throughline.kernel.i18n import N_, bilingual
from throughline.lab.drills.play import MEANT, Drill

Number = float | int | None
AT_LEAST = frozenset({"reached_percent", "saved_percent"})
NAMES = {
    "detection_s": N_("Noticed after (seconds)"),
    "public_notice_s": N_("On the status page after (seconds)"),
    "first_notice_s": N_("First message by another route after (seconds)"),
    "recovery_s": N_("Back after (seconds)"),
    "end_recorded_s": N_("End on record after (seconds)"),
    "borrowers_with_a_loan": N_("Borrowers with a loan that fell due"),
    "reached_percent": N_("Reached by another route (percent)"),
    "repayments_tried": N_("Repayments tried by another way"),
    "repayments_by_another_way": N_("Repayments that went through"),
    "loans_protected": N_("Loans protected"),
    "saved_percent": N_("Repayments saved: paid or protected (percent)"),
    "wrong_fees": N_("Loans with a wrong fee or a day of delay"),
    "to_strangers": N_("Messages to strangers"),
    "texts_to_the_cast": N_("Text messages to these borrowers"),
}


class TolerancesWrong(ValueError):
    """The table of tolerances can't be used; the text names the place."""


def tolerances(text: str | None = None) -> dict[str, dict[str, float]]:
    """Tolerances by drill, out of YAML; the shipped ones where none is given. Raises TolerancesWrong."""
    if text is None:
        text = files("throughline.lab.drills").joinpath("tolerances.yaml").read_text(encoding="utf-8")
    raw = yaml.safe_load(text)
    if not isinstance(raw, Mapping):
        raise TolerancesWrong("tolerances are a mapping by drill")
    for name, some in raw.items():
        if name not in MEANT or not isinstance(some, Mapping):
            raise TolerancesWrong(f"{name}: no such drill")
        for measure, limit in some.items():
            if measure not in NAMES or isinstance(limit, bool) or not isinstance(limit, int | float):
                raise TolerancesWrong(f"{name}.{measure}: a number for one of {sorted(NAMES)}")
    return {str(name): dict(some) for name, some in raw.items()}


def judged(drill: Drill, limits: Mapping[str, float]) -> dict[str, Any]:
    """The document: every measure with its tolerance and whether it is kept. What did not happen keeps none."""
    rows = [
        {
            "measure": name,
            "name": bilingual(NAMES[name]),
            "value": value,
            "tolerance": limits.get(name),
            "kept": _kept(name, value, limits.get(name)),
        }
        for name, value in (drill.measures | {one: drill.measures.get(one) for one in limits}).items()
    ]
    return {
        "version": 1,
        "drill": drill.name,
        "url": drill.url,
        "started_at": drill.started_at,
        "kept": all(row["kept"] is not False for row in rows),
        "measures": rows,
        "log": drill.log,
    }


def _kept(name: str, value: Number, limit: float | None) -> bool | None:
    if limit is None:
        return None
    if value is None:
        return False
    return value >= limit if name in AT_LEAST else value <= limit


def page(document: Mapping[str, Any]) -> str:
    """The document as one page by itself, in both languages."""
    rows = "".join(
        f"<tr><td>{escape(row['name']['zh-CN'])}<br><small>{escape(row['name']['en'])}</small></td>"
        f"<td>{'–' if row['value'] is None else row['value']}</td>"
        f"<td>{'–' if row['tolerance'] is None else row['tolerance']}</td>"
        f"<td>{ {True: '✓', False: '✗', None: ''}[row['kept']] }</td></tr>"
        for row in document["measures"]
    )
    log = "".join(f"<li>{one['at_s']} s: {escape(one['what'])}</li>" for one in document["log"])
    verdict = (
        "✓ 在容忍度之内 within the tolerances" if document["kept"] else "✗ 超出容忍度 outside the tolerances"
    )
    return (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width"><title>{escape(document["drill"])}</title><style>body{{font:1rem/1.5 '
        "system-ui,sans-serif;max-width:46rem;margin:1rem auto;padding:0 1rem}table{border-collapse:collapse;width:100%}"
        "td,th{border-bottom:1px solid #ccc;padding:.3rem;text-align:left}</style></head><body>"
        f"<h1>应急演练 Drill: {escape(document['drill'])}</h1><p>{escape(document['started_at'])} · "
        f"{escape(document['url'])}</p><p><b>{verdict}</b></p><table><tr><th>指标 Measure</th><th>结果 Found</th>"
        f"<th>容忍度 Tolerance</th><th></th></tr>{rows}</table><h2>经过 What happened</h2><ol>{log}</ol></body></html>"
    )


def write(folder: Path, document: Mapping[str, Any]) -> Path:
    """Keep it as `<drill>-<time>.json` and `.html`; returns the path of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{document['drill']}-{document['started_at'].replace(':', '').replace('+0000', 'Z')}"
    (folder / f"{stem}.json").write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")
    (folder / f"{stem}.html").write_text(page(document), encoding="utf-8")
    return folder / f"{stem}.html"
