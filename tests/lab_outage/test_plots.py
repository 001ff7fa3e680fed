"""Drawings of the report: well-formed, to scale, and safe whatever a label holds."""

from __future__ import annotations

from xml.etree import ElementTree as Xml

from throughline.lab.outage.figures import Value, mean, share, total
from throughline.lab.outage.plots import Series, columns, shares

SVG = "{http://www.w3.org/2000/svg}"


def parsed(svg: str) -> Xml.Element:
    return Xml.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" '))  # noqa: S314 - our own


def test_columns_are_to_scale() -> None:
    drawn = parsed(
        columns("a <b>", ["one & two", "三"], [Series("x", "a", [10, 5]), Series("y", "b", [0, 2.5])])
    )
    tall = [float(bar.attrib["height"]) for bar in drawn.iter(f"{SVG}rect")]
    assert tall[0] == 2 * tall[2] == 4 * tall[3] > 0
    assert tall[1] == 0
    assert "one & two" in "".join(drawn.itertext())


def test_nothing_at_all_is_drawn_too() -> None:
    assert parsed(columns("t", ["one"], [Series("x", "a", [0.0])])).attrib["viewBox"]
    assert parsed(shares("t", [])).attrib["viewBox"]


def test_shares_show_their_intervals() -> None:
    drawn = parsed(shares("t", [("arrears", [("ours", "b", 0.5, 0.25, 1.0)])]))
    bar = next(drawn.iter(f"{SVG}rect"))
    error = next(one for one in drawn.iter(f"{SVG}line") if one.attrib["class"] == "error")
    ends = [float(error.attrib[name]) - float(bar.attrib["x"]) for name in ("x1", "x2")]
    assert ends[1] == 4 * ends[0] == 2 * float(bar.attrib["width"])


def test_intervals_hold_what_they_should() -> None:
    import numpy as np

    chance = np.random.default_rng(5)
    inside = {"total": 0, "mean": 0, "share": 0}
    rounds = 400
    for _ in range(rounds):
        # Clustered: some borrowers have many installments, and those are alike.
        of = chance.integers(1, 7, 300).astype(float)
        risky = chance.random(300) < 0.3
        hits = np.where(risky, of * (chance.random(300) < 0.5), 0.0)
        for name, value, true in (
            ("total", total(hits), 300 * 3.5 * 0.15),
            ("mean", mean(hits), 3.5 * 0.15),
            ("share", share(hits, of), 0.15),
        ):
            assert value.low is not None
            assert value.high is not None
            inside[name] += value.low <= true <= value.high
    assert all(0.91 * rounds <= count for count in inside.values()), inside
    assert total(np.zeros(9), events=True) == Value(0.0, 0.0, 3.688879)
    assert total(np.zeros(9)) == Value(0.0, 0.0, 0.0)
    assert share(np.zeros(9), np.zeros(9)).value is None
    whole = share(np.ones(50), np.ones(50))
    assert whole.value == 1.0
    assert whole.low is not None
    assert 0.9 < whole.low < 0.95
