"""The contract gate: schemathesis with all checks against the running carrier, and the share of 2xx beside it.

Conformance alone is weak: who answers 400 to everything conforms. So each operation must also have answered enough of
the valid requests with 2xx.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.engine import Status, from_schema
from schemathesis.engine.events import EngineEvent, FatalError, NonFatalError, ScenarioFinished
from schemathesis.generation import GenerationMode
from schemathesis.generation.meta import TestPhase
from schemathesis.hooks import GLOBAL_HOOK_DISPATCHER

from throughline.lab.carrier import contract

# A request that fits the schema may still be refused: the identifier must fit the token (422), another carrier may
# serve the number (404), nobody may have consented (403). Schemathesis' own list has all of these but 422.
ACCEPTANCE = ["2xx", "401", "403", "404", "409", "422"]


@dataclass
class Tally:
    """What became of the requests of one file."""

    failures: list[str] = field(default_factory=list)
    valid: Counter[str] = field(default_factory=Counter)
    taken: Counter[str] = field(default_factory=Counter)
    requests: int = 0

    def share(self, operation: str) -> float:
        """The share of the valid requests of an operation that was answered 2xx."""
        return self.taken[operation] / self.valid[operation] if self.valid[operation] else 0.0


def narrowed(name: str) -> dict[str, Any]:
    """A file for the generator: as its prose narrows its schemas. The file itself is untouched.

    The prose of the subscription files allows the protocol HTTP and the credential ACCESSTOKEN only; their example of
    `accessTokenExpiresUtc` is a number of seconds, which is no date-time.
    """
    document = copy.deepcopy(contract.document(name))
    schemas = document["components"]["schemas"]
    if "Protocol" in schemas and "SinkCredential" in schemas:
        schemas["Protocol"]["enum"] = ["HTTP"]
        # The generator does not read discriminators.
        schemas["SinkCredential"]["properties"]["credentialType"]["enum"] = ["ACCESSTOKEN"]
        token = {"$ref": "#/components/schemas/AccessTokenCredential"}
        schemas["SubscriptionRequest"]["properties"]["sinkCredential"] = token
        for schema in schemas.values():
            mapping = schema.get("discriminator", {}).get("mapping", {})
            for value in [one for one in mapping if one not in {"HTTP", "ACCESSTOKEN"} and "." not in one]:
                del mapping[value]
    if "Message" in schemas:
        # Pattern and maxLength together are more than the generator can do; this asks for both in one. That a longer
        # message is refused is looked at elsewhere.
        schemas["Message"] = {"type": "string", "pattern": r"^.{0,70}\{\{code\}\}.{0,70}$"}
    return _without_seconds(document)


def _without_seconds(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_seconds(one) for one in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _without_seconds(value)
        for key, value in node.items()
        if not (key == "accessTokenExpiresUtc" and str(value).isdigit())
        and not (key == "example" and str(value).isdigit() and node.get("format") == "date-time")
    }


@dataclass(frozen=True)
class Known:
    """What exists at the carrier, for operations that are about it: by label, path parameters or a body."""

    path: Callable[[str], Mapping[str, str] | None] = lambda _: None
    body: Callable[[str], Mapping[str, Any] | None] = lambda _: None


def run(
    name: str,
    url: str,
    headers: Mapping[str, str],
    *,
    seed: int,
    examples: int,
    known: Known | None = None,
    without: Mapping[str, tuple[str, ...]] | None = None,
) -> Tally:
    """Run every phase with every check. Every other valid request is about what is `known`.

    `without` names, by operation, the checks that its file makes impossible.
    """
    config = SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "headers": dict(headers),
            "generation": {"max-examples": examples, "database": "none"},
            "checks": {"positive_data_acceptance": {"expected-statuses": ACCEPTANCE}},
            "phases": {"stateful": {"max-steps": 6, "generation": {"max-examples": max(4, examples // 2)}}},
            "operations": [
                {"include-name": label, "checks": {check: {"enabled": False} for check in checks}}
                for label, checks in (without or {}).items()
            ],
            "request-timeout": 20,
        }
    )
    schema = schemathesis.openapi.from_dict(narrowed(name), config=config)
    schema.config.update(base_url=url)
    count = iter(range(10**9))
    there = known or Known()

    def before_call(context: Any, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
        del context, kwargs
        valid = case.meta is not None and case.meta.generation.mode == GenerationMode.POSITIVE
        if not valid or case.meta is None or next(count) % 2:
            return
        # Stateful cases bring the ids of what they made themselves.
        linked = case.meta.phase.name == TestPhase.STATEFUL
        path = None if linked else there.path(case.operation.label)
        body = there.body(case.operation.label)
        if path:
            case.path_parameters = {**(case.path_parameters or {}), **path}
        if body:
            case.body = dict(body)

    tally = Tally()
    schemathesis.hook(before_call)  # this kind of hook is the process's, not the schema's
    try:
        for event in from_schema(schema).execute():
            _count(tally, event)
    finally:
        GLOBAL_HOOK_DISPATCHER.unregister(before_call)
    return tally


def _count(tally: Tally, event: EngineEvent) -> None:
    if isinstance(event, (NonFatalError, FatalError)):
        tally.failures.append(str(event))
    if not isinstance(event, ScenarioFinished):
        return
    recorder = event.recorder
    for case_id, node in recorder.cases.items():
        interaction = recorder.interactions.get(case_id)
        if interaction is None or interaction.response is None:
            continue
        case = node.value
        tally.requests += 1
        # A stateful run asks again for what it has deleted: that 404 is right, and no measure of the share.
        if (
            case.meta is not None
            and case.meta.generation.mode == GenerationMode.POSITIVE
            and case.meta.phase.name != TestPhase.STATEFUL
        ):
            tally.valid[case.operation.label] += 1
            tally.taken[case.operation.label] += 200 <= interaction.response.status_code < 300
    for case_id, checks in recorder.checks.items():
        for check in checks:
            if check.status == Status.FAILURE and check.failure_info is not None:
                failure: Failure = check.failure_info.failure
                case = recorder.cases[case_id].value
                answer = recorder.interactions[case_id].response
                said = answer.text[:300] if answer is not None else ""
                tally.failures.append(
                    f"{check.name} {case.operation.label}: {failure.title} {failure.message[:300]}"
                    f" | body {case.body!r} path {case.path_parameters!r} | {said}"
                )
