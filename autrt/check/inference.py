"""A check that runs the default model on a packaged face and compares the outputs with stored ones."""

from __future__ import annotations

from contextlib import closing

import numpy as np

from autrt.engine.open import Graph, open_engine, resolve_engine
from autrt.engine.parity import compare, excess_errors, read_reference
from autrt.errors import EngineError
from autrt.model.folder import load_model
from autrt.pipeline.open_networks import AU_BATCH


def check_inference() -> str:
    """Run the default model's first reference crop in f32 on the CPU and return a line about it.

    Raises:
        AutrtError: the engine cannot be opened, or its outputs are not those that torch gave for the crop.
    """
    member = load_model().members[0]
    crops, reference = read_reference(member)
    name, device = resolve_engine("auto", "cpu")
    with closing(open_engine(Graph.of(member), engine=name, device=device, batch=AU_BATCH)) as engine:
        found = engine.infer({engine.spec.inputs[0].name: crops[:1]})
        version = engine.spec.versions[name]
    first = {output: values[:1] for output, values in reference.items()}
    parity = compare(found, first, np.array(member.thresholds), "f32", "reference")
    if errors := excess_errors(parity, "f32"):
        raise EngineError(
            f"{name} {version} computes something else than the network: {'; '.join(errors.values())}"
        )
    return (
        f"{member.name} by {name} {version}: logits within {parity.errors['logits'].max:.1g} of the reference"
    )
