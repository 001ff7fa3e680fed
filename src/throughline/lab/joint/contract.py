"""CAMARA's sponsored_data.yaml as validator of what comes in and of what goes out; its bodies are written in place."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

_SESSION = "/sponsorship/{sponsorId}/{campaignId}/{sessionId}"
BODIES = {
    "start": ("/sponsorship", "post", "requestBody"),
    "started": ("/sponsorship", "post", "responses/201"),
    "status": (f"{_SESSION}/session-status", "get", "responses/200"),
    "revoked": (f"{_SESSION}/revoke", "delete", "responses/200"),
    "active": ("/campaign/{sponsorId}/{campaignId}/active-sponsorships", "get", "responses/200"),
}


class Breach(ValueError):
    """A document does not fit the file; the text says where."""


@lru_cache(maxsize=1)
def _registry() -> Registry[Any]:
    text = files("throughline.lab.carrier").joinpath("specs/sponsored_data.yaml").read_text(encoding="utf-8")
    document = yaml.safe_load(text)
    resource = Resource.from_contents(document, default_specification=DRAFT202012)
    registry: Registry[Any] = Registry().with_resource("urn:sponsored_data", resource)
    return registry


@lru_cache(maxsize=16)
def _validator(name: str) -> Draft202012Validator:
    if name == "notice":
        place = "components/schemas/SponsorshipEndNotification"
    else:
        path, method, part = BODIES[name]
        quoted = path.replace("/", "~1").replace("{", "%7B").replace("}", "%7D")
        place = f"paths/{quoted}/{method}/{part}/content/application~1json/schema"
    return Draft202012Validator({"$ref": f"urn:sponsored_data#/{place}"}, registry=_registry())


def check(name: str, document: Mapping[str, Any]) -> None:
    """Raise Breach unless the document fits the body of that name."""
    error = next(iter(_validator(name).iter_errors(document)), None)
    if error is not None:
        raise Breach(f"{'.'.join(str(part) for part in error.absolute_path) or '$'}: {error.message[:200]}")
