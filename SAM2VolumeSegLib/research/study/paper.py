"""The figures of the paper's tables, to lay beside ours.

Source: M. Lopez Escoriza and P. Amargant Alvarez, "Automatic Segmentation of 3D CT scans with SAM2 using a zero-shot
approach", arXiv:2603.23116v1 (CC BY 4.0), Tables I, V, VI and VII. Transcribed as printed; what does not fit together
there is said in `NOTES`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

SOURCE = "arXiv:2603.23116v1"


@dataclass(frozen=True)
class PaperFigures:
    """What the paper prints for one row: (mean, standard deviation) over its volumes. Named as our metrics are.

    Attributes:
        dice: Dice coefficient.
        iou: Jaccard index.
        hausdorff_mm: the paper states no unit, and not how it treats an empty prediction; None where its table has no
            such column.
    """

    dice: tuple[float, float]
    iou: tuple[float, float]
    hausdorff_mm: tuple[float, float] | None = None


PAPER_METRICS = tuple(field.name for field in fields(PaperFigures))
"""Names of the metrics that the paper has."""


@dataclass(frozen=True)
class PaperTable:
    """One experiment of the paper.

    Attributes:
        name: of its table.
        volumes: how many it was run on.
        rows: by name.
    """

    name: str
    volumes: int
    rows: dict[str, PaperFigures]


def _rows(*lines: tuple) -> dict[str, PaperFigures]:
    """(name, Dice, sd, IoU, sd[, HD, sd]) per line."""
    return {name: PaperFigures(tuple(v[:2]), tuple(v[2:4]), tuple(v[4:6]) or None) for name, *v in lines}


TABLES = {
    "model-scale": PaperTable(
        "Table V, experiment 1",
        500,
        _rows(
            ("Tiny", 0.8040, 0.1528, 0.7402, 0.1632, 6.78, 7.09),
            ("Small", 0.8236, 0.1314, 0.7604, 0.1448, 6.02, 5.97),
            ("Base", 0.8133, 0.1200, 0.7478, 0.1357, 6.92, 6.17),
            ("Large", 0.8291, 0.1169, 0.7638, 0.1332, 5.80, 5.61),
        ),
    ),
    "preprocessing": PaperTable(
        "Table V, experiment 2",
        500,
        _rows(
            ("No preprocessing", 0.5411, 0.2852, 0.4672, 0.2625, 11.5853, 9.8032),
            ("CLAHE Alone", 0.8113, 0.1313, 0.7414, 0.1457, 6.54, 6.54),
            ("CLAHE + Windowing", 0.8193, 0.1311, 0.7535, 0.1460, 6.08, 6.37),
            ("Windowing Alone", 0.8236, 0.1314, 0.7604, 0.1448, 6.02, 5.97),
        ),
    ),
    "prompts": PaperTable(
        "Table V, experiment 3",
        500,
        _rows(
            ("Middle (1)", 0.6086, 0.2343, 0.5536, 0.2257, 15.98, 14.94),
            ("First-Last (2)", 0.7889, 0.1766, 0.7214, 0.1912, 7.69, 9.37),
            ("F-M-L (3)", 0.8236, 0.1314, 0.7604, 0.1448, 6.02, 5.97),
            ("Uniform (5)", 0.8217, 0.1357, 0.7586, 0.1484, 6.01, 5.97),
            ("Uniform (7)", 0.8395, 0.1173, 0.7831, 0.1287, 4.98, 4.69),
        ),
    ),
    "stride": PaperTable(
        "Table VI, experiment 1",
        500,
        _rows(
            ("Stride 1 (Baseline)", 0.8236, 0.1315, 0.7604, 0.1450),
            ("Stride 2", 0.8189, 0.1267, 0.7556, 0.1412),
            ("Stride 4", 0.8271, 0.1190, 0.7635, 0.1352),
        ),
    ),
    "gating": PaperTable(
        "Table VI, experiment 2",
        500,
        _rows(
            ("Gate 6", 0.8084, 0.1302, 0.7443, 0.1441),
            ("Gate 5", 0.8135, 0.1456, 0.7509, 0.1563),
            ("Gate 4", 0.8171, 0.1411, 0.7540, 0.1528),
            ("Gate 3", 0.8171, 0.1411, 0.7540, 0.1528),
            ("Gate 2", 0.8227, 0.1354, 0.7593, 0.1484),
            ("Gate 1", 0.8244, 0.1355, 0.7611, 0.1487),
            ("Gate 0 (Baseline)", 0.8236, 0.1315, 0.7604, 0.1450),
        ),
    ),
    "capacity": PaperTable(
        "Table VI, experiment 3",
        500,
        _rows(
            ("Sliced 0", 0.7507, 0.1743, 0.6820, 0.1836),
            ("Sliced 1", 0.7887, 0.1361, 0.7176, 0.1511),
            ("Sliced 2", 0.7845, 0.1638, 0.7155, 0.1726),
            ("Sliced 3", 0.7692, 0.1923, 0.7015, 0.1960),
            ("Sliced 4", 0.7705, 0.1971, 0.7042, 0.2005),
            ("Sliced 5", 0.8236, 0.1315, 0.7604, 0.1450),
            ("Sliced 6 (Baseline)", 0.8236, 0.1315, 0.7604, 0.1450),
            ("Intelligent Slicing", 0.8546, 0.0506, 0.7780, 0.063),
        ),
    ),
    "propagation": PaperTable(
        "Table VI, experiment 4",
        500,
        _rows(
            ("Three Axis, 3 prompts", 0.6592, 0.2446, 0.5816, 0.2424),
            ("Forward-Backward, 3 prompts", 0.8233, 0.1317, 0.7601, 0.1452),
            ("Single Axis, 3 prompts (Baseline)", 0.8236, 0.1315, 0.7604, 0.1450),
            ("Three Axis, 9 prompts", 0.8658, 0.1100, 0.8000, 0.1350),
            ("Single Axis, 9 prompts (Baseline)", 0.8569, 0.1018, 0.8071, 0.1115),
        ),
    ),
    "threshold": PaperTable(
        "Table VI, experiment 5",
        500,
        _rows(
            ("Temp 0.1", 0.8461, 0.1057, 0.7821, 0.1232),
            ("Temp 0.2", 0.8465, 0.1054, 0.7827, 0.1229),
            ("Temp 0.3", 0.8480, 0.1052, 0.7844, 0.1228),
            ("Temp 0.4", 0.8460, 0.1069, 0.7818, 0.1249),
            ("Temp 0.5", 0.8295, 0.1303, 0.7668, 0.1431),
            ("Temp 0.6", 0.8298, 0.1291, 0.7667, 0.1428),
            ("Temp 0.7", 0.8272, 0.1311, 0.7642, 0.1446),
            ("Temp 0.8", 0.8267, 0.1301, 0.7635, 0.1435),
            ("Temp 0.9", 0.8247, 0.1305, 0.7615, 0.1441),
            ("Temp 1.0 (Baseline)", 0.8236, 0.1315, 0.7604, 0.1450),
        ),
    ),
    "final": PaperTable(
        "Table I",
        2500,
        _rows(
            ("NP", 0.594, 0.242, 0.509, 0.227, 11.177, 9.366),
            ("Baseline", 0.804, 0.134, 0.734, 0.148, 6.240, 6.563),
            ("SPS", 0.823, 0.117, 0.751, 0.134, 5.236, 5.740),
            ("IS", 0.822, 0.125, 0.759, 0.138, 5.683, 5.178),
            ("IS + SPS", 0.841, 0.107, 0.778, 0.122, 4.788, 4.930),
        ),
    ),
}
"""Experiment -> table. The names of experiments and rows are those of `experiments.EXPERIMENTS`."""

PER_BONE_METHODS = tuple(TABLES["final"].rows)
PER_BONE = {
    bone: dict(zip(PER_BONE_METHODS, values, strict=True))
    for bone, *values in (
        ("Vertebrae", (0.469, 0.391), (0.609, 0.534), (0.699, 0.614), (0.635, 0.563), (0.734, 0.656)),
        ("Rib", (0.432, 0.346), (0.751, 0.648), (0.773, 0.670), (0.783, 0.694), (0.794, 0.708)),
        ("Humerus", (0.775, 0.713), (0.865, 0.831), (0.875, 0.841), (0.858, 0.826), (0.865, 0.834)),
        ("Clavicle", (0.620, 0.535), (0.847, 0.790), (0.866, 0.808), (0.870, 0.826), (0.882, 0.837)),
        ("Hip", (0.633, 0.529), (0.862, 0.796), (0.871, 0.807), (0.909, 0.858), (0.917, 0.863)),
        ("Scapula", (0.553, 0.463), (0.848, 0.769), (0.856, 0.778), (0.866, 0.796), (0.870, 0.803)),
        ("Femur", (0.847, 0.774), (0.949, 0.917), (0.950, 0.919), (0.945, 0.915), (0.947, 0.917)),
        ("Sacrum", (0.422, 0.330), (0.694, 0.585), (0.715, 0.607), (0.724, 0.624), (0.760, 0.658)),
        ("Sternum", (0.600, 0.502), (0.825, 0.743), (0.818, 0.733), (0.824, 0.745), (0.818, 0.737)),
        ("Skull", (0.593, 0.515), (0.797, 0.730), (0.802, 0.735), (0.811, 0.747), (0.820, 0.752)),
    )
}
"""Table VII: bone -> method -> (mean Dice, mean IoU), 250 volumes a bone. Its column "Base" is Table I's "Baseline"."""

NOTES = (
    'Table V calls a model "Base" and puts it before "Small"; SAM 2.1 comes as tiny, small, base+ and large, so its '
    "figures stand beside our base+.",
    'Table V prints "CLAHE + Windowing" twice, with equal figures; it is one row here.',
    'Table VI gives "Gate 3" and "Gate 4" equal figures.',
    'Table VI gives "Sliced 5" and "Sliced 6" equal figures, while the text says that performance stays the same from '
    "1 to 5 and rises at 6.",
    "Tables V and VI print different standard deviations for the one baseline (Dice 0.1314 and 0.1315).",
    'The text says that gating degrades performance; in Table VI "Gate 1" is 0.0008 above the baseline.',
    "The text puts the gain of IS at about 4 %; in Table VI it is 0.031 Dice over the baseline and 0.070 over two "
    "recent slices, in Table I 0.018 over the baseline. Its standard deviation in Table VI (0.0506) is less than half "
    "of any other row's.",
    'The "30 %" of windowing are 0.28 Dice, from 0.54 to 0.82.',
    "Three axes with nine prompts have the higher Dice than one axis with nine (0.8658, 0.8569) and the lower IoU "
    "(0.8000, 0.8071).",
    'Table VII prints "IS + SPS" in bold for every bone; for humerus, femur and sternum another column is higher.',
    "In Table VII the IoU of IS + SPS averages to 0.7765 over the bones; Table I prints 0.778.",
    "The mean IoU of every row of Tables I, V and VI is higher than any volumes with the printed mean and standard "
    "deviation of Dice can have (the baseline of Table VI: 0.7604 where at most 0.723 is possible, since IoU = Dice / "
    "(2 - Dice) for each volume). So the two are not both figures per volume: compare Dice rather than IoU.",
    "The paper states no unit of the Hausdorff distance and not how an empty prediction counts.",
)
"""What in the paper does not fit together, or is not said, where it matters for the comparison."""
