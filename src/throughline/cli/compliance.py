"""`throughline compliance apr | check`: rates and rules without the platform."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from throughline.cli.batch import Document, WrongInput, run
from throughline.cli.output import fail

if TYPE_CHECKING:
    from throughline.compliance.rules import RuleSet

app = typer.Typer(no_args_is_help=True)

File = Annotated[
    str, typer.Argument(metavar="FILE", help="JSON, or JSON Lines (.jsonl); - is standard input")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output")]
Lines = Annotated[bool, typer.Option("--lines", help="Standard input holds one document a line")]


@app.command()
def apr(file: File, as_json: Json = False, lines: Lines = False) -> None:
    """The annual rate of cash flows in one convention, which is always named."""
    run(file, _rate_of, _show_rate, lines=lines, as_json=as_json)


@app.command()
def check(
    file: File,
    on: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The day whose rules count")],
    rules: Annotated[Path | None, typer.Option(help="Another rule file")] = None,
    as_json: Json = False,
    lines: Lines = False,
) -> None:
    """Every rule in force on a day, with its verdict on a set of facts, its citation and its trace."""
    rule_set = _rules_of(rules)
    run(
        file,
        lambda document: _judge(document, on.date(), rule_set),
        _show_verdicts,
        lines=lines,
        as_json=as_json,
    )


# --- apr -------------------------------------------------------------------------------------------


def _rate_of(value: Any) -> Document:
    from throughline.cli.apr_input import CENTS, read
    from throughline.compliance.apr import NoRate, annual_rate
    from throughline.kernel.money import from_minor
    from throughline.lending.reading_json import InputError

    try:
        asked = read(value)
        rate = annual_rate(
            asked.method,
            asked.advances,
            asked.payments,
            unit_period=asked.unit_period,
            first_period=asked.first_period,
        )
    except InputError as error:
        raise WrongInput(error.path, error.expected) from None
    except NoRate as error:
        raise WrongInput(f"$.{error.field}", str(error)) from None
    periods = rate.periods_per_year
    return {
        "method": rate.convention.value,
        "apr_percent": str(rate.percent),
        "periods_per_year": int(periods) if periods.denominator == 1 else round(float(periods), 6),
        "effective_percent": None if rate.effective_percent is None else str(rate.effective_percent),
        "total_of_payments": from_minor(rate.total_of_payments_minor, CENTS),
        "finance_charge": from_minor(rate.finance_charge_minor, CENTS),
    }


def _show_rate(answer: Document) -> None:
    from throughline.compliance.apr import CONVENTION_NAMES, Convention

    typer.echo(f"{answer['apr_percent']} %  {CONVENTION_NAMES[Convention(answer['method'])]}")
    typer.echo(f"effective {answer['effective_percent'] or 'more than can be said'} % a year")
    typer.echo(f"periods a year {answer['periods_per_year']}")
    typer.echo(f"total of payments {answer['total_of_payments']}, finance charge {answer['finance_charge']}")


# --- check -----------------------------------------------------------------------------------------


def _rules_of(path: Path | None) -> RuleSet:
    from yaml import YAMLError

    from throughline.compliance import rules

    if path is None:
        return rules.shipped()
    try:
        return rules.load(path.read_text(encoding="utf-8"))
    except OSError as error:
        fail(f"{path}: {error.strerror}")
    except (rules.RuleError, YAMLError, UnicodeDecodeError, KeyError, TypeError) as error:
        fail(f"{path}: {error}")


def _judge(value: Any, on: date, rule_set: RuleSet) -> Document:
    from throughline.compliance import rules
    from throughline.compliance.expressions import ExpressionError
    from throughline.compliance.service import verdict_document
    from throughline.lending.reading_json import InputError, Node

    try:
        document = Node.of(value, "$")
        document.only("jurisdiction", "gate", "facts")
        gate = document.text("gate") if document.has("gate") else None
        jurisdiction = document.text("jurisdiction") if document.has("jurisdiction") else None
        facts = _facts(document.require("facts"), rule_set)
    except InputError as error:
        raise WrongInput(error.path, error.expected) from None
    if gate is not None and gate not in rules.GATES:
        raise WrongInput("$.gate", f"expected one of {', '.join(rules.GATES)}")
    try:
        verdicts = rules.judge(rule_set, facts, on, jurisdiction=jurisdiction, gate=gate)
    except ExpressionError as error:
        raise WrongInput("$.facts", str(error)) from None
    results = [verdict_document(one) for one in verdicts]
    return {"on": on.isoformat(), "outcome": rules.outcome(verdicts, gate), "results": results}


def _facts(value: Any, rule_set: RuleSet) -> dict[str, Decimal | int | bool | str]:
    if not isinstance(value, Mapping):
        raise WrongInput("$.facts", "expected an object")
    facts: dict[str, Decimal | int | bool | str] = {}
    for name, fact in value.items():
        if name not in rule_set.fact_names:
            raise WrongInput(f"$.facts.{name}", "unknown fact")
        if not isinstance(fact, str | int):
            raise WrongInput(f"$.facts.{name}", "expected a text, a whole number, true or false")
        facts[name] = _number(fact) if isinstance(fact, str) else fact
    return facts


def _number(text: str) -> Decimal | str:
    """Rates come as texts, so that 0.36 stays 0.36; a text that is no number is a word."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    return number if number.is_finite() else text


def _show_verdicts(answer: Document) -> None:
    typer.echo(f"{answer['outcome']} on {answer['on']}")
    for result in answer["results"]:
        if result["verdict"] != "not_applicable":
            missing = f" (missing: {', '.join(result['missing'])})" if result["missing"] else ""
            typer.echo(f"  {result['verdict']:<10}{result['id']:<32}{result['demand']}{missing}")
