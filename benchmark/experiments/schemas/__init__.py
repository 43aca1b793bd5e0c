"""JSON Schemas of the files that people write or exchange, made from the models: `python -m benchmark.experiments.schemas`."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel

from benchmark.experiments.record import Record
from benchmark.experiments.suite import Suite

FOLDER = Path(__file__).parent
MODELS: dict[str, type[BaseModel]] = {"record.schema.json": Record, "suite.schema.json": Suite}


def schema_text(model: type[BaseModel]) -> str:
    """The schema file of a model."""
    content = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}
    return json.dumps(content, indent=2, sort_keys=True) + "\n"
