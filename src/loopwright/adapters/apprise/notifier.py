"""`ports.Notifier` through Apprise: one URL a destination."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import apprise

from loopwright.errors import LoopwrightError, SettingsError
from loopwright.ports.notifier import Notice

_LOGGER = logging.getLogger("apprise")
_LOGGER.propagate = False  # it writes URLs that it cannot read whole, and with them their secrets
_LOGGER.addHandler(logging.NullHandler())

_TYPES = {
    "info": apprise.NotifyType.INFO,
    "warning": apprise.NotifyType.WARNING,
    "critical": apprise.NotifyType.FAILURE,
}


class AppriseNotifier:
    """Sends each notice to every URL; tried again after a refusal, it leaves out the destinations that took it.

    Raises `SettingsError` for a URL that Apprise does not know. Secrets in URLs are never shown.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self._destinations = [_destination(url) for url in urls]
        self._taken: dict[str, set[str]] = {}  # by notices that some destination has not taken yet

    def send(self, notice: Notice) -> None:
        taken = self._taken.setdefault(notice.id, set())
        refusals = {}
        for destination in self._destinations:
            name = str(destination[0].url(privacy=True)).split("?", 1)[0]
            if name not in taken:
                refusal = _deliver(destination, notice)
                if refusal is None:
                    taken.add(name)
                else:
                    refusals[name] = refusal
        if refusals:
            told = "; ".join(f"{name} refused: {refusal}" for name, refusal in refusals.items())
            raise LoopwrightError(f"notice {notice.id} was not delivered everywhere: {told}", remedy="check the URL")
        del self._taken[notice.id]


def _destination(url: str) -> apprise.Apprise:
    destination = apprise.Apprise()
    if not destination.add(url):
        scheme, parted, _ = url.partition("://")
        raise SettingsError(
            f"a notification URL of the kind {scheme!r} is none that Apprise understands"
            if parted
            else "a notification URL has no kind, such as mailto:// or slack://",
            remedy="see https://github.com/caronc/apprise/wiki for each service's form",
        )
    return destination


def _deliver(destination: apprise.Apprise, notice: Notice) -> str | None:
    """None when it was taken, else why not."""
    result = destination.notify(body=notice.text, title=notice.title, notify_type=_TYPES[notice.severity])
    if result:
        return None
    return "; ".join(str(entry.message) for entry in result.logs()) or str(result.status)
