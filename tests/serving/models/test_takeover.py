"""A model takes over from another while answers are under way; the old one goes on when it cannot."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from agent.errors import ModelUnavailable
from agent.model import LanguageModel, Prompt
from agent.model_langchain import LangchainModel
from finetune.adapters import Adapter
from finetune.errors import AdapterInvalid
from finetune.promotions import FILE, Passed, Promotion, Promotions
from serving.hosting import ModelHost
from serving.models import adapters, takeover
from serving.models.catalogue import load as load_catalogue
from serving.models.errors import NotEnoughMemory, StartFailed
from serving.models.quantize import beside
from serving.models.takeover import Served, SwitchingModel, Takeover
from serving.models.vllm import VllmOptions
from serving.settings import ModelSettings, Settings
from tests.doubles import ScriptedModel
from tests.finetune.parts import NOW, adapter
from tests.servers import SMALL_MODEL, free_port, small_model_folder
from tests.serving.models.test_vllm import ENGINE, until

ASKED = [Prompt("user", "Where is my parcel?")]


class Stage:
    """Two scripted models, a file of promotions, and what was said and stopped."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / FILE
        self.old = ScriptedModel(answer="old words here", name="small", adapter="")
        self.new = ScriptedModel(answer="new words here", name="small", adapter="kind@1")
        self.said: list[str] = []
        self.stopped: list[str] = []
        self.model = SwitchingModel(self.served(self.old))
        self.failure: Exception | None = None
        self.wanted: Adapter | None = None
        self.takeover = Takeover(
            self.model,
            serve=self.serve,
            wanted=lambda: self.wanted,
            promoted=self.file,
            say=self.said.append,
        )

    def served(self, model: ScriptedModel) -> Served:
        async def stop() -> None:
            self.stopped.append(model.adapter)

        return Served(model, stop)

    async def serve(self, adapter: Adapter | None) -> Served:
        assert adapter is self.wanted
        if self.failure is not None:
            raise self.failure
        return self.served(self.new)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    made = Stage(tmp_path)
    made.wanted = adapter(tmp_path)
    made.new.adapter = made.wanted.tag
    return made


async def text_of(model: LanguageModel) -> str:
    return "".join([piece.text async for piece in model.stream(ASKED, max_tokens=50)])


async def test_new_answers_go_to_the_new_one_while_the_old_one_finishes(stage: Stage) -> None:
    running = stage.model.stream(ASKED, max_tokens=50)
    words = [(await anext(running)).text]
    look = asyncio.create_task(stage.takeover.look())
    await until(lambda: stage.model.adapter == stage.new.adapter)
    assert await text_of(stage.model) == "new words here"
    assert not look.done()
    assert stage.stopped == []
    words += [piece.text async for piece in running]
    await look
    assert "".join(words) == "old words here"
    assert stage.stopped == [""]
    assert stage.said[-1].endswith("the model without an adapter finishes 1 answers")


async def test_an_answer_is_the_one_of_the_model_that_was_there_when_it_was_asked_for(stage: Stage) -> None:
    """``AnswerSent`` names the adapter read just before; the first piece is asked for later."""
    named, stream = stage.model.adapter, stage.model.stream(ASKED, max_tokens=50)
    await stage.takeover.look()
    assert named == ""
    assert "".join([piece.text async for piece in stream]) == "old words here"


async def test_an_answer_that_is_left_or_breaks_off_keeps_nobody_waiting(stage: Stage) -> None:
    left = stage.model.stream(ASKED, max_tokens=50)
    async with aclosing(left):  # type: ignore[type-var]
        await anext(left)
        assert stage.model.served.running == 1
    stage.old.break_after = 1
    with pytest.raises(ModelUnavailable):
        await text_of(stage.model)
    assert stage.model.served.running == 0
    await stage.takeover.look()
    assert stage.stopped == [""]


async def test_the_switching_model_is_as_ready_as_the_present_one(stage: Stage) -> None:
    stage.new.down = True
    await stage.model.ready()
    await stage.takeover.look()
    with pytest.raises(ModelUnavailable):
        await stage.model.ready()
    assert (stage.model.name, stage.model.adapter) == ("small", stage.new.adapter)


@pytest.mark.parametrize(
    ("failure", "says"),
    [
        (StartFailed("the model server ended while starting", Path("vllm.log"), []), "ended while starting"),
        (NotEnoughMemory("small", 5 * 2**30, 2**30), "restart amends up to switch"),
        (AdapterInvalid("kind-words was tuned on other prompts"), "tuned on other prompts"),
        (OSError(28, "No space left on device"), "No space left"),
        (ZeroDivisionError(), "nobody foresaw"),
    ],
)
async def test_the_old_one_goes_on_when_the_new_one_cannot_be_served(
    stage: Stage, failure: Exception, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    stage.failure = failure
    await stage.takeover.look()
    assert stage.said[-1].count("goes on") == 1
    assert says in stage.said[-1]
    assert stage.said[-1] in [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert stage.stopped == []
    assert await text_of(stage.model) == "old words here"


async def test_a_promotion_is_noticed_and_one_that_failed_is_tried_again_when_another_comes(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(takeover, "LOOK_SECONDS", 0.01)
    stage.failure = StartFailed("it ended", Path("vllm.log"), [])
    watching = asyncio.create_task(stage.takeover.watch())
    await until(lambda: any("cannot take over" in line for line in stage.said))
    stage.failure = None
    await asyncio.sleep(0.1)
    assert stage.model.adapter == ""
    stage.file.write_text("{}")
    await until(lambda: stage.model.adapter == stage.new.adapter)
    tries = len(stage.said)
    stage.file.write_text("{ }")  # what is wanted is served already
    await asyncio.sleep(0.1)
    assert len(stage.said) == tries
    watching.cancel()


class Machine:
    """A data folder with the small model in it, and hosts over the scripted engine or the real one."""

    def __init__(
        self, data: Path, options: VllmOptions, memory: int = 2**40, *, eight_bit: bool = False
    ) -> None:
        self.entry = load_catalogue().get(SMALL_MODEL)
        folder = data / "models" / SMALL_MODEL
        folder.mkdir(parents=True)
        (folder / "served").symlink_to(small_model_folder())
        model = ModelSettings(
            name=SMALL_MODEL,
            port=free_port(),
            first_token_seconds=60,
            total_seconds=300,
            eight_bit=eight_bit,
        )
        self.settings = Settings(data=data, model=model)
        self.said: list[str] = []
        self.host = ModelHost(
            self.entry, self.settings, options, memory=lambda: self.memory, say=lambda *said: None
        )
        self.memory = memory

    def promote(self, adapter: Adapter) -> None:
        """As ``amends finetune promote`` leaves it; what it asks for first has its own tests."""
        promotion = Promotion(
            name=adapter.name,
            base=SMALL_MODEL,
            sha256=adapter.about.sha256,
            when=NOW,
            gate=Passed(candidate="new", base="old"),
        )
        (self.settings.data / FILE).write_text(Promotions(promoted=(promotion,)).model_dump_json())

    def takeover(self, model: SwitchingModel) -> Takeover:
        return Takeover(
            model,
            serve=self.host.serve,
            wanted=lambda: adapters.chosen(self.settings),
            promoted=self.settings.data / FILE,
            say=self.said.append,
        )

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[SwitchingModel]:
        before = set(psutil.Process().children(recursive=True))
        try:
            yield SwitchingModel(await self.host.serve(adapters.chosen(self.settings)))
        finally:
            await self.host.stop()
        left = set(psutil.Process().children(recursive=True)) - before
        assert not [process for process in left if "resource_tracker" not in " ".join(process.cmdline())]


SCRIPTED = VllmOptions(
    program=(sys.executable, str(ENGINE)), start_seconds=30, grace_seconds=5, memory_gib=1.0, compiled=False
)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that tells the scripted engine what to do; merging is not its business."""
    monkeypatch.setenv("FAKE_ENGINE", str(tmp_path))

    async def merged(*_: object) -> Path:
        return tmp_path

    monkeypatch.setattr("serving.hosting.merged", merged)
    return tmp_path


async def test_the_second_server_runs_beside_the_first_until_it_answers(engine: Path) -> None:
    machine = Machine(engine / "data", SCRIPTED)
    async with machine.serving() as model:
        first = model.served
        machine.promote(adapter(machine.settings.data))
        await machine.takeover(model).look()
        assert model.served.metrics != first.metrics
        assert [server.metrics_url for server in machine.host.servers] == [model.served.metrics]
        await model.ready()
        with pytest.raises(ModelUnavailable):
            await first.model.ready()
        # The port that the settings name is free again, and the next one takes it.
        (machine.settings.data / FILE).unlink()
        await machine.takeover(model).look()
        assert model.served.metrics == first.metrics


async def test_without_memory_for_two_nothing_is_started_or_merged(engine: Path) -> None:
    machine = Machine(engine / "data", SCRIPTED)
    async with machine.serving() as model:
        machine.promote(adapter(machine.settings.data))
        machine.memory = 2**30
        starts = (engine / "pids").read_text()
        await machine.takeover(model).look()
        assert "no memory for both" in machine.said[-1]
        assert "restart amends up" in machine.said[-1]
        assert (engine / "pids").read_text() == starts
        await model.ready()


async def test_a_second_server_that_dies_while_starting_leaves_the_first(engine: Path) -> None:
    machine = Machine(engine / "data", SCRIPTED)
    async with machine.serving() as model:
        machine.promote(adapter(machine.settings.data))
        (engine / "dies").touch()
        await machine.takeover(model).look()
        assert "cannot take over, the model without an adapter goes on" in machine.said[-1]
        assert "the weights are damaged" in machine.said[-1]
        await model.ready()
        assert len(machine.host.servers) == 1


async def test_where_adapters_are_loaded_one_server_takes_them_while_it_serves(engine: Path) -> None:
    machine = Machine(engine / "data", replace(SCRIPTED, lora_rank=16))
    async with machine.serving() as model:
        (server,) = machine.host.servers
        mine = adapter(machine.settings.data)
        machine.promote(mine)
        (engine / "refuses").touch()
        await machine.takeover(model).look()
        assert "does not take the adapter" in machine.said[-1]
        assert model.adapter == ""
        (engine / "refuses").unlink()
        await machine.takeover(model).look()
        assert model.adapter == mine.tag
        await model.ready()
        assert machine.host.servers == (server,)
        assert f"{mine.tag}={mine.folder.absolute()}" in server.command()  # also after a restart
        (machine.settings.data / FILE).unlink()
        await machine.takeover(model).look()
        assert model.adapter == ""
        assert server.adapters == {}


@pytest.mark.model
@pytest.mark.timeout(1200)
async def test_a_promotion_is_served_without_dropping_a_chat(vllm_url: str, tmp_path: Path) -> None:
    """The real engine twice: answers all the while, some begun before and ended after.

    The second one serves the merged weights in 8 bits, as ``amends up`` does on a CPU.
    """
    options = VllmOptions(max_model_len=2048, memory_gib=1.0, compiled=False, speculation=None)
    machine = Machine(tmp_path / "data", options, eight_bit=True)
    base = LangchainModel(base_url=vllm_url, model=SMALL_MODEL, first_token_seconds=60, total_seconds=600)
    stopped = asyncio.Event()

    async def stop() -> None:
        stopped.set()

    model = SwitchingModel(Served(base, stop))
    heard: list[tuple[str, str]] = []

    async def chat() -> None:
        """A shopper after another, until two were answered by the new model."""
        while [named for named, _ in heard if named] == [] or len(heard) < 3:
            named = model.adapter
            pieces = model.stream([Prompt("user", "Say the days of the week.")], max_tokens=24)
            heard.append((named, "".join([piece.text async for piece in pieces])))

    mine = adapter(machine.settings.data)
    machine.promote(mine)
    held = model.stream([Prompt("user", "Tell me a story.")], max_tokens=40)
    story = [(await anext(held)).text]
    chatting = asyncio.create_task(chat())
    try:
        look = asyncio.create_task(machine.takeover(model).look())
        await asyncio.wait({chatting, look}, timeout=900, return_when=asyncio.FIRST_COMPLETED)
        assert chatting.done(), machine.said
        chatting.result()
        assert not stopped.is_set()  # the story is not told yet
        story += [piece.text async for piece in held]
        await look
        assert stopped.is_set()
        assert len("".join(story)) > 40
        tuned = [words for named, words in heard if named]
        untuned = [words for named, words in heard if not named]
        assert untuned
        assert {named for named, _ in heard} == {"", mine.tag}
        assert all(words for _, words in heard)
        assert tuned[0] not in untuned  # the weights are others
        merged = adapters.merged_folder(machine.entry, mine, machine.settings.data / "models")
        assert json.loads((merged / "manifest.json").read_text())["made"] == "merged"
        (server,) = machine.host.servers
        assert server.folder == beside(merged)
    finally:
        chatting.cancel()
        await machine.host.stop()
        await base.aclose()
