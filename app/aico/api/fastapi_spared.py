"""Imports FastAPI without its models of OpenAPI documents."""

from __future__ import annotations

from importlib import import_module

from pydantic import BaseModel


def import_fastapi() -> None:
    """Import FastAPI, whose models of a document are then made when the first document is asked for.

    For a process that is ours: meanwhile all models are put off that anybody defines.
    """
    # Models inherit it, and there is no other way to those of a library.
    BaseModel.model_config["defer_build"] = True
    try:
        import_module("fastapi")
    finally:
        del BaseModel.model_config["defer_build"]
