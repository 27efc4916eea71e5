"""The staff's doors: the desk (``/desk``) and insights (``/insights``), made with NiceGUI."""

from __future__ import annotations

from fastapi import FastAPI

from serving.services import Services

__all__ = ["mount_desk"]


def mount_desk(app: FastAPI, services: Services, *, secret: str) -> None:
    """Add the desk and insights to ``app``; ``secret`` signs the sessions' cookies.

    Every other path stays as it was. NiceGUI is imported here and not before.
    """
    from serving.desk.mount import mount

    mount(app, services, secret=secret)
