"""`throughline lab` as a person meets it, and its page in a real browser."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from kernel_ops import places
from system.chromium import chromium


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return places.command("lab", *words, env=os.environ)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the shipped policy beside one with a shorter cap, with its files."""
    folder = tmp_path_factory.mktemp("lab")
    shipped = run("policy")
    assert shipped.returncode == 0
    tight = yaml.safe_load(shipped.stdout)
    tight["version"] = "tight"
    for row in tight["rows"]:
        row["cap_days"], row["requested_cap_days"] = 2, None
    (folder / "shipped.yaml").write_text(shipped.stdout, encoding="utf-8")
    (folder / "tight.yaml").write_text(yaml.safe_dump(tight, allow_unicode=True), encoding="utf-8")
    answer = run(
        "run", "--borrowers", "250", "--months", "2", "--seed", "4", "--out", str(folder / "out"),
        "--policy", str(folder / "shipped.yaml"), "--baseline", str(folder / "tight.yaml"),
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert "Wrong fees: ever charged" in answer.stdout
    return folder


def test_a_run_writes_the_document_and_compares_two_policies(compared: Path) -> None:
    found = json.loads((compared / "out" / "result.json").read_text(encoding="utf-8"))
    assert found["schema"] == "throughline.outage-lab/1"
    assert set(found["arms"]) == {"ordinary", "ours", "ours_2"}
    assert found["policies"]["ours_2"]["version"] == "tight"
    assert {"ours-ordinary", "ours_2-ordinary", "ours_2-ours"} == set(found["differences"])
    forgone = [found["arms"][arm]["figures"]["forgone_interest_minor"]["value"] for arm in ("ours", "ours_2")]
    assert forgone[0] > forgone[1] >= 0
    for one in found["arms"]["ours"]["figures"].values():
        assert one["value"] is None or one["low"] <= one["value"] <= one["high"]


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("cap_days", 0, "LINE-2026-2: cap_days"),
        ("min_probability_percent", 101, "LINE-2026-2: min_probability_percent"),
        ("kinds", ["weather"], "LINE-2026-2: kinds"),
        ("catchup_days", 3, "LINE-2026-2: unknown fields ['catchup_days']"),
        ("from", "tomorrow", "LINE-2026-2.from"),
    ],
)
def test_a_policy_that_is_wrong_is_refused_with_its_row_and_field(
    compared: Path, tmp_path: Path, field: str, value: object, named: str
) -> None:
    document = yaml.safe_load((compared / "shipped.yaml").read_text(encoding="utf-8"))
    document["rows"][0][field] = value
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(yaml.safe_dump(document), encoding="utf-8")
    answer = run("run", "--borrowers", "10", "--policy", str(wrong))
    assert answer.returncode == 2
    assert named in answer.stderr
    assert str(wrong) in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("--borrowers", "0"),
        ("--months", "13"),
        ("--policy", "/nowhere/at-all.yaml"),
        ("--policy", "/dev/null"),
        ("--policy", "a", "--policy", "b", "--baseline", "c"),
    ],
)
def test_a_question_that_is_wrong_ends_with_two(words: tuple[str, ...]) -> None:
    answer = run("run", *words)
    assert answer.returncode == 2
    assert "Traceback" not in answer.stderr


def test_what_is_no_yaml_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("rows: [", encoding="utf-8")
    answer = run("run", "--policy", str(wrong))
    assert answer.returncode == 2
    assert "expected YAML" in answer.stderr


@pytest.mark.browser
def test_the_page_is_whole_in_both_languages_on_a_phone(compared: Path) -> None:
    page_file = compared / "out" / "report.html"
    text = page_file.read_text(encoding="utf-8")
    assert "http://" not in text
    assert "https://" not in text
    assert "<script" not in text
    with chromium() as browser:
        # No scripts, as on a locked-down desk.
        context = browser.new_context(viewport={"width": 390, "height": 844}, java_script_enabled=False)
        page = context.new_page()
        page.goto(page_file.as_uri())
        chinese, english = page.locator("main[lang=zh-CN]"), page.locator("main[lang=en]")
        assert chinese.is_visible()
        assert not english.is_visible()
        assert "断线实验室" in chinese.inner_text()
        page.locator("label[for=en]").click()
        assert english.is_visible()
        assert not chinese.is_visible()
        # By keyboard as well.
        page.locator("#en").press("ArrowLeft")
        assert chinese.is_visible()
        assert chinese.locator("svg").count() == 5
        box = chinese.locator("svg").first.bounding_box()
        assert box is not None
        assert 200 < box["width"] <= 390
        assert chinese.locator("svg rect").count() > 10
        wide = page.locator("body").bounding_box()
        assert wide is not None
        assert wide["width"] <= 390
        pictures = os.environ.get("LAB_PICTURES")
        if pictures:
            page.screenshot(path=pictures, full_page=True)
