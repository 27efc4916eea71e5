"""Write the generated parts of the documentation.

They are ``docs/events.md``, the settings table, the table of metrics, and the JSON Schema of
scenarios.

Usage: ``python tools/make_docs.py``. A test compares the result with what is committed.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
import textwrap
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, SecretStr

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

EVENTS_HEAD = """# Events

A conversation is an append-only, gapless sequence of these events, and nothing else. This page
is generated from `agent/events.py` (`python tools/make_docs.py`); a test keeps it true.

Every stored event is `{"conversation", "seq", "at", "body": {"type", …}}`; `seq` counts 1, 2, 3 …
inside its conversation, `at` is UTC. On the shopper's connection it is `{"seq", "at", "type", …}`,
and events for staff alone never leave the server. Unknown fields are refused; a new field always
has a default, so old logs stay readable.
"""


def class_node(cls: type) -> ast.ClassDef:
    """The parsed source of a class."""
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    if not isinstance(node, ast.ClassDef):
        raise TypeError(cls)
    return node


def attribute_docs(cls: type) -> dict[str, str]:
    """Map each annotated attribute of ``cls`` to the docstring that follows it."""
    node = class_node(cls)
    docs: dict[str, str] = {}
    for this, following in zip(node.body, [*node.body[1:], ast.Pass()], strict=True):
        if isinstance(this, ast.AnnAssign) and isinstance(this.target, ast.Name):
            text = ""
            if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
                text = " ".join(str(following.value.value).split())
            docs[this.target.id] = text
    return docs


def annotation_of(cls: type, field: str) -> str:
    """The annotation as it stands in the source."""
    for item in class_node(cls).body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and item.target.id == field:
            return ast.unparse(item.annotation).replace("|", "\\|")
    return ""


def fields_table(cls: type[BaseModel]) -> list[str]:
    """A Markdown table of a model's own fields."""
    docs = attribute_docs(cls)
    rows = [
        f"| `{name}` | `{annotation_of(cls, name)}` | {docs.get(name, '')} |"
        for name in cls.model_fields
        if name != "type" and name in docs
    ]
    return ["| field | type | meaning |", "| --- | --- | --- |", *rows] if rows else []


def events_page() -> str:
    """The text of ``docs/events.md``."""
    from agent import events as ev

    bodies = get_args(get_args(ev.EventBody)[0])
    parts = [
        part
        for part in vars(ev).values()
        if isinstance(part, type) and issubclass(part, ev.Part) and not issubclass(part, ev.Body) and part is not ev.Part
    ]  # fmt: skip
    lines = [EVENTS_HEAD]
    lines += ["| type | who sees it | meaning |", "| --- | --- | --- |"]
    for body in bodies:
        name = body.model_fields["type"].default
        who = "shopper and staff" if body.audience == "shopper" else "staff"
        lines.append(f"| [`{name}`](#{name.replace('.', '')}) | {who} | {summary(body)} |")
    for body in bodies:
        lines += ["", f"## {body.model_fields['type'].default}", "", inspect.cleandoc(body.__doc__ or ""), ""]
        lines += fields_table(body)
    lines += ["", "# Values inside events"]
    for part in parts:
        lines += ["", f"## {part.__name__}", "", inspect.cleandoc(part.__doc__ or ""), ""]
        lines += fields_table(part)
    return "\n".join(lines) + "\n"


def summary(cls: type) -> str:
    """First sentence of a docstring."""
    return " ".join(inspect.cleandoc(cls.__doc__ or "").split("\n\n")[0].split())


def settings_table() -> str:
    """The settings as a Markdown table, one row each."""
    from serving.settings import Settings

    rows = ["| `amends.toml` | environment | default | meaning |", "| --- | --- | --- | --- |"]

    def add(cls: type[BaseModel], prefix: str, env: str) -> None:
        docs = attribute_docs(cls)
        for name, field in cls.model_fields.items():
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                add(field.annotation, f"{prefix}{name}.", f"{env}{name.upper()}__")
                continue
            default: Any = field.get_default(call_default_factory=True)
            shown = "(secret)" if isinstance(default, SecretStr) or name == "users" else f"{default}"
            shown = shown.replace(str(ROOT), "").lstrip("/") if isinstance(default, Path) else shown
            rows.append(
                f"| `{prefix}{name}` | `{env}{name.upper()}` | {f'`{shown}`' if shown else ''} | {docs[name]} |"
            )

    add(Settings, "", "AMENDS_")
    return "\n".join(rows) + "\n"


def metrics_table() -> str:
    """The figures of an evaluation as a Markdown table."""
    from evals.metrics import METRICS

    rows = ["| figure | meaning | unit | better |", "| --- | --- | --- | --- |"]
    for metric in METRICS.values():
        note = " **Zero tolerance.**" if metric.zero_tolerance else ""
        rows.append(f"| `{metric.name}` | {metric.meaning}.{note} | {metric.kind} | {metric.better} |")
    return "\n".join(rows) + "\n"


def scenario_schema() -> str:
    """The text of ``evals/scenario.schema.json``."""
    from evals.scenario import schema

    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def with_settings(page: str) -> str:
    """Put the settings table between its markers."""
    return between(page, "settings", settings_table())


def with_metrics(page: str) -> str:
    """Put the table of metrics between its markers."""
    return between(page, "metrics", metrics_table())


def between(page: str, name: str, text: str) -> str:
    """Put ``text`` between the markers ``<!-- name -->`` and ``<!-- /name -->``."""
    start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, rest = page.split(start, 1)
    _, after = rest.split(end, 1)
    return f"{before}{start}{text}{end}{after}"


def main() -> None:
    """Write the pages."""
    (ROOT / "docs" / "events.md").write_text(events_page(), encoding="utf-8")
    (ROOT / "evals" / "scenario.schema.json").write_text(scenario_schema(), encoding="utf-8")
    for name, put in (("operating", with_settings), ("evaluation", with_metrics)):
        page = ROOT / "docs" / f"{name}.md"
        page.write_text(put(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
