"""A shopper played by a strong language model, where one is configured.

It reads the scenario's goal and knowledge and writes the next message; words in brackets are
buttons. It may say what the scenario does not hold: such slips are found in its words
(``evals.shoppers.statements``) and reported beside the scores.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.ids import Language
from agent.model import LanguageModel, Prompt
from evals.records import Ended, SimulatorProblem
from evals.scenario import Press, Say, Scenario, Step, TypeCode
from evals.shoppers.port import Wire
from evals.shoppers.wishes import fulfils

TURNS = 14
"""Shopper turns after which a conversation is ended."""
MAX_TOKENS = 120

BUTTONS: dict[str, Step] = {
    "confirm": Press(press="confirm"),
    "decline": Press(press="decline"),
    "person": Press(press="person"),
    "code": TypeCode(code="right"),
}
_BUTTON = re.compile(r"\[(confirm|decline|person|code|done)\]", re.IGNORECASE)

SYSTEM: dict[Language, str] = {
    "en": (
        "You play a customer writing to the chat of an online shop. Write only the customer's next "
        "message: short, natural, in English, nothing else. You are {temper}. You want: {goal}\n"
        "You know only this: {knows}. Never invent an order number, address, e-mail or fact. If you are "
        "asked for what you don't know, say that you don't know. Don't accept a change you did not want.\n"
        "Instead of a message you may write exactly one of: [confirm] or [decline] to press the button of "
        "a change that is proposed, [person] to ask for a person, [code] to type the code from your mail, "
        "[done] when you got what you wanted or have given up."
    ),
    "zh": (
        "你扮演一位正在和网店客服聊天的顾客。只写顾客的下一句话：简短、自然、用中文，不要写别的。"
        "你的性格：{temper}。你想要：{goal}\n你只知道：{knows}。不要编造订单号、地址、邮箱或任何事实。"
        "被问到不知道的事就说不知道。不要同意你不想要的更改。\n"
        "你也可以不写话，只写以下之一：[confirm] 或 [decline] 表示点击对方提出的更改的按钮，"
        "[person] 表示要求人工，[code] 表示输入邮件里的验证码，[done] 表示已经达到目的或者放弃。"
    ),
}
OPENING: dict[Language, str] = {
    "en": "(The chat has opened. Write first.)",
    "zh": "（聊天窗口已打开，请先开口。）",
}


class StrongShopper:
    """Plays a scenario's goal through a language model."""

    def __init__(self, scenario: Scenario, model: LanguageModel) -> None:
        self._model = model
        self._language: Language = scenario.language
        shopper = scenario.shopper
        knows = "; ".join(f"{topic}: {value}" for topic, value in shopper.knows.items()) or "-"
        system = SYSTEM[scenario.language].format(temper=shopper.temper, goal=shopper.goal, knows=knows)
        self._prompt = [Prompt("system", system)]
        self._turns = 0
        self._wishes = list(shopper.wishes)
        self.ended: Ended = ""
        self.problems: list[SimulatorProblem] = []

    async def act(self, heard: Sequence[Wire]) -> Step | None:
        """Ask the model for the next message; raises what it raises (``ModelError``)."""
        self._wishes = [wish for wish in self._wishes if not any(fulfils(event, wish) for event in heard)]
        if any(event["type"] in {"handoff.requested", "handoff.accepted"} for event in heard):
            self.ended = "handed_over"
            return None
        if self._turns >= TURNS:
            self.ended = "limit"
            return None
        self._turns += 1
        # To the player the shop is the other side: its words are the "user".
        self._prompt.append(Prompt("user", _told(heard) or OPENING[self._language]))
        pieces = [piece.text async for piece in self._model.stream(self._prompt, max_tokens=MAX_TOKENS)]
        text = "".join(pieces).strip()
        self._prompt.append(Prompt("assistant", text))
        if button := _BUTTON.search(text):
            name = button[1].lower()
            if name == "done":
                self.ended = "satisfied"
                if self._wishes:
                    detail = f"said that it is done with {len(self._wishes)} wishes open"
                    self.problems.append(
                        SimulatorProblem(kind="ended_early", detail=detail, turn=self._turns)
                    )
                return None
            return BUTTONS[name]
        if not text:
            self.ended = "gave_up"
            return None
        return Say(say=text)


def _told(heard: Sequence[Wire]) -> str:
    """What the shop said or proposed, as text."""
    lines = []
    for event in heard:
        match event["type"]:
            case "answer.sent" | "reply.sent" | "action.done":
                lines.append(str(event["text"]))
            case "action.proposed":
                lines.append(f"[?] {event['summary']}")
    return "\n".join(lines)
