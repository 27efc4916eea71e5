"""Mail to shoppers: the port. The demo keeps messages in a mailbox page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Mail:
    """One message. ``text`` is plain text in the shopper's language."""

    to: str
    subject: str
    text: str


class Mailer(Protocol):
    """Hands messages to a mail system."""

    async def send(self, mail: Mail) -> None:
        """Hand over one message; raises ``MailError`` when that fails."""
