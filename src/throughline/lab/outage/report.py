"""The result as a page: self-contained, in Chinese and English, readable on a phone and without scripts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.resources import files
from itertools import pairwise
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from throughline.kernel.i18n import LOCALES, N_, gettext
from throughline.lab.outage.arms import ORDINARY
from throughline.lab.outage.figures import CAUSE_LABELS, FIGURES, TARGET_LABELS
from throughline.lab.outage.plots import Series, columns, shares

Document = Mapping[str, Any]
Words = Callable[[str], str]
_CSS = ("a", "b", "c")
_SHOWN_CAUSES = (
    "arrears", "requested", "lost", "forced", "given_up", "carrier", "message_route", "payment_or_platform",
    "phone", "on_purpose",
)  # fmt: skip


def page_of(found: Document) -> str:
    """The whole page."""
    env = Environment(autoescape=True, undefined=StrictUndefined)
    template = env.from_string(
        files("throughline.lab.outage").joinpath("report.html").read_text(encoding="utf-8")
    )
    return template.render(document=found, pages=[_page(found, locale) for locale in LOCALES]) + "\n"


def _page(found: Document, locale: str) -> dict[str, Any]:
    words = partial(_words, locale)
    arms = labels(found, words)
    return {
        "locale": locale,
        "gettext": partial(_filled, locale),
        "borrowers": f"{found['borrowers']:,}",
        "arms": [{"label": label, "css": css} for (_, label), css in zip(arms, _CSS, strict=False)],
        "targets": [_target(key, one, words) for key, one in found["targets"].items()],
        "rows": list(table(found, words)),
        "plots": _plots(found, arms, words),
        "causes": [_cause(found, name, words) for name in CAUSE_LABELS],
        "policies": [
            f"{label}: {found['policies'][name]['version']} (SHA-256 {found['policies'][name]['digest'][:16]}…)"
            for name, label in arms
            if name != ORDINARY
        ],
    }


def _words(locale: str, msgid: str) -> str:
    return gettext(msgid, locale)


def _filled(locale: str, msgid: str, /, **params: object) -> str:
    return gettext(msgid, locale, **params)


def labels(found: Document, words: Words) -> list[tuple[str, str]]:
    """The arms with the names that people read."""
    several = len(found["policies"]) > 1
    named = [(ORDINARY, words(N_("ordinary lender")))]
    for name, one in found["policies"].items():
        label = words(N_("ours"))
        named.append((name, f"{label}: {one['version']}" if several else label))
    return named


def table(found: Document, words: Words) -> list[dict[str, Any]]:
    """Rows of the table: a label and a cell for each arm, with its interval; the paired difference last."""
    arms = list(found["arms"])
    pair = found["differences"][f"{arms[2]}-{arms[1]}" if len(arms) > 2 else f"{arms[1]}-{ORDINARY}"]
    rows = []
    for figure in FIGURES:
        cells = [_cell(figure.kind, found["arms"][arm]["figures"][figure.key]) for arm in arms]
        if figure.key in pair:
            cells.append(_cell(figure.kind, pair[figure.key], signed=True))
        else:
            cells.append({"value": "", "range": ""})
        rows.append({"label": words(figure.label), "cells": cells})
    return rows


def _cell(kind: str, one: Mapping[str, Any], *, signed: bool = False) -> dict[str, str]:
    if one["value"] is None:
        return {"value": "–", "range": ""}
    if one["low"] == one["high"] == one["value"] == 0 and signed:
        return {"value": "0", "range": ""}
    of = f" / {one['of']:,}" if "of" in one else ""
    low, high = one["low"], one["high"]
    if not signed and kind != "share":
        low = max(0.0, low) if one["value"] >= 0 else low
    return {
        "value": _number(kind, one["value"], signed) + of,
        "range": f"{_number(kind, low, signed)} … {_number(kind, high, signed)}",
    }


def _number(kind: str, value: float, signed: bool = False) -> str:
    plus = "+" if signed and value > 0 else ""
    if kind == "share":
        return f"{100 * value:.2f} %"
    if kind == "money":
        return f"{plus}{value / 100:,.2f}"
    if kind == "each":
        return f"{plus}{value:.3f}"
    return f"{plus}{value:,.0f}"


def _target(key: str, one: Mapping[str, Any], words: Words) -> dict[str, Any]:
    kind = "share" if "of" in one else "count"
    cell = _cell(kind, one)
    word = (
        words(N_("nothing to judge"))
        if one["met"] is None
        else words(N_("holds"))
        if one["met"]
        else words(N_("falls short"))
    )
    return {"label": words(TARGET_LABELS[key]), "met": bool(one["met"]), "word": word, **cell}


def _cause(found: Document, name: str, words: Words) -> dict[str, Any]:
    one = found["arms"][next(iter(found["policies"]))]["causes"][name]
    cell = _cell("share", one["share_of_unpaid"])
    return {
        "label": words(CAUSE_LABELS[name]),
        "touched": f"{one['touched']:,}",
        "paid": f"{one['paid_in_time_unprotected']:,}",
        "full": f"{one['protected']:,}",
        "late": f"{one['unpaid_on_due_date']:,}",
        "share": cell["value"].split(" / ")[0],
        "range": cell["range"],
    }


def _plots(found: Document, arms: Sequence[tuple[str, str]], words: Words) -> list[dict[str, Any]]:
    return [
        _late(found, arms, words),
        _fees(found, arms, words),
        _protected(found, arms, words),
        _price(found, arms, words),
        _contacts(found, arms, words),
    ]


def _plot(title: str, text: str, svg: str, key: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
    # The drawing is made by `plots`, which escapes every text in it.
    return {"title": title, "text": text, "svg": Markup(svg), "key": key}  # noqa: S704  # nosec B704


def _late(found: Document, arms: Sequence[tuple[str, str]], words: Words) -> dict[str, Any]:
    title = words(N_("Days of delay that an outage caused"))
    edges = found["edges"]["late_days"]
    groups = [_bin(low, high) for low, high in pairwise(edges[1:])]
    series = [
        Series(label, css, found["arms"][name]["curves"]["late"][1:])
        for (name, label), css in zip(arms, _CSS, strict=False)
    ]
    text = words(N_("Installments of honest people that would have been paid in time."))
    return _plot(title, text, columns(title, groups, series))


def _bin(low: int, high: int) -> str:
    return f"{low}" if high == low + 1 else f"{low}+" if high >= 10**5 else f"{low}–{high - 1}"


def _fees(found: Document, arms: Sequence[tuple[str, str]], words: Words) -> dict[str, Any]:
    title = words(N_("Wrong fees by month"))
    groups = [str(number + 1) for number in range(found["months"])]
    series, key = [], []
    for (name, label), css in zip(arms, _CSS, strict=False):
        series.append(Series(label, css, found["arms"][name]["curves"]["fees_ever"]))
        key.append((label, css))
    series.append(Series(words(N_("ours, still charged")), "d", found["arms"][arms[1][0]]["curves"]["fees"]))
    key.append((words(N_("ours, still charged")), "d"))
    text = words(N_("Ever charged to honest people because of an outage, by the month of the due date."))
    return _plot(title, text, columns(title, groups, series), key)


def _protected(found: Document, arms: Sequence[tuple[str, str]], words: Words) -> dict[str, Any]:
    title = words(N_("Protected without a form, by cause"))
    rows = []
    for cause in _SHOWN_CAUSES:
        bars = []
        for (name, label), css in list(zip(arms, _CSS, strict=False))[1:]:
            one = found["arms"][name]["causes"][cause]["share_of_unpaid"]
            if one["value"] is not None:
                bars.append((label, css, one["value"], one["low"], one["high"]))
        if bars:
            rows.append((words(CAUSE_LABELS[cause]), bars))
    text = words(
        N_(
            "Of installments still unpaid at the end of the due date, with 95 % intervals; the line at 95 % is the aim."
        )
    )
    return _plot(title, text, shares(title, rows))


def _price(found: Document, arms: Sequence[tuple[str, str]], words: Words) -> dict[str, Any]:
    """What the policy gives honest people, and what it costs the lender, in currency units."""
    title = words(N_("What the policy costs and what it spares"))
    base = found["arms"][ORDINARY]["figures"]
    groups = [
        words(N_("wrong fees spared")),
        words(N_("fees forgone")),
        words(N_("interest forgone")),
        words(N_("abuse")),
        words(N_("questions")),
    ]
    series = []
    for (name, label), css in list(zip(arms, _CSS, strict=False))[1:]:
        mine = found["arms"][name]["figures"]
        spared = base["wrong_fee_minor"]["value"] - mine["wrong_fee_minor"]["value"]
        values = [
            max(0.0, spared),
            mine["forgone_fees_minor"]["value"],
            mine["forgone_interest_minor"]["value"],
            mine["abuse_minor"]["value"],
            mine["queries_minor"]["value"],
        ]
        series.append(Series(label, css, [max(0.0, one) / 100 for one in values]))
    text = words(N_("Currency units over all borrowers and months. Abuse is part of what is forgone."))
    return _plot(title, text, columns(title, groups, series))


def _contacts(found: Document, arms: Sequence[tuple[str, str]], words: Words) -> dict[str, Any]:
    title = words(N_("Contacts of a borrower"))
    groups = [words(N_("messages")), words(N_("by other routes")), words(N_("calls"))]
    series = [
        Series(
            label,
            css,
            [found["arms"][name]["figures"][key]["value"] for key in ("messages", "other_routes", "calls")],
        )
        for (name, label), css in zip(arms, _CSS, strict=False)
    ]
    return _plot(title, words(N_("In the mean over the whole time.")), columns(title, groups, series))
