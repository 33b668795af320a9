"""Seventeen crop classes of a Central European plain: how they grow and look, and their share of the land.

The constants mean what those of `simulation.profiles` mean: days from 1 September before the harvest, reflectances of a closed
canopy. They are plausible figures set from the crops' calendars (winter cereals sown from September to November and ripe from late
June to the end of July, summer crops sown in April and May), chosen before any model was taught, and claim no more. Pairs that
resemble each other in the field do so here: rye and triticale, triticale and wheat, maize and sorghum, spring barley and oats.
"""

from __future__ import annotations

from agristat_platform.simulation.landscape import Cover
from agristat_platform.simulation.profiles import Profile

EUROPEAN_CROPS: tuple[Profile, ...] = (
    Profile("winter_wheat", Cover.CROP, (0.026, 0.053, 0.030, 0.430, 0.200, 0.094), ((0.30, 88, 12), (0.64, 217, 12)), (309, 7),
            sowing_spread_days=6, share=0.230),
    Profile("winter_barley", Cover.CROP, (0.028, 0.060, 0.033, 0.440, 0.212, 0.102), ((0.38, 70, 11), (0.55, 204, 11)), (288, 7),
            sowing_spread_days=5, share=0.085),
    Profile("rye", Cover.CROP, (0.030, 0.056, 0.037, 0.395, 0.215, 0.108), ((0.44, 64, 11), (0.50, 198, 11)), (303, 7),
            sowing_spread_days=6, share=0.030),
    Profile("triticale", Cover.CROP, (0.027, 0.053, 0.033, 0.415, 0.207, 0.100), ((0.35, 76, 12), (0.59, 208, 11)), (306, 7),
            sowing_spread_days=6, share=0.030),
    Profile("spring_barley", Cover.CROP, (0.028, 0.061, 0.033, 0.445, 0.214, 0.103), ((0.88, 231, 9),), (305, 6),
            residue=0.25, tilled=192, sowing_spread_days=6, share=0.055),
    Profile("oats", Cover.CROP, (0.027, 0.057, 0.031, 0.455, 0.200, 0.092), ((0.90, 236, 10),), (313, 7),
            residue=0.25, tilled=195, sowing_spread_days=6, share=0.025),
    Profile("maize", Cover.CROP, (0.026, 0.058, 0.031, 0.470, 0.205, 0.095), ((0.93, 287, 8),), (385, 11),
            residue=0.40, tilled=232, sowing_spread_days=6, share=0.150),
    Profile("sorghum", Cover.CROP, (0.029, 0.060, 0.036, 0.430, 0.225, 0.112), ((0.86, 298, 9),), (389, 10),
            residue=0.30, tilled=245, sowing_spread_days=6, cover_spread=0.14, share=0.015),
    Profile("rapeseed", Cover.CROP, (0.027, 0.066, 0.032, 0.500, 0.185, 0.085), ((0.55, 46, 11), (0.38, 203, 9)), (291, 7),
            flowering=(237, 9), share=0.085),
    Profile("sunflower", Cover.CROP, (0.029, 0.064, 0.033, 0.480, 0.220, 0.105), ((0.86, 280, 8),), (350, 9),
            residue=0.28, tilled=222, sowing_spread_days=6, share=0.045),
    Profile("soya", Cover.CROP, (0.027, 0.062, 0.029, 0.520, 0.215, 0.098), ((0.92, 290, 10),), (367, 7),
            residue=0.25, tilled=235, sowing_spread_days=6, share=0.030),
    Profile("sugar_beet", Cover.CROP, (0.024, 0.064, 0.027, 0.530, 0.180, 0.078), ((0.95, 272, 9),), (440, 15),
            residue=0.15, tilled=208, sowing_spread_days=5, share=0.040),
    Profile("potato", Cover.CROP, (0.025, 0.060, 0.029, 0.490, 0.190, 0.085), ((0.92, 276, 8),), (349, 8),
            residue=0.05, tilled=215, sowing_spread_days=7, share=0.025),
    Profile("field_pea", Cover.CROP, (0.030, 0.072, 0.036, 0.460, 0.225, 0.110), ((0.90, 236, 9),), (294, 6),
            residue=0.20, tilled=190, sowing_spread_days=6, share=0.020),
    Profile("alfalfa", Cover.CROP, (0.024, 0.056, 0.025, 0.490, 0.190, 0.086), ((0.45, 40, 14), (0.46, 202, 12)),
            drops=(258, 294, 333, 372), regrowth_days=24, share=0.030),
    Profile("grassland", Cover.CROP, (0.030, 0.060, 0.042, 0.400, 0.225, 0.118), ((0.62, 20, 14), (0.26, 204, 14)),
            drops=(272, 335), regrowth_days=32, sowing_spread_days=10, cover_spread=0.16, share=0.075),
    Profile("fallow", Cover.CROP, (0.034, 0.064, 0.050, 0.330, 0.250, 0.145), ((0.25, 60, 20), (0.30, 215, 18)), (300, 18),
            sowing_spread_days=14, cover_spread=0.40, residue=0.35, tilled=260, share=0.030),
)  # fmt: skip
