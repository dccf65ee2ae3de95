"""What `topfive import` is to do; reading this needs no library of models."""

from dataclasses import dataclass
from pathlib import Path

from topfive.training.importing.recipe import ImportRecipe


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What is imported, what it is called, and where its bundle goes.

    Without a `version` it is named after its content.
    """

    model: Path
    name: str
    labels_file: Path
    wants: ImportRecipe
    models_dir: Path
    version: str = ""
