"""The verbs of messaging, for the packages above. Each runs in the caller's transaction."""

from throughline.messaging.arrivals import Arrival, Told, told_about
from throughline.messaging.codes import CodeNotSent, send_code
from throughline.messaging.held import held_steps, release_held
from throughline.messaging.inbox import InboxMessage, UnknownMessage, first_reading, inbox, mark_read, unread
from throughline.messaging.requests import NewIntent, request
from throughline.messaging.routes.views import (
    RouteEventView,
    RouteUnknown,
    RouteView,
    all_routes,
    events_of,
    one_route,
)
from throughline.messaging.views import (
    AttemptView,
    IntentStory,
    IntentView,
    ReceiptView,
    StepView,
    UnknownIntent,
    intent_story,
    intents,
)

__all__ = [
    "Arrival",
    "AttemptView",
    "CodeNotSent",
    "InboxMessage",
    "IntentStory",
    "IntentView",
    "NewIntent",
    "ReceiptView",
    "RouteEventView",
    "RouteUnknown",
    "RouteView",
    "StepView",
    "Told",
    "UnknownIntent",
    "UnknownMessage",
    "all_routes",
    "events_of",
    "first_reading",
    "held_steps",
    "inbox",
    "intent_story",
    "intents",
    "mark_read",
    "one_route",
    "release_held",
    "request",
    "send_code",
    "told_about",
    "unread",
]
