"""The command line as a person or a program meets it: real processes, exit statuses, no tracebacks."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kernel_ops import places
from throughline.identity import service as identity
from throughline.kernel import clock
from throughline.kernel.db import Database

LOAN = {
    "method": "cn_irr",
    "advances": [{"date": "2026-01-01", "amount": "1000"}],
    "payments": [{"date": f"2026-{month:02}-01", "amount": "172.55"} for month in range(2, 8)],
}
FACTS = {
    "jurisdiction": "CN",
    "gate": None,
    "facts": {"lender_type": "small_loan", "apr": "0.2399", "tenor_days": 180, "lpr1y": "0.030"},
}


def run(*words: str, stdin: str = "", env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return places.command(*words, env=env or os.environ, input=stdin)


@pytest.fixture
def env(database: Database, installation: Path) -> dict[str, str]:
    return places.environment(installation, THROUGHLINE_DATABASE_URL=database.url, THROUGHLINE_DEMO="1")


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom throughline.cli import app\n"
        "heavy = {'sqlalchemy', 'fastapi', 'psycopg', 'cryptography', 'pydantic', 'procrastinate', 'babel'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

    def cpu_s() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert run("--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(cpu_s() for _ in range(3)) < 0.5


@pytest.mark.parametrize(
    "words",
    ["up", "down", "status", "serve", "migrate", "demo forward", "notary verify", "notary log tiles",
     "notary log prove", "notary log check-inclusion", "notary witness serve", "compliance apr",
     "compliance check", "staff create", "api-key create"],
)  # fmt: skip
def test_every_command_explains_itself(words: str) -> None:
    shown = run(*words.split(), "--help")
    assert shown.returncode == 0
    assert "Usage" in shown.stdout


# --- rates and rules -------------------------------------------------------------------------------


def test_a_rate_names_its_convention() -> None:
    answer = run("compliance", "apr", "-", "--json", stdin=json.dumps(LOAN))
    assert answer.returncode == 0
    assert answer.stderr == ""
    rate = json.loads(answer.stdout)
    assert rate["method"] == "cn_irr"
    assert rate["periods_per_year"] == 12
    assert rate["total_of_payments"] == "1035.30"
    assert rate["finance_charge"] == "35.30"
    assert 12.6 < float(rate["apr_percent"]) < 12.8  # 1 % a month, compounded
    simple = json.loads(
        run("compliance", "apr", "-", "--json", stdin=json.dumps(LOAN | {"method": "cn_simple"})).stdout
    )
    assert simple["effective_percent"] == rate["apr_percent"]
    shown = run("compliance", "apr", "-", stdin=json.dumps(LOAN))
    assert "PBOC" in shown.stdout


def test_json_lines_answer_each_in_its_place(tmp_path: Path) -> None:
    file = tmp_path / "loans.jsonl"
    wrong = LOAN | {"payments": [{"date": "2026-02-30", "amount": "1100"}]}
    file.write_text("\n".join(json.dumps(one) for one in (LOAN, wrong, LOAN)) + "\n\nnot json\n")
    answer = run("compliance", "apr", str(file))
    assert answer.returncode == 2
    first, second, third, fourth = (json.loads(line) for line in answer.stdout.splitlines())
    assert first == third
    assert "$.payments[0].date" in second["error"]
    assert "JSON" in fourth["error"]
    assert ":2: $.payments[0].date" in answer.stderr


@pytest.mark.parametrize(
    "document",
    [
        "", "[]", "{", '{"method": "cn_irr"}', "null", '{"advances": 1}', "\udcff", "NaN", "[" * 100_000,
        json.dumps(LOAN | {"method": "no such"}), json.dumps(LOAN | {"payments": []}),
        json.dumps(LOAN | {"payments": [{"date": "2026-02-01", "amount": "1e9"}]}),
        json.dumps(LOAN | {"payments": [{"date": "2026-02-01", "amount": 5}]}),
        json.dumps(LOAN | {"payments": [{"date": "2026-02-01", "amount": "5", "extra": 1}]}),
        json.dumps(LOAN | {"unknown": 1}), json.dumps(FACTS),
    ],
)  # fmt: skip
def test_wrong_input_is_named_without_a_traceback(document: str, tmp_path: Path) -> None:
    file = tmp_path / "input.json"
    file.write_bytes(document.encode("utf-8", "surrogateescape"))
    answer = run("compliance", "apr", str(file), "--json")
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert str(file) in answer.stderr
    assert "Traceback" not in answer.stderr


def test_rules_of_a_day() -> None:
    answer = run("compliance", "check", "-", "--on", "2026-11-24", "--json", stdin=json.dumps(FACTS))
    assert answer.returncode == 0
    document = json.loads(answer.stdout)
    assert document["on"] == "2026-11-24"
    assert document["outcome"] in {"allow", "warn", "block"}
    ids = [result["id"] for result in document["results"]]
    assert ids == sorted(ids)
    assert all(name.startswith("CN") for name in ids)
    assert {"cite", "trace", "row_hash", "verdict", "missing"} <= set(document["results"][0])
    assert run("compliance", "check", "-", "--on", "2026-11-24", stdin=json.dumps(FACTS)).returncode == 0


@pytest.mark.parametrize(
    "facts",
    [
        {"no_such": 1},
        {"apr": []},
        {"tenor_days": {}},
        {"lender_type": "small_loan", "apr": "much", "tenor_days": 180, "lpr1y": "0.03"},
        {"apr": None},
        "text",
    ],
)
def test_wrong_facts_are_an_input_error(facts: Any) -> None:
    answer = run("compliance", "check", "-", "--on", "2026-11-24", stdin=json.dumps(FACTS | {"facts": facts}))
    assert (answer.returncode, "Traceback" in answer.stderr) == (2, False)
    assert "$.facts" in answer.stderr


def test_files_that_are_not_there(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    for words in (
        ("compliance", "apr", missing),
        ("compliance", "check", missing, "--on", "2026-11-24"),
        ("compliance", "check", "-", "--on", "2026-11-24", "--rules", missing),
        ("notary", "log", "check-inclusion", missing),
        ("notary", "verify", missing, "--record", missing, "--policy", missing),
        (
            "notary",
            "witness",
            "serve",
            "--home",
            str(tmp_path / "w"),
            "--name",
            "w.example",
            "--logs",
            missing,
        ),
    ):
        answer = run(*words)
        assert (answer.returncode, "Traceback" in answer.stderr) == (2, False), words


# --- staff and keys --------------------------------------------------------------------------------


def test_a_member_of_staff_and_a_key(env: dict[str, str], database: Database) -> None:
    made = run(
        "staff", "create", "li.lei", "--role", "agent", "--json", stdin="a-long-enough-pass\n", env=env
    )
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["roles"] == ["agent"]
    assert "a-long-enough-pass" not in made.stdout + made.stderr
    again = run("staff", "create", "li.lei", "--role", "agent", stdin="a-long-enough-pass\n", env=env)
    assert again.returncode == 2
    assert "taken" in again.stderr
    assert (
        run("staff", "create", "wu", "--role", "king", stdin="a-long-enough-pass\n", env=env).returncode == 2
    )
    key = run("api-key", "create", "reports", "--scope", "lending:read", "--days", "30", env=env)
    assert key.returncode == 0
    caller = database.run(
        lambda s: identity.caller_from_request(s, None, f"Bearer {key.stdout.strip()}", now=clock.real_now())
    )
    assert caller.scopes == frozenset({"lending:read"})
    assert run("api-key", "create", "reports", "--scope", "all", env=env).returncode == 2


def test_business_time_moves_in_demo_mode_only(env: dict[str, str]) -> None:
    assert run("demo", "forward", "--days", "2", env=env).returncode == 0
    assert run("demo", "forward", env=env | {"THROUGHLINE_DEMO": "0"}).returncode == 2


# --- the platform when it does not run -------------------------------------------------------------


def test_nothing_runs_here() -> None:
    with places.home() as home:
        env = places.environment(home)
        answer = run("status", "--json", env=env)
        assert answer.returncode == 1
        found = json.loads(answer.stdout)
        assert (found["supervisor_pid"], found["database"], found["ready"]) == (None, "stopped", False)
        assert run("status", env=env).returncode == 1
        assert run("down", env=env).returncode == 0
        served = run("serve", "--role", "worker", env=env)
        assert served.returncode == 1
        assert "throughline up" in served.stderr
        assert "Traceback" not in served.stderr
