"""What every actor of a run is told: it can be pickled, and holds no picture."""

from dataclasses import dataclass, field

from topfive.bulk.results.contract import ResultsFolder
from topfive.bulk.results.manifest import RunModel
from topfive.images.limits import ImageLimits
from topfive.predictions import ModelRef
from topfive.registry.desired import ModelOptions


@dataclass(frozen=True, slots=True)
class WorkPlan:
    """How shards are worked on: with which model, under which limits, and where results go.

    `model_options` say where the bundle lies, and `model` what it must be, so that each actor
    answers as all others do.
    """

    topfive_version: str
    run_id: str
    format: str
    folder: ResultsFolder
    limits: ImageLimits
    model: RunModel
    model_options: ModelOptions = field(repr=False)

    @property
    def ref(self) -> ModelRef:
        """The model as results name it."""
        return ModelRef(self.model.name, self.model.version)
