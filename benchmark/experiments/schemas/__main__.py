"""Writes the schema files anew."""

from __future__ import annotations

from benchmark.experiments.schemas import FOLDER, MODELS, schema_text

for name, model in MODELS.items():
    (FOLDER / name).write_text(schema_text(model))
    print(FOLDER / name)
