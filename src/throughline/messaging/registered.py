"""The SMS texts as they are registered with the provider, which keeps them and is sent their codes only.

An operator submits these for approval; the simulator shows a message by them.
"""

from __future__ import annotations

import re

from throughline.kernel.i18n import LOCALES
from throughline.messaging.settings import load_settings
from throughline.messaging.templates import templates


def registered_texts() -> dict[str, str]:
    """Template code to text, places written as the provider does: ${count}."""
    codes = load_settings().sms_template_codes
    outside = {text.outside.name: text.outside for text in templates().values()}
    return {
        codes[key]: re.sub(r"\{(\w+)\}", r"${\1}", text.sms[locale])
        for name, text in outside.items()
        for locale in LOCALES
        if (key := f"{name}.{locale}") in codes
    }
