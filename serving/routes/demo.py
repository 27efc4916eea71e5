"""What a shop's own site would do, for the demo: signing customers in, receiving their mail."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, Response
from pydantic import BaseModel

from agent.ids import CustomerId, Language
from serving.errors import NotFound
from serving.services import ServicesDep

router = APIRouter(prefix="/demo", tags=["demo"])


class DemoCustomer(BaseModel):
    """A customer of the demo shop."""

    id: CustomerId
    email: str
    name: str
    language: Language


class SignedIn(BaseModel):
    """A token as the shop's page carries it, and whom it is for."""

    token: str
    customer: DemoCustomer


class MailShown(BaseModel):
    """A message in the demo's mailbox."""

    id: int
    at: datetime
    to: str
    subject: str
    text: str


class Mailbox(BaseModel):
    """The demo's mailbox, newest first."""

    mails: list[MailShown]


@router.get("/token")
async def token(customer: str, services: ServicesDep, response: Response) -> SignedIn:
    """Sign a demo customer in by e-mail; 404 for an unknown one and outside the demo."""
    found = await services.records.customer_by_email(customer.strip()) if services.settings.demo else None
    if found is None:
        raise NotFound("no such demo customer")
    response.headers["Cache-Control"] = "no-store"
    return SignedIn(
        # Tokens are checked by the real time, also where the demo shop lives on another day.
        token=services.tokens.sign(found.id, now=datetime.now(UTC)),
        customer=DemoCustomer.model_validate(found, from_attributes=True),
    )


@router.get("/mailbox.json")
async def mailbox(services: ServicesDep, response: Response) -> Mailbox:
    """Return the demo shop's mail, newest first; 404 outside the demo."""
    if not services.settings.demo or services.mailbox is None:
        raise NotFound("no mailbox here")
    response.headers["Cache-Control"] = "no-store"
    mails = await services.mailbox.newest()
    return Mailbox(mails=[MailShown.model_validate(mail, from_attributes=True) for mail in mails])
