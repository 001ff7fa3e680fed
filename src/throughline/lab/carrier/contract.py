"""The official YAML files as validators of what comes in and of what goes out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

STATUS = "subscription-status"
REACHABILITY = "device-reachability-status"
SUBSCRIPTIONS = "device-reachability-status-subscriptions"


class Breach(ValueError):
    """A document does not fit its schema; the text says where."""


@lru_cache(maxsize=8)
def _registry(name: str) -> Registry[Any]:
    text = files("throughline.lab.carrier").joinpath(f"specs/{name}.yaml").read_text(encoding="utf-8")
    resource = Resource.from_contents(yaml.safe_load(text), default_specification=DRAFT202012)
    registry: Registry[Any] = Registry().with_resource(f"urn:{name}", resource)
    return registry


@lru_cache(maxsize=32)
def _validator(name: str, schema: str) -> Draft202012Validator:
    return Draft202012Validator(
        {"$ref": f"urn:{name}#/components/schemas/{schema}"}, registry=_registry(name)
    )


def check(name: str, schema: str, document: Mapping[str, Any]) -> None:
    """Raise Breach unless the document fits a schema of one of the files."""
    error = next(iter(_validator(name, schema).iter_errors(document)), None)
    if error is not None:
        raise Breach(f"{'.'.join(str(part) for part in error.absolute_path) or '$'}: {error.message[:200]}")
