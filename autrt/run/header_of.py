"""The header of a results file: the facts about a source and the job that recognises it."""

from __future__ import annotations

from autrt.results.fingerprint import SourceFacts
from autrt.results.header import Header, VideoFacts
from autrt.results.writer import utc_now
from autrt.run.job import Job, decoder_settings
from autrt.types import Source, VideoInfo


def header_of(source: Source, facts: SourceFacts, info: VideoInfo, job: Job, device: str) -> Header:
    """Return the header of the results of one source.

    Args:
        source: what is recognised.
        facts: its identity.
        info: its properties.
        job: model and settings.
        device: where the networks run.
    """
    settings, model = job.settings, job.model
    percentile = settings.baseline_percentile
    return Header(
        source=facts,
        video=VideoFacts.of(info),
        time_base=info.time_base,
        au_names=model.au_names,
        thresholds=tuple(float(t) for t in model.thresholds),
        smoothing_windows=tuple(int(w) for w in model.smoothing_windows),
        smoothing_domain=model.smoothing_domain,
        baseline="none" if percentile is None else f"p{percentile:g}",
        model_name=model.name,
        model_digest=model.digest,
        member_names=tuple(m.name for m in model.members),
        network_digests=tuple(m.network_digest for m in model.members),
        settings={**job.numbers, **decoder_settings(source)},
        engine=settings.engine,
        precision=settings.precision,
        device=device,
        detector_digest=job.detector_digest,
        detect_every=settings.detection_interval.frames_at(info.rate),
        versions=dict(job.versions),
        command=job.command,
        started_utc=utc_now(),
        times_from=info.times_from,
        au_grades=model.au_grades,
        au_evidence={au: graded.evidence for au, graded in model.grades.items()},
        temporal_digest="" if model.temporal is None else model.temporal.file.sha256,
    )
