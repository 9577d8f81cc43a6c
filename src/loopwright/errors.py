"""Everything Loopwright raises on purpose.

LoopwrightError
├── DeclarationError    what the user declared cannot be
├── SettingsError       a setting cannot be
├── DataError           rows cannot be used
│   ├── SourceError     a source cannot be read
│   └── ContractError   rows, or the contract itself, break the contract
├── FeatureError        a feature function misbehaves
├── TrainingError       a train or tune function misbehaves
├── JobError            a job's process died, or could not be started
├── BundleError         a bundle is corrupt, foreign or unreadable
├── NotFoundError       a name that nothing answers to
├── ConflictError       somebody else was first; nothing was changed
├── StorageError        disk or object store refuses: full, read-only, away
├── StateError          the state database refuses: locked, away, too new
├── HostingError        an endpoint cannot be brought up or does not answer
└── RequestError        what was asked cannot be answered as it stands

Each carries what is wrong (`str(error)`: the thing and its state) and `remedy`: what the reader can do about it.
"""

from __future__ import annotations

__all__ = [
    "BundleError",
    "ConflictError",
    "ContractError",
    "DataError",
    "DeclarationError",
    "FeatureError",
    "HostingError",
    "JobError",
    "LoopwrightError",
    "NotFoundError",
    "RequestError",
    "SettingsError",
    "SourceError",
    "StateError",
    "StorageError",
    "TrainingError",
]


class LoopwrightError(Exception):
    """What is wrong, in one sentence that names the thing and its state; `remedy` says what to do."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __reduce__(self) -> tuple[object, ...]:  # keyword-only arguments do not survive pickling by themselves
        return (_rebuild, (type(self), self.message, self.remedy))


class DeclarationError(LoopwrightError):
    """What the user declared cannot be."""


class SettingsError(LoopwrightError):
    """A setting cannot be."""


class DataError(LoopwrightError):
    """Rows cannot be used."""


class SourceError(DataError):
    """A source cannot be read."""


class ContractError(DataError):
    """Rows, or the contract itself, break the contract."""


class FeatureError(LoopwrightError):
    """A feature function misbehaves."""


class TrainingError(LoopwrightError):
    """A train or tune function misbehaves."""


class JobError(LoopwrightError):
    """A job's process died, or could not be started."""


class BundleError(LoopwrightError):
    """A bundle is corrupt, foreign or unreadable."""


class NotFoundError(LoopwrightError):
    """A name that nothing answers to."""


class ConflictError(LoopwrightError):
    """Somebody else was first; nothing was changed."""


class StorageError(LoopwrightError):
    """Disk or object store refuses: full, read-only, away."""


class StateError(LoopwrightError):
    """The state database refuses: locked, away, too new."""


class HostingError(LoopwrightError):
    """An endpoint cannot be brought up or does not answer."""


class RequestError(LoopwrightError):
    """What was asked cannot be answered as it stands: of a model, a command or the API."""


def error_named(name: str) -> type[LoopwrightError]:
    """The class called `name` (as another process wrote it down); the root where there is none."""
    found = globals().get(name)
    return found if isinstance(found, type) and issubclass(found, LoopwrightError) else LoopwrightError


def _rebuild(kind: type[LoopwrightError], message: str, remedy: str) -> LoopwrightError:
    return kind(message, remedy=remedy)
