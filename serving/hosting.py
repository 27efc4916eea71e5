"""A model of the catalogue on this machine, with one adapter or another.

On a CPU an adapter is merged into the weights, and each adapter has a server of its own: a live
adapter costs several times the speed there. On a GPU one server takes adapters while it serves.
Either way answers are marked with the adapter's tag.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

from finetune.adapters import Adapter
from serving.models.adapters import merged, merged_folder
from serving.models.catalogue import CatalogueModel
from serving.models.hardware import available_memory
from serving.models.prepare import Say, prepared, unheard
from serving.models.quantize import beside, quantize
from serving.models.takeover import Served
from serving.models.vllm import HOST, VllmOptions, VllmServer
from serving.settings import Settings
from serving.wiring import open_model


class ModelHost:
    """Starts servers for one model and stops them all.

    Args:
        model: Which.
        settings: Where its files and logs are, and its port.
        options: How it is served; with ``lora_rank`` adapters are loaded, else merged.
        say: Hears of the progress.
        memory: Bytes that are free now.
    """

    def __init__(
        self,
        model: CatalogueModel,
        settings: Settings,
        options: VllmOptions,
        *,
        say: Say = unheard,
        memory: Callable[[], int] = available_memory,
    ) -> None:
        self._model = model
        self._settings = settings
        self._options = options
        self._say = say
        self._memory = memory
        self._models = settings.data / "models"
        self._servers: list[VllmServer] = []

    @property
    def servers(self) -> tuple[VllmServer, ...]:
        """Those that run."""
        return tuple(self._servers)

    async def serve(self, adapter: Adapter | None) -> Served:
        """Serve the model with an adapter, or alone, beside what is served already.

        Raises:
            AmendsError: It cannot be fetched, converted, merged or started.
            OSError: The disk is full or its files cannot be read.
        """
        base = await prepared(self._model, self._models, say=self._say)
        if self._options.lora_rank:
            return await self._loaded(base, adapter)
        folder = base if adapter is None else merged_folder(self._model, adapter, self._models)
        in_8_bits = self._settings.model.eight_bit and self._options.device == "cpu"
        server = self._server(beside(folder) if in_8_bits else folder)
        server.check()  # merging takes half a minute, and this a moment
        if adapter is not None:
            self._say(f"merging {adapter.tag} into {self._model.name}")
            await merged(self._model, base, adapter, self._models)
        if in_8_bits:
            self._say(f"rounding {self._model.name} to 8 bits")
            await asyncio.to_thread(quantize, folder, server.folder)
        await self._start(server)
        model = open_model(
            self._settings, server.url, adapter=adapter.tag if adapter else "", served_as=self._model.name
        )

        async def stop() -> None:
            await model.aclose()
            await self._stop(server)

        return Served(model, stop, server.metrics_url)

    async def stop(self) -> None:
        """Stop every server."""
        for server in list(self._servers):
            await self._stop(server)

    async def _loaded(self, base: Path, adapter: Adapter | None) -> Served:
        """On the one server that takes adapters while it serves."""
        if not self._servers:
            await self._start(self._server(base))
        server = self._servers[0]
        name = adapter.tag if adapter else ""
        if adapter is not None:
            await server.load_adapter(name, adapter.folder)
        model = open_model(self._settings, server.url, adapter=name)

        async def stop() -> None:
            await model.aclose()
            if name:
                await server.unload_adapter(name)

        return Served(model, stop, server.metrics_url)

    def _server(self, folder: Path) -> VllmServer:
        """The first one on the settings' port; one beside it on a free one, with a log of its own."""
        port = self._settings.model.port
        beside = any(server.port == port for server in self._servers)
        return VllmServer(
            folder,
            self._model.name,
            _free_port() if beside else port,
            log=self._settings.data / ("vllm-2.log" if beside else "vllm.log"),
            options=self._options,
            progress=lambda at: self._say(f"starting · {at.said[:60]}"),
            memory=self._memory,
        )

    async def _start(self, server: VllmServer) -> None:
        await server.start()
        self._servers.append(server)

    async def _stop(self, server: VllmServer) -> None:
        await server.stop()
        if server in self._servers:
            self._servers.remove(server)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
