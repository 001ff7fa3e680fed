"""Problems: errors that a caller can do something about, in the shape of RFC 9457.

A package subclasses one of these beside the verb that raises it. `code` is the stable, public name;
`title` and `detail` are English texts that `i18n` translates when the answer is written.
"""

from __future__ import annotations

from typing import Any, ClassVar

from throughline.kernel.i18n import N_, gettext

_PLACE = "%("


class Problem(Exception):
    """An expected failure with a status, a stable code and a text for people.

    `detail` is a message id marked with `N_`; `params` fill its `%(name)s` places and are also given
    to the caller as members of the problem document, so never put personal data in them. A `title` with
    places is the detail of each occurrence; the document's title, which RFC 9457 wants to be always the
    same, is then that of the class above.
    """

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad-request"
    title: ClassVar[str] = N_("The request can't be carried out")

    def __init__(self, detail: str = "", **params: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or (self.title if _PLACE in self.title else "")
        self.params = params

    def __str__(self) -> str:
        return gettext(self.detail or self.title, "en", **self.params)

    def document(self, locale: str) -> dict[str, Any]:
        """The problem document (RFC 9457, section 3) in one language."""
        body: dict[str, Any] = {
            "type": f"/problems/{self.code}",
            "title": gettext(self._fixed_title(), locale),
            "status": self.status,
            "code": self.code,
        }
        if self.detail:
            body["detail"] = gettext(self.detail, locale, **self.params)
        if self.params:
            body["params"] = {
                name: value if isinstance(value, int | bool) else str(value)
                for name, value in self.params.items()
            }
        return body

    def _fixed_title(self) -> str:
        if _PLACE not in self.title:
            return self.title
        above = (one.title for one in type(self).__mro__ if issubclass(one, Problem))
        return next(title for title in above if _PLACE not in title)


class Unauthenticated(Problem):
    status = 401
    code = "unauthenticated"
    title = N_("Sign in first")


class Forbidden(Problem):
    status = 403
    code = "forbidden"
    title = N_("This is not allowed for you")


class NotFound(Problem):
    status = 404
    code = "not-found"
    title = N_("There is no such thing here")


class Conflict(Problem):
    status = 409
    code = "conflict"
    title = N_("The present state does not allow this")


class TooLarge(Problem):
    status = 413
    code = "too-large"
    title = N_("The request is too large")


class Invalid(Problem):
    status = 422
    code = "invalid"
    title = N_("Something in the request is not valid")


class TooMany(Problem):
    status = 429
    code = "too-many"
    title = N_("Too many requests; wait a moment and try again")


class Unavailable(Problem):
    status = 503
    code = "unavailable"
    title = N_("The service can't answer just now; try again in a moment")
