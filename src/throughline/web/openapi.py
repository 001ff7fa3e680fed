"""The OpenAPI document tells the truth: what every operation may answer beside its own results."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from throughline.identity import service as identity
from throughline.kernel.http import ProblemDocument, problems

# Who may call what, for the tools that make clients. Hooks are proved by their sender's own signature.
_OF_BORROWERS = ("/api/v1/me", "/api/v1/sign-out", "/api/v1/notary/records")
_METHODS = ("get", "post", "put", "patch", "delete")


def install(app: FastAPI) -> None:
    """Complete the generated document once, when it is first asked for."""
    generate = app.openapi

    def complete() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(generate())
        return app.openapi_schema

    app.openapi = complete  # type: ignore[method-assign]  # the way that FastAPI documents


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["ProblemDocument"] = ProblemDocument.model_json_schema()
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    document["components"]["securitySchemes"] = {
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": identity.SESSION_COOKIE,
            "description": "The session of a borrower or of staff, set by the sign-in",
        },
        "apiKey": {
            "type": "http",
            "scheme": "bearer",
            "description": "A key of `throughline api-key create`, for staff operations of its scopes",
        },
    }
    for name, path in document["paths"].items():
        for method in _METHODS:
            operation = path.get(method)
            if operation is None:
                continue
            answers = operation["responses"]
            if "401" in answers and name.startswith("/api/") and "/sign-in/" not in name:
                own = f"{name}/".startswith(tuple(f"{one}/" for one in _OF_BORROWERS))
                operation["security"] = [{"session": []}] + ([] if own else [{"apiKey": []}])
            always = (422, 503) if method == "get" else (400, 413, 422, 503)
            for status, answer in problems(*always).items():
                # FastAPI writes its own 422, in a shape that we never send.
                answers[str(status)] = answer
    return document
