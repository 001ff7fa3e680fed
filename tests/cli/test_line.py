"""`throughline line replay` as a command: files in, JSON Lines out, problems named by file, line and member."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from throughline.lab.lines.population import Feeds, Habits, populate
from throughline.line.parameters import parse_params

ROSTER = {
    "line": "+8613800000000",
    "carrier": "cmcc",
    "home_region": None,
    "loan_due_dates": ["2026-03-10"],
    "app_installed": True,
}
BOTH = {"voiceSmsIn": "suspended", "voiceSmsOut": "suspended", "dataService": "suspended"}
EVENT = {
    "line": "+8613800000000",
    "observed_at": "2026-03-02T08:00:00+08:00",
    "received_at": "2026-03-02T08:20:00+08:00",
    "source": "carrier.push",
    "provider": "cmcc",
    "code": None,
    "attributes": BOTH,
}
SPAN = {
    "line": "+8613800000000",
    "from": "2026-03-01T00:00:00Z",
    "to": "2026-04-01T00:00:00Z",
    "source": "camara.subscription-status",
    "provider": "cmcc",
    "code": None,
    "attributes": BOTH,
}
UNTIL = "2026-03-05T00:00:00Z"


def run(*arguments: str, stdin: str = "", verb: str = "replay") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "throughline", "line", verb, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def written(tmp_path: Path) -> dict[str, str]:
    """A file of each kind with one row."""
    names = {}
    for name, row in (("roster", ROSTER), ("events", EVENT), ("oracle", SPAN)):
        path = tmp_path / f"{name}.jsonl"
        path.write_text(json.dumps(row) + "\n\n", encoding="utf-8")
        names[name] = str(path)
    return names


def test_evidence_becomes_states_and_alarms(written: dict[str, str]) -> None:
    files = ["--roster", written["roster"], "--events", written["events"], "--until", UNTIL]
    asked = ["--oracle", written["oracle"], "--query-budget", "5", "--every", "1d"]
    done = run(*files, *asked, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [row["kind"] for row in rows if row["kind"] != "belief"]
    # The push is shown, confirmed by a question, and asked about again while the line is dark.
    assert kinds[:3] == ["state", "query", "alarm"]
    assert set(kinds[3:-1]) == {"query"}
    assert kinds[-1] == "summary"
    assert rows[0]["state"] == "suspended"
    beliefs = [row for row in rows if row["kind"] == "belief"]
    assert [row["at"][:10] for row in beliefs] == ["2026-03-03", "2026-03-04", "2026-03-05"]
    assert beliefs[0]["p"]["suspended"] > 0.8
    assert rows[-1] | {"seconds": 0} == {
        "kind": "summary",
        "lines": 1,
        "events": 1,
        "queries": kinds.count("query"),
        "seconds": 0,
    }
    told = run(*files)
    assert "suspended" in told.stdout
    assert "ALARM" in told.stdout
    piped = run(
        "--roster", written["roster"], "--events", "-", "--until", UNTIL, "--json", stdin=json.dumps(EVENT)
    )
    assert piped.returncode == 0
    assert json.loads(piped.stdout.splitlines()[-1])["events"] == 1


@pytest.mark.parametrize(
    ("file", "change", "problem"),
    [
        ("roster", {"line": ""}, "line: expected a text"),
        ("roster", {"app_installed": 1}, "app_installed: expected true or false"),
        ("roster", {"loan_due_dates": ["tomorrow"]}, "loan_due_dates: expected dates"),
        ("roster", {"colour": "red"}, "colour: unknown member"),
        ("events", {"line": "+8613900000000"}, "line: expected a line of the roster"),
        ("events", {"line": ["x"]}, "line: expected a line of the roster"),
        ("events", {"observed_at": "2026-03-02T08:00:00"}, "observed_at: expected an instant with its offset"),
        ("events", {"received_at": 7}, "received_at: expected an instant"),
        ("events", {"source": "rumour"}, "source: expected a source"),
        ("events", {"code": 13}, "code: expected a text or null"),
        ("events", {"attributes": []}, "attributes: expected an object"),
        ("events", {"source": "borrower.claim", "attributes": {"claimed_state": "lost", "from": UNTIL}},
         "attributes.claimed_state: expected one of"),
        ("oracle", {"to": "2026-02-01T00:00:00Z"}, "to: expected an instant after `from`"),
        ("oracle", {"attributes": {"deep": "x" * 5, "n": float("nan")}}, "expected"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_named(
    written: dict[str, str], file: str, change: dict[str, object], problem: str
) -> None:
    base = {"roster": ROSTER, "events": EVENT, "oracle": SPAN}[file]
    Path(written[file]).write_text("\n" + json.dumps(base | change) + "\n", encoding="utf-8")
    done = run(
        *(part for name, path in written.items() for part in (f"--{name}", path)), "--until", UNTIL, "--json"
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"{written[file]}:2: " in done.stderr
    assert problem in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        (["--until", "soon"], "--until soon: expected an instant"),
        (["--until", UNTIL, "--every", "7h"], "--every 7h: expected a duration"),
        (["--until", UNTIL, "--query-budget", "-1"], "query-budget"),
        (["--until", UNTIL, "--params", "/nowhere.yaml"], "/nowhere.yaml: No such file"),
        (["--until", UNTIL, "--params", "-"], "expected the members of the shipped file"),
    ],
)
def test_wrong_options_are_named(written: dict[str, str], extra: list[str], problem: str) -> None:
    done = run("--roster", written["roster"], "--events", written["events"], *extra, stdin="[1]")
    assert done.returncode == 2
    assert problem in done.stderr
    assert "Traceback" not in done.stderr


def test_two_answers_at_one_instant_are_refused(written: dict[str, str]) -> None:
    other = SPAN | {"from": "2026-03-15T00:00:00Z", "to": "2026-03-16T00:00:00Z"}
    Path(written["oracle"]).write_text(json.dumps(SPAN) + "\n" + json.dumps(other) + "\n", encoding="utf-8")
    done = run(*(part for name, path in written.items() for part in (f"--{name}", path)), "--until", UNTIL)
    assert done.returncode == 2
    assert "expected one answer of camara.subscription-status" in done.stderr


def test_parameters_are_learned_written_and_used(tmp_path: Path) -> None:
    made = populate(350, 40, 6, habits=Habits(beats_a_day=1).wrong_by(3), feeds=Feeds(push=1.0))
    for name in ("roster", "events"):
        text = "".join(json.dumps(row) + "\n" for row in getattr(made, name))
        (tmp_path / f"{name}.jsonl").write_text(text, encoding="utf-8")
    files = [f"--{name}={tmp_path / name}.jsonl" for name in ("roster", "events")]
    files += ["--until", made.until.isoformat()]
    out = tmp_path / "own.yaml"
    done = run(*files, "--out", str(out), "--json", verb="fit")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told["log_likelihood"]["after"] > told["log_likelihood"]["before"]
    rates = {one["name"]: (one["was"], one["now"]) for one in told["changes"]}
    assert rates["rate active to out_suspended"][1] > 1.5 * rates["rate active to out_suspended"][0]
    assert parse_params(out.read_bytes()).version == told["version"]
    assert run(*files, "--params", str(out), "--json").returncode == 0
    again = run(*files, "--out", str(out), "--params", str(out), verb="fit")
    assert "-> " in again.stdout or "refused" in again.stderr
    few = tmp_path / "few.jsonl"
    few.write_text(json.dumps(EVENT | {"line": made.roster[0]["line"]}) + "\n", encoding="utf-8")
    missing = tmp_path / "none.yaml"
    refused = run(files[0], f"--events={few}", *files[2:], "--out", str(missing), verb="fit")
    assert refused.returncode == 2
    assert "refused: 1 lines have evidence" in refused.stderr
    assert not missing.exists()


def test_truth_that_is_wrong_is_named(written: dict[str, str], tmp_path: Path) -> None:
    truth = tmp_path / "truth.jsonl"
    row = {"line": ROSTER["line"], "from": SPAN["from"], "to": SPAN["to"], "state": "unknown"}
    truth.write_text(json.dumps(row) + "\n", encoding="utf-8")
    done = run(
        "--roster", written["roster"], "--events", written["events"], "--truth", str(truth),
        "--until", UNTIL, "--out", str(tmp_path / "x.yaml"), verb="fit",
    )  # fmt: skip
    assert done.returncode == 2
    assert f"{truth}:1: state: expected one of active" in done.stderr
