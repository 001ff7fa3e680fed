"""The official YAML files: validators of what comes in and goes out, and the scopes of each operation.

OpenAPI 3.0 is not JSON Schema: `nullable` and `discriminator` are translated here, its patterns are ECMAScript's, and
formats are checked.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from datetime import date, datetime
from functools import lru_cache
from importlib.resources import files
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import yaml
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

FILES = (
    "subscription-status",
    "device-reachability-status",
    "device-reachability-status-subscriptions",
    "sim-swap",
    "sim-swap-subscriptions",
    "device-swap",
    "number-recycling",
    "call-forwarding-signal",
    "kyc-tenure",
    "consent-info",
    "number-verification",
    "one-time-password-sms",
    "device-data-volume",
    "device-data-volume-subscriptions",
    "sponsored_data",
)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


class Breach(ValueError):
    """A document does not fit its schema; the text says where."""


def _is_instant(value: object) -> bool:
    if not isinstance(value, str):
        return True
    if not _RFC3339.fullmatch(value):
        return False
    # A leap second is an instant by RFC 3339, which Python does not know.
    datetime.fromisoformat(re.sub(r":60(?=[.Zz+-])", ":59", value.upper()))
    return True


def _is_date(value: object) -> bool:
    return not isinstance(value, str) or (bool(_DATE.fullmatch(value)) and bool(date.fromisoformat(value)))


def _is_uuid(value: object) -> bool:
    return not isinstance(value, str) or bool(UUID(value))


def _is_ipv4(value: object) -> bool:
    return not isinstance(value, str) or bool(str(IPv4Address(value)))


def _is_ipv6(value: object) -> bool:
    return not isinstance(value, str) or bool(str(IPv6Address(value)))


def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or (
        value.isascii() and bool(urlsplit(value).scheme) and " " not in value
    )


formats = FormatChecker(formats=())
for _name, _check_format in (
    ("date-time", _is_instant),
    ("date", _is_date),
    ("uuid", _is_uuid),
    ("ipv4", _is_ipv4),
    ("ipv6", _is_ipv6),
    ("uri", _is_uri),
):
    formats.checks(_name, ValueError)(_check_format)


class _JsonLoader(yaml.SafeLoader):
    """YAML as JSON knows it: an example that looks like a date is the text that it is."""


_JsonLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@lru_cache(maxsize=len(FILES))
def document(name: str) -> dict[str, Any]:
    """One of the files as it is."""
    text = files("throughline.lab.carrier").joinpath(f"specs/{name}.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = _JsonLoader(text).get_single_data()
    return loaded


def base_path(name: str) -> str:
    """Where a file's operations are served, below the address of the carrier."""
    url: str = document(name)["servers"][0]["url"]
    return url.removeprefix("{apiRoot}")


def operation(name: str, method: str, path: str) -> dict[str, Any]:
    """An operation of a file."""
    found: dict[str, Any] = document(name)["paths"][path][method.lower()]
    return found


def scopes(name: str, method: str, path: str) -> frozenset[str]:
    """The scopes of which one is needed; none for sponsored_data, whose file has no security scheme."""
    security = operation(name, method, path).get("security") or []
    return frozenset(scope for way in security for names in way.values() for scope in names)


def parameters(name: str, method: str, path: str) -> list[dict[str, Any]]:
    """The header and path parameters of an operation, references followed."""
    known = document(name)["components"].get("parameters", {})
    return [
        known[one["$ref"].rsplit("/", 1)[1]] if "$ref" in one else one
        for one in operation(name, method, path).get("parameters", [])
    ]


def documented(name: str, method: str, path: str) -> frozenset[int]:
    """The statuses that the file lists for an operation."""
    return frozenset(int(status) for status in operation(name, method, path)["responses"])


def error_codes(name: str, method: str, path: str, status: int) -> frozenset[str]:
    """The error codes that the file lists for a status; empty where it lists none or not this status."""
    answer = _answer(name, method, path, status)
    if answer is None:
        return frozenset()
    content: dict[str, Any] = answer.get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    return frozenset(
        code
        for part in schema.get("allOf", [])
        for code in part.get("properties", {}).get("code", {}).get("enum", [])
    )


def check(name: str, schema: str, body: Any) -> None:
    """Raise Breach unless the body fits a named schema of one of the files."""
    _check(name, f"/components/schemas/{schema}", body)


def check_request(name: str, method: str, path: str, body: Any) -> None:
    """Raise Breach unless the body fits what the operation takes."""
    _check(
        name, f"/paths/{_escaped(path)}/{method.lower()}/requestBody/content/application~1json/schema", body
    )


def check_answer(name: str, method: str, path: str, status: int, body: Any) -> None:
    """Raise Breach unless our own answer fits what the operation gives."""
    answer = _answer(name, method, path, status)
    if answer is None:
        raise Breach(f"{method} {path} of {name} knows no answer {status}")
    reference = operation(name, method, path)["responses"][str(status)].get("$ref")
    place = (
        reference.removeprefix("#")
        if reference
        else f"/paths/{_escaped(path)}/{method.lower()}/responses/{status}"
    )
    if "content" in answer:
        _check(name, f"{place}/content/application~1json/schema", body)


def check_value(name: str, schema: Mapping[str, Any], value: Any) -> None:
    """Raise Breach unless a parameter fits its schema."""
    reference = schema.get("$ref")
    if reference:
        check(name, reference.rsplit("/", 1)[1], value)
        return
    _raise_first(Draft202012Validator(_as_json_schema(schema), format_checker=formats), value)


def _answer(name: str, method: str, path: str, status: int) -> dict[str, Any] | None:
    answer: dict[str, Any] | None = operation(name, method, path)["responses"].get(str(status))
    if answer is not None and "$ref" in answer:
        answer = document(name)["components"]["responses"][answer["$ref"].rsplit("/", 1)[1]]
    return answer


def _escaped(path: str) -> str:
    # JSON pointer first, then the URI fragment that carries it.
    return path.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")


def _check(name: str, place: str, body: Any) -> None:
    _raise_first(_validator(name, place), body)


def _raise_first(validator: Draft202012Validator, value: Any) -> None:
    error = next(iter(validator.iter_errors(value)), None)
    if error is not None:
        raise Breach(f"{'.'.join(str(part) for part in error.absolute_path) or '$'}: {error.message[:200]}")


@lru_cache(maxsize=len(FILES))
def _registry(name: str) -> Registry[Any]:
    translated = _as_json_schema(copy.deepcopy(document(name)))
    _discriminators(translated["components"]["schemas"])
    resource = Resource.from_contents(translated, default_specification=DRAFT202012)
    registry: Registry[Any] = Registry().with_resource(f"urn:{name}", resource)
    return registry


@lru_cache(maxsize=512)
def _validator(name: str, place: str) -> Draft202012Validator:
    return Draft202012Validator(
        {"$ref": f"urn:{name}#{place}"}, registry=_registry(name), format_checker=formats
    )


def _as_json_schema(node: Any) -> Any:
    if isinstance(node, list):
        return [_as_json_schema(one) for one in node]
    if not isinstance(node, dict):
        return node
    made = {key: _as_json_schema(value) for key, value in node.items()}
    if made.get("nullable") is True and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    pattern = made.get("pattern")
    if isinstance(pattern, str) and pattern.endswith("$") and not pattern.endswith("\\$"):
        made["pattern"] = pattern[:-1] + r"\Z"  # in Python, $ lets a line break follow
    return made


def _discriminators(schemas: dict[str, Any]) -> None:
    """Make each discriminator a choice: the base, and the target that the member's value names."""
    for name in [one for one, schema in schemas.items() if "discriminator" in schema]:
        plain = schemas[name]
        chosen_by = plain.pop("discriminator")
        member, base = chosen_by["propertyName"], f"{name}__base"
        schemas[base] = plain
        choices = []
        for value, target in chosen_by["mapping"].items():
            for part in schemas[target.rsplit("/", 1)[1]]["allOf"]:
                if part.get("$ref") == f"#/components/schemas/{name}":
                    part["$ref"] = f"#/components/schemas/{base}"
            when = {"properties": {member: {"const": value}}, "required": [member]}
            choices.append({"if": when, "then": {"$ref": target}})
        schemas[name] = {"allOf": [{"$ref": f"#/components/schemas/{base}"}, *choices]}
