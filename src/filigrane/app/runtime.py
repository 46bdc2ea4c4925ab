"""What use cases share while the program runs, made when first asked for and kept: no globals."""

from __future__ import annotations

from functools import cached_property

from filigrane.core.errors import NotFound
from filigrane.core.settings import Settings
from filigrane.detector.base import Context, EvidenceSource, build_sources, source_names
from filigrane.detector.policy import Policy, load_policy
from filigrane.provenance import trust


class Runtime:
    """Settings and everything expensive that follows from them."""

    def __init__(self, settings: Settings, *, sources: tuple[str, ...] = ()) -> None:
        """``sources`` names the sources of evidence to ask; empty asks all. NotFound for one that does not exist."""
        known = source_names()
        unknown = [name for name in sources if name not in known]
        if unknown:
            raise NotFound(f"There is no source of evidence {unknown[0]!r}; known are: {', '.join(known)}.")
        self.settings = settings
        self.source_names = sources or known

    @cached_property
    def policy(self) -> Policy:
        """The policy in force."""
        return load_policy(self.settings.policy)

    @cached_property
    def trust(self) -> trust.TrustStore:
        """The trust anchors in force."""
        return trust.load(self.settings.home)

    @cached_property
    def sources(self) -> tuple[EvidenceSource, ...]:
        """The sources of evidence asked."""
        context = Context(
            policy=self.policy,
            trust=self.trust,
            home=self.settings.home,
            registry_url=self.settings.registry_url,
            latent_model=self.settings.latent_model,
        )
        return build_sources(self.source_names, context)
