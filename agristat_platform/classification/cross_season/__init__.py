"""Recognising the crops of a season without labels from samples of past seasons, with a gate before every adaptation.

Not here: the segment-wise crop model of one season (`classification.ensemble`), maps (`mapping`).
"""

from agristat_platform.classification.cross_season.gate import GATE_SCHEMA, Gate, GateRow
from agristat_platform.classification.cross_season.members import MemberSettings
from agristat_platform.classification.cross_season.recognition import Recognition, Teaching, recognise, teach

__all__ = ["GATE_SCHEMA", "Gate", "GateRow", "MemberSettings", "Recognition", "Teaching", "recognise", "teach"]
