"""What the status page speaks about: tasks of the borrower, under them rails, routes and carriers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from throughline.kernel.i18n import N_, Text, bilingual

WORKING, SLOW, PARTLY, DOWN = "working", "slow", "partly", "down"
MAINTENANCE, UNKNOWN = "maintenance", "unknown"
STATES = (WORKING, SLOW, PARTLY, DOWN, MAINTENANCE, UNKNOWN)
PROBED = (
    WORKING,
    SLOW,
    PARTLY,
    DOWN,
)  # what a probe may say; the other two follow from what we know beside it
PLATFORM = "platform"  # probed too, but no task of anybody

TASKS: Mapping[str, str] = {
    "sign_in": N_("Sign in"),
    "repay": N_("Repay"),
    "apply": N_("Apply for a loan"),
    "sign": N_("Sign a contract"),
    "get_paid": N_("Receive the money"),
    "notices": N_("Receive notices"),
    "support": N_("Find help"),
}
STATE_NAMES: Mapping[str, str] = {
    WORKING: N_("working"),
    SLOW: N_("slow"),
    PARTLY: N_("partly down"),
    DOWN: N_("down"),
    MAINTENANCE: N_("maintenance"),
    UNKNOWN: N_("not known"),
}
# Rails and routes have one task each; a carrier's network carries notices.
TASK_OF_PART: Mapping[str, str] = {
    "rail:wechat": "repay",
    "rail:bank": "get_paid",
    "route:sms": "notices",
    "route:email": "notices",
}
PART_NAMES: Mapping[str, str] = {
    "rail:wechat": N_("WeChat Pay"),
    "rail:bank": N_("Bank transfer"),
    "route:sms": N_("Text messages"),
    "route:email": N_("Letters by e-mail"),
    "carrier:cmcc": N_("China Mobile"),
    "carrier:cucc": N_("China Unicom"),
    "carrier:ctcc": N_("China Telecom"),
    "carrier:cbn": N_("China Broadnet"),
    "carrier:simulator": N_("Carrier of the demo"),
}
# The worst first, for a whole that is as good as its weakest part. Not knowing is worse than working.
_WORST = (DOWN, PARTLY, SLOW, MAINTENANCE, UNKNOWN, WORKING)


def task_of(part: str) -> str | None:
    """The task that a part belongs to; None: there is no such part."""
    if part.startswith("carrier:"):
        return "notices"
    return TASK_OF_PART.get(part)


def is_component(name: str) -> bool:
    """Whether probes may speak of it."""
    return name == PLATFORM or name in TASKS or task_of(name) is not None


def name_of(component: str) -> Text:
    """What people call a component."""
    known = TASKS.get(component) or PART_NAMES.get(component)
    if known is not None:
        return bilingual(known)
    plain = component.partition(":")[2] or component
    return {"zh-CN": plain, "en": plain}


def worst(states: Iterable[str]) -> str:
    """The worst of some states; unknown where there are none."""
    return min(states, key=_WORST.index, default=UNKNOWN)


def whole(own: str, parts: Iterable[str]) -> str:
    """The state of a task from its own and its parts': it is down where it is itself or all parts are.

    A part of which nothing is known does not make the task unknown: the task has its own probe.
    """
    known = [one for one in parts if one != UNKNOWN]
    if own in {DOWN, UNKNOWN, MAINTENANCE} or not known:
        return own
    if all(one == DOWN for one in known):
        return DOWN
    if any(one in {DOWN, PARTLY} for one in known):
        return PARTLY
    return worst([own, *(one for one in known if one != MAINTENANCE)])


def touched(kind: str, scope: Mapping[str, str]) -> tuple[str, ...]:
    """The tasks that an incident of a kind and scope touches."""
    task = scope.get("task")
    if task in TASKS:
        return (str(task),)
    match kind:
        case "payment_channel":
            rail = TASK_OF_PART.get(f"rail:{scope.get('rail')}")
            return (rail,) if rail else ("repay", "get_paid")
        case "message_route" | "network" | "disaster":
            return ("notices",)
        case _:
            return tuple(TASKS)
