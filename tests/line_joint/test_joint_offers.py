"""The file of offers: what is wrong in it is said with its place, before anybody is shown an offer."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from throughline.line.joint.facts import data_state
from throughline.line.joint.offers import DataState, OffersWrong, parse_offers, read_offers


def _shipped() -> list[dict[str, Any]]:
    text = files("throughline.line.joint").joinpath("offers.yaml").read_text(encoding="utf-8")
    rows: list[dict[str, Any]] = yaml.safe_load(text)
    return rows


def test_the_demo_lender_has_data_and_a_bridge() -> None:
    found = parse_offers(_shipped(), "shipped")
    assert {one.kind for one in found} == {"sponsored_data", "bridging_credit"}
    assert all(one.name["zh-CN"] and one.terms["en"] and one.carrier_name["zh-CN"] for one in found)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"valid_until": "2025-01-01"}, "valid_until lies before valid_from"),
        ({"kind": "free_beer"}, "kind"),
        ({"cost_minor": 0}, "cost_minor must be above 0"),
        ({"monthly_budget_minor": 1}, "less than one grant costs"),
        ({"line_states": ["suspended"]}, "works_while_suspended"),
        ({"line_states": ["reassigned"]}, "line_states may be"),
        ({"data_states": ["ok"]}, "data_states may be"),
        ({"line_states": [], "data_states": []}, "nobody could have it"),
        ({"gives": {"megabytes": 5000, "minutes": 10}}, "gives.megabytes"),
        ({"gives": {"megabytes": 50}}, "must be exactly megabytes, minutes"),
        ({"payer": "borrower"}, "only a bridging_credit"),
        ({"campaign": None}, "needs the campaign"),
        ({"name": {"en": "only English"}}, "name.zh-CN"),
        ({"surprise": 1}, "surprise"),
        ({"min_probability_percent": 10}, "min_probability_percent"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(OffersWrong, match="offer SIM-DATA-500") as caught:
        parse_offers([_shipped()[0] | change], "lender.yaml")
    assert "lender.yaml" in str(caught.value)
    assert said in str(caught.value)


def test_an_id_stands_once_and_a_file_is_a_list(tmp_path: Path) -> None:
    with pytest.raises(OffersWrong, match="twice"):
        parse_offers([_shipped()[0], _shipped()[0]], "lender.yaml")
    with pytest.raises(OffersWrong, match="must be a list"):
        parse_offers({"offers": []}, "lender.yaml")
    with pytest.raises(OffersWrong, match="No such file"):
        read_offers(tmp_path / "none.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("- id: [", encoding="utf-8")
    with pytest.raises(OffersWrong, match="not YAML"):
        read_offers(broken)


def test_the_worse_of_flag_and_volume_counts() -> None:
    flag = ("camara.subscription-status", None, {"dataService": "active"})
    assert data_state([flag]) == DataState.OK
    assert data_state([flag, ("camara.device-data-volume", "data-exceeded", {})]) == DataState.EXHAUSTED
    assert (
        data_state([("camara.device-data-volume", None, {"dataVolumeCategory": "<200MiB"})]) == DataState.LOW
    )
    slow = ("carrier.push", None, {"dataService": "throttled"})
    assert (
        data_state([slow, flag, ("camara.device-data-volume", "data-50-percent", {})]) == DataState.THROTTLED
    )
    assert data_state([("carrier.push", None, {"dataService": {"odd": 1}})]) == DataState.UNKNOWN
