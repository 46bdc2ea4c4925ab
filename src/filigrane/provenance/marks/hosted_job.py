"""PNG ``hf-job-id``: the job of a host of generators (Higgsfield, or Hugging Face), not of one model.

Sources differ on the host, and the job may have done something else, so the mark says "possibly".
"""

from __future__ import annotations

import re

from filigrane.provenance.mark import GeneratorMark, Says
from filigrane.provenance.metadata import Metadata

_ID = re.compile(r"[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}|[0-9a-f]{24}")


class _HostedJob:
    tool = "hosted job (hf-job-id)"

    def find(self, metadata: Metadata) -> GeneratorMark | None:
        entry = metadata.text("hf-job-id")
        if entry is None or not _ID.fullmatch(entry.text.strip()):
            return None
        fields = {"job_id": entry.text.strip()}
        return GeneratorMark(self.tool, f"{entry.where} hf-job-id", Says.POSSIBLY, explicit=False, fields=fields)


def build() -> _HostedJob:
    """The mark of a hosted job."""
    return _HostedJob()
