"""Bounded suggestion providers: each runs in its own process, answers over gRPC and decides nothing."""

from charter.agents.provider import Provider, ProviderServicer, serve
from charter.agents.suggestion import (
    Abstention,
    Description,
    Field,
    FieldSchema,
    Identifier,
    LanguageReport,
    Question,
    Record,
    Suggestion,
    Symbol,
    Value,
)

__all__ = [
    "Abstention",
    "Description",
    "Field",
    "FieldSchema",
    "Identifier",
    "LanguageReport",
    "Provider",
    "ProviderServicer",
    "Question",
    "Record",
    "Suggestion",
    "Symbol",
    "Value",
    "serve",
]
