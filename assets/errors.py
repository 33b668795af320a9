"""What can go wrong between resources and science."""

from agristat_platform.errors import AgristatError


class FamilyDoesNotApplyError(AgristatError):
    """The asset does not exist for this region."""


class BlockingCheckFailedError(AgristatError):
    """A result failed a check without which it must not be published."""


class PlanChangedError(AgristatError):
    """What a run works on changed while it went on."""


class RegionTooLargeError(AgristatError):
    """A method would need more memory for the region than the machine has."""


class NoPastSeasonError(AgristatError):
    """Recognition was asked for, and no past season has labelled curves to teach it."""
