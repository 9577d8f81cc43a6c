"""What routes share: the platform, paging, who asks and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

from fastapi import Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from loopwright.bootstrap.known import known
from loopwright.bootstrap.platform import Platform
from loopwright.monitoring.records import ANY

T = TypeVar("T")


async def _platform(request: Request) -> Platform:
    platform: Platform = request.app.state.platform
    return platform


Here = Annotated[Platform, Depends(_platform)]
"""The platform that the application was made for."""


def _of_model(
    platform: Here, model: Annotated[str | None, Query(description="Only this model's.")] = None
) -> str | None:
    return model if model in (None, ANY) else known(platform, model)


OfModel = Annotated[str | None, Depends(_of_model)]
"""A model that the answer is limited to; where there is none of that name, the answer is that."""

NAME = "^[a-z0-9][a-z0-9-]{0,79}$"
Name = Annotated[str, Path(pattern=NAME)]
"""A model's, an endpoint's or a data set's name, as a part of the path."""

Limit = Annotated[int, Query(ge=1, le=500, description="How many at most.")]
Offset = Annotated[int, Query(ge=0, description="How many to pass over.")]


@dataclass(frozen=True, kw_only=True, slots=True)
class Page(Generic[T]):
    """Some of `total` items, those from `offset` on."""

    items: list[T]
    total: int
    limit: int
    offset: int


class Order(BaseModel):
    """Who gives an order and why; both go into the record of what comes of it."""

    model_config = ConfigDict(extra="forbid")

    actor: str = Field(default="", max_length=120, description="Who asks; empty: whoever runs the platform.")
    reason: str = Field(default="", max_length=2000, description="Why.")

    def by(self, platform: Platform) -> str:
        return self.actor or platform.actor
