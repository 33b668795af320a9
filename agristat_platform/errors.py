"""The root of every named error. Each package has an `errors` module of its own with what can go wrong there."""

from __future__ import annotations


class AgristatError(Exception):
    """Something a user can act on: what happened, where, and what to do about it.

    Parameters
    ----------
    what:
        What is wrong, as one sentence without a full stop, naming the thing itself.
    where:
        File, row, unit, stratum, scene or partition it was found in; left out of the text when None.
    remedy:
        What to do about it; left out of the text when None.
    """

    def __init__(self, what: str, *, where: str | None = None, remedy: str | None = None) -> None:
        self.what = what
        self.where = where
        self.remedy = remedy
        super().__init__(what, where, remedy)

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        advice = f". {self.remedy}" if self.remedy else ""
        return f"{self.what}{place}{advice}"
