"""What all parts of the settings are made of."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import NoDecode

Port = Annotated[int, Field(ge=0, le=65535)]
Names = Annotated[list[str], NoDecode]


class Section(BaseModel):
    """A part of the settings: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def as_list(value: object) -> object:
    """``a, b`` as a list of names, where a variable of the environment gives it as text."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
