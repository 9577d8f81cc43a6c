"""`loopwright serve`: an inference server and nothing else, as a container runs it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from loopwright.bootstrap.server import sagemaker_options
from loopwright.bootstrap.server import serve as run_server
from loopwright.cli.server_settings import ServerSettings
from loopwright.cli.where import Where, given
from loopwright.serving.options import LIMITS, ServerOptions


def serve(
    *,
    storage: Annotated[str | None, Parameter(help="The object store: a folder, or a URL such as s3://…")] = None,
    endpoint: Annotated[
        list[str] | None, Parameter(negative="", help="Serve this endpoint; may be repeated. All without.")
    ] = None,
    bundle: Annotated[
        str | None, Parameter(help="Serve this bundle (a folder, or a URL of one) by itself, and no endpoints.")
    ] = None,
    bundle_as: Annotated[
        str | None, Parameter(name="--as", help="What the bundle is recorded as: ENDPOINT/REVISION/VARIANT/VERSION.")
    ] = None,
    host: Annotated[
        str | None, Parameter(help="The address to listen on; beyond loopback a token must be set.")
    ] = None,
    trusted_network: Annotated[
        bool | None,
        Parameter(negative="", help="Ask for no token beyond loopback: the network lets in nobody who may not ask."),
    ] = None,
    port: Annotated[int | None, Parameter(help="The port; 0 for any free one.")] = None,
    workers: Annotated[int | None, Parameter(help="How many processes answer.")] = None,
    threads: Annotated[int | None, Parameter(help="The threads of each; 0 shares out the cores.")] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda"] | None,
        Parameter(help="Where PyTorch models compute; auto: a GPU if there is one."),
    ] = None,
    spool: Annotated[Path | None, Parameter(help="The folder of captures on their way and copies of bundles.")] = None,
    name: Annotated[str | None, Parameter(help="What the server calls itself.")] = None,
    flush: Annotated[
        Literal["background", "answer"],
        Parameter(help="When captures go to the store; before the answer where the host freezes after it."),
    ] = "background",
    log: Annotated[Literal["text", "json"], Parameter(help="How the server writes its log.")] = "text",
    more: ServerSettings = ServerSettings(),  # noqa: B008
    where: Where = Where(),  # noqa: B008
) -> int:
    """Serve endpoints from the object store, or one bundle by itself, until SIGTERM. Needs no database, and no project
    but its settings.
    """
    settings = where.settings(
        storage=storage,
        bundle=bundle,
        bundle_as=bundle_as,
        host=host,
        trusted_network=trusted_network,
        inference_port=port,
        inference_workers=workers,
        inference_threads=threads,
        inference_device=device,
        **more.given,
    )
    certificate, key = settings.tls_files(where.root)
    limits = {name: getattr(settings, name) for name in LIMITS} | {"port": settings.inference_port}
    limits |= sagemaker_options(os.environ) | given({"port": port, "max_body": more.max_body})
    run_server(
        ServerOptions(
            # A bundle by itself writes to no store but one that is named.
            storage_url=settings.storage_url(where.root) if settings.storage or not settings.bundle else "",
            endpoints=tuple(endpoint) if endpoint else None,
            bundle=settings.bundle,
            bundle_as=settings.bundle_as,
            host=settings.host,
            trusted_network=settings.trusted_network,
            workers=settings.inference_workers,
            threads=settings.inference_threads,
            device=settings.inference_device,
            spool=spool or where.root / settings.home / "spool",
            server_name=name,
            token=settings.token or None,
            endpoint_tokens=settings.endpoint_tokens,
            tls_certificate=certificate,
            tls_key=key,
            grpc_port=settings.grpc_port,
            allow_pickle=settings.allow_pickle,
            flush=flush,
            log=log,
            **limits,
        )
    )
    return 0
