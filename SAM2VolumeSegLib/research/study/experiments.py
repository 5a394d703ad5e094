"""The rows of the paper's tables (arXiv:2603.23116), and of ours, as configurations.

Rows are named as in the paper. Its settings are those of ``STOCK_SAM2`` but for what a row changes: windowing alone,
first, middle and last axial slice, forward, SAM2's own memory, a plain mean, nothing done to the result.

Where the paper is silent, this is what its rows mean here:

* The crop is the reference's bounding box and 15 mm around it; "no preprocessing" is min-max over the whole CT.
* Propagation ends at the outermost prompted slices, which are the structure's ends. One prompt alone (the middle; one
  per axis) is followed both ways, until the structure is gone or the crop ends.
* Threshold, |t - p| / N: N counts the slices from the first to the last prompt (one prompt: of the crop). Where no
  prompt is near enough the nearest stays: SAM2 needs one.
* Gate k: the k most confident of all slices tracked so far, in place of the six most recent (of six recent ones, gate
  6 would be the baseline, which the paper's is not). Confidence is the predicted IoU times the probability of presence,
  and they get SAM2's temporal embeddings in the order of their distance.
* Sliced k: the k most recent with the embeddings that SAM2 gives them. (The paper has equal figures for 5 and 6.)
* Stride n: SAM2's own ``memory_temporal_stride_for_eval``; the slice just passed is always remembered.
* Object pointers stay as in SAM2 in every row: those of prompted slices in memory, and of the last 15 slices.
* Forward-Backward: logits of both directions, averaged like those of the axes. A voxel that an axis does not reach has
  no vote of that axis. Logits are clamped to +-4 before they are averaged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model.volume_memory import STOCK, VolumeMemory
from SAM2VolumeSegLib.propagation import PAPER, RECOMMENDED, STOCK_SAM2, Settings
from SAM2VolumeSegLib.research.study.configuration import Configuration, Mended
from SAM2VolumeSegLib.research.study.mending import ADVISED, ORDERS, SUGGESTED, TITLES
from SAM2VolumeSegLib.research.study.paper import TABLES
from SAM2VolumeSegLib.volume import Plane

AXES = tuple(Plane)
SPS = replace(STOCK, radius=0.3)
IS = replace(STOCK, recent=2, embeddings="is")
IS_SPS = VolumeMemory()
NO_CROP_MM = 1e4  # more than any CT has around a structure


@dataclass(frozen=True)
class Experiment:
    """Configurations that are compared with each other.

    Attributes:
        name: for the command line.
        title: for people.
        description: for people, in one sentence.
        baseline: name of the row that the others are compared with.
        configurations: the rows, with unique names.
        against: row -> another row that it is compared with instead, mostly one with as many prompts.
        opponents: row -> rows of methods without a model from the same prompts; its lead is over the best of them.
    """

    name: str
    title: str
    description: str
    baseline: str
    configurations: tuple[Configuration, ...]
    against: Mapping[str, str] = field(default_factory=dict)
    opponents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def table(self) -> str | None:
        """The paper's table with these rows, or None."""
        return TABLES[self.name].name if self.name in TABLES else None

    def baseline_of(self, row: str) -> str:
        """Return the name of the row that a row is compared with; its own when it is a baseline itself."""
        return self.against.get(row, self.baseline)


def find_experiment(name: str, model: str = "small") -> Experiment:
    """Return an experiment by name, as it is made with a run's model.

    Model scale gets a row for a model that is none of the paper's four; the demo model has input sizes of its own.

    Args:
        name: one of `EXPERIMENTS`.
        model: name of the run's model.

    Raises:
        InputError: there is none of that name; the message lists those that there are.
    """
    if name not in EXPERIMENTS:
        raise InputError(f'There is no experiment "{name}". Choose from: {", ".join(EXPERIMENTS)}.')
    found = EXPERIMENTS[name]
    if name == "model-scale" and model not in _SCALES:
        return replace(found, baseline=model, configurations=(Configuration(model), *found.configurations))
    if name == "input-size" and model == "demo":
        return replace(
            found, baseline="160 px", configurations=_DEMO_SIZES, against=dict.fromkeys(_USERS_SIZES, _USERS_SIZES[1])
        )
    return found


# ---------------------------------------------------------------------------------------------- the paper's experiments

_SCALES = {"tiny": "Tiny", "base+": "Base", "small": "Small", "large": "Large"}


def _stock(**changes) -> Settings:
    """SAM2 as the paper's baseline uses it, with other settings or another memory."""
    return replace(STOCK_SAM2, **changes)


def _memory(**changes) -> Settings:
    return _stock(memory=replace(STOCK, **changes))


MODEL_SCALE = Experiment(
    "model-scale",
    "Model scale",
    "What a larger model is worth.",
    "Small",
    tuple(Configuration(row, model=model) for model, row in _SCALES.items()),
)

PREPROCESSING = Experiment(
    "preprocessing",
    "Preprocessing",
    "How Hounsfield units become the grey values that the model sees.",
    "Windowing Alone",
    (
        Configuration("No preprocessing", _stock(window="min-max")),
        Configuration("CLAHE + Windowing", _stock(clahe=True)),
        Configuration("CLAHE Alone", _stock(window="min-max", clahe=True)),
        Configuration("Windowing Alone"),
    ),
)

PROMPTS = Experiment(
    "prompts",
    "Prompt strategy",
    "Which axial slices the user paints.",
    "F-M-L (3)",
    (
        Configuration("Middle (1)", prompts="middle"),
        Configuration("First-Last (2)", prompts="first-last"),
        Configuration("F-M-L (3)"),
        Configuration("Uniform (5)", prompts="uniform-5"),
        Configuration("Uniform (7)", prompts="uniform-7"),
    ),
)

STRIDE = Experiment(
    "stride",
    "Memory bank temporal stride",
    "Remember every slice just passed, or every second or fourth one from further away.",
    "Stride 1 (Baseline)",
    (
        Configuration("Stride 1 (Baseline)"),
        Configuration("Stride 2", _memory(stride=2)),
        Configuration("Stride 4", _memory(stride=4)),
    ),
)

GATING = Experiment(
    "gating",
    "Confidence gating",
    "Remember the most confident slices in place of the most recent ones.",
    "Gate 0 (Baseline)",
    (
        *(Configuration(f"Gate {count}", _memory(gate=count)) for count in range(6, 0, -1)),
        Configuration("Gate 0 (Baseline)"),
    ),
)

CAPACITY = Experiment(
    "capacity",
    "Memory bank capacity (slicing)",
    "How many slices just passed are remembered, and Intelligent Slicing: two, with the first and the last embedding.",
    "Sliced 6 (Baseline)",
    (
        *(Configuration(f"Sliced {count}", _memory(recent=count)) for count in range(6)),
        Configuration("Sliced 6 (Baseline)"),
        Configuration("Intelligent Slicing", _stock(memory=IS)),
    ),
)

PROPAGATION = Experiment(
    "propagation",
    "Propagation strategy",
    "Along one axis, both ways, or along three axes, from three prompts and from nine.",
    "Single Axis, 3 prompts (Baseline)",
    (
        Configuration("Three Axis, 3 prompts", _stock(planes=AXES), "middle", AXES),
        Configuration("Forward-Backward, 3 prompts", _stock(direction="forward-backward")),
        Configuration("Single Axis, 3 prompts (Baseline)"),
        Configuration("Three Axis, 9 prompts", _stock(planes=AXES), "first-middle-last", AXES),
        Configuration("Single Axis, 9 prompts (Baseline)", prompts="uniform-9"),
    ),
    against=dict.fromkeys(
        ("Three Axis, 9 prompts", "Single Axis, 9 prompts (Baseline)"), "Single Axis, 9 prompts (Baseline)"
    ),
)

THRESHOLD = Experiment(
    "threshold",
    "Temporal threshold",
    "Remember only the prompted slices within this share of the stack.",
    "Temp 1.0 (Baseline)",
    (
        *(Configuration(f"Temp {tenths / 10}", _memory(radius=tenths / 10)) for tenths in range(1, 10)),
        # At 1.0 every prompt is near enough: SAM2 as it is.
        Configuration("Temp 1.0 (Baseline)"),
    ),
)

FINAL = Experiment(
    "final",
    "Final methods",
    "The paper's five methods: no preprocessing, baseline, Structured Prompt Selection, Intelligent Slicing, both.",
    "Baseline",
    (
        Configuration("NP", _stock(window="min-max")),
        Configuration("Baseline"),
        Configuration("SPS", _stock(memory=SPS)),
        Configuration("IS", _stock(memory=IS)),
        Configuration("IS + SPS", _stock(memory=IS_SPS)),
    ),
)

# ------------------------------------------------------------------------------------------------------ our experiments

_ONE_AXIS = _stock(memory=IS_SPS)
_THREE_AXES = replace(PAPER, planes=AXES, direction="forward")
_BOTH_WAYS = replace(_THREE_AXES, direction="forward-backward")
# What was recommended before surfaces followed the CT's edges; `PAINTING` measures what is.
_RECOMMENDED = replace(RECOMMENDED, planes=AXES, edges=False, extend=False, pace_mm=0.0)

OURS = Experiment(
    "ours",
    "Beyond the paper, under IS + SPS",
    "What this program adds to the paper's best method, one choice after another, and what the seeds give without a "
    "model.",
    "IS + SPS",
    (
        Configuration("IS + SPS", _ONE_AXIS),
        Configuration("Forward-backward", replace(_ONE_AXIS, direction="forward-backward")),
        Configuration("Two passes", replace(_ONE_AXIS, passes=2)),
        Configuration("Recommended, one axis", replace(_RECOMMENDED, planes=(Plane.AXIAL,))),
        Configuration("3 prompts, three axes", _THREE_AXES, "middle", AXES),
        Configuration("Interpolation, one axis", method="interpolation"),
        Configuration("Nearest copy, one axis", method="nearest copy"),
        Configuration("9 prompts, one axis", _ONE_AXIS, "uniform-9"),
        Configuration("9 prompts, three axes", _THREE_AXES, prompt_planes=AXES),
        Configuration("+ forward-backward", _BOTH_WAYS, prompt_planes=AXES),
        Configuration("+ nearness fusion", replace(_BOTH_WAYS, fusion="nearness"), prompt_planes=AXES),
        Configuration("+ islands dropped (recommended)", _RECOMMENDED, prompt_planes=AXES),
        Configuration("Recommended, plain mean", replace(_RECOMMENDED, fusion="mean"), prompt_planes=AXES),
        Configuration("Recommended, two passes", replace(_RECOMMENDED, passes=2), prompt_planes=AXES),
        Configuration("Recommended, SAM2's memory", replace(_RECOMMENDED, memory=STOCK), prompt_planes=AXES),
        Configuration("Interpolation, three axes", method="interpolation", prompt_planes=AXES),
        Configuration("Nearest copy, three axes", method="nearest copy", prompt_planes=AXES),
        Configuration("3 inside", _ONE_AXIS, "quarters"),
        Configuration("3 inside, extended", replace(_ONE_AXIS, extend=True), "quarters"),
        Configuration("9 inside", _RECOMMENDED, "quarters", AXES),
        Configuration("9 inside, extended", replace(_RECOMMENDED, extend=True), "quarters", AXES),
    ),
    against={
        "9 prompts, one axis": "9 prompts, one axis",
        "9 prompts, three axes": "9 prompts, one axis",
        "+ forward-backward": "9 prompts, three axes",
        "+ nearness fusion": "+ forward-backward",
        "+ islands dropped (recommended)": "+ nearness fusion",
        "Recommended, plain mean": "+ islands dropped (recommended)",
        "Recommended, two passes": "+ islands dropped (recommended)",
        "Recommended, SAM2's memory": "+ islands dropped (recommended)",
        "Interpolation, three axes": "+ islands dropped (recommended)",
        "Nearest copy, three axes": "+ islands dropped (recommended)",
        "3 inside": "3 inside",
        "3 inside, extended": "3 inside",
        "9 inside": "9 inside",
        "9 inside, extended": "9 inside",
    },
)

_PAINTED = {  # what is painted of each structure: strategy, planes
    "1 axial slice": ("middle", (Plane.AXIAL,)),
    "3 slices, the middle of each axis": ("middle", AXES),
    "3 axial slices, inside": ("quarters", (Plane.AXIAL,)),
    "9 slices, inside": ("quarters", AXES),
    "9 slices, with the ends": ("first-middle-last", AXES),
}
_MET = ("3 slices, the middle of each axis", "9 slices, inside", "9 slices, with the ends")
_OPPONENTS = {
    "Marker watershed": "marker watershed",
    "Grow from seeds": "grow from seeds",
    "Random walk": "random walk",
    "Fill between slices": "fill between slices",
    "Interpolation": "interpolation",
}

_BY_A_USER = replace(RECOMMENDED, crop="each")

PAINTING = Experiment(
    "painting",
    "What a user gets for what is painted",
    "All structures of a CT are painted and segmented in one run with the recommended settings and a crop for each, "
    "which is made from what is painted; beside it methods without a model, which see the same paint of all of them.",
    "9 slices, inside",
    (
        *(Configuration(row, _BY_A_USER, *painted, together=True) for row, painted in _PAINTED.items()),
        *(
            Configuration(
                f"{title}, {row}",
                prompts=_PAINTED[row][0],
                prompt_planes=_PAINTED[row][1],
                method=method,
                together=True,
            )
            for row in _MET
            for title, method in _OPPONENTS.items()
        ),
    ),
    against={f"{title}, {row}": row for row in _MET for title in _OPPONENTS},
    opponents={row: tuple(f"{title}, {row}" for title in _OPPONENTS) for row in _MET},
)

_ADVISED = "{count}: as advised"
_COUNTS = (1, 2, 3, 4, 6, 9)
_ORDERS = {  # number of slices -> other ways to paint as many
    1: {"coronal": ("middle", AXES[1:2]), "sagittal": ("middle", AXES[2:])},
    2: {"axial, coronal": ("middle", AXES[:2]), "coronal, sagittal": ("middle", AXES[1:])},
    3: {plane.value: ("quarters", (plane,)) for plane in AXES},
    6: {
        "axial, coronal": ("quarters", AXES[:2]),
        "axial, sagittal": ("quarters", AXES[::2]),
        "coronal, sagittal": ("quarters", AXES[1:]),
        "both ends of each axis": ("first-last", AXES),
    },
    9: {"a quarter, half, three quarters": ("quarters", AXES), "first, middle, last": ("first-middle-last", AXES)},
}

ORDER = Experiment(
    "order",
    "Which slices to paint first",
    "From one painted slice of each structure to nine, in the order in which the panel advises them, beside other ways "
    "to paint as many.",
    _ADVISED.format(count=1),
    (
        *(
            Configuration(_ADVISED.format(count=count), _BY_A_USER, f"advised-{count}", AXES, together=True)
            for count in _COUNTS
        ),
        *(
            Configuration(f"{count}: {name}", _BY_A_USER, *painted, together=True)
            for count, others in _ORDERS.items()
            for name, painted in others.items()
        ),
    ),
    against={f"{count}: {name}": _ADVISED.format(count=count) for count, others in _ORDERS.items() for name in others}
    | {_ADVISED.format(count=after): _ADVISED.format(count=before) for before, after in pairwise(_COUNTS)},
)

_CROPS = {"each": "a picture for each", "auto": "shared where as sharp", "shared": "one picture for all"}

CROP = Experiment(
    "crop",
    "Crop",
    "How much around the structure the model sees; the crop moved by two voxels, which tells how far chance alone "
    "moves a figure; and, where a user paints all structures of a CT, which of them share a picture.",
    "Margin 15 mm (Baseline)",
    (
        Configuration("Margin 5 mm", _stock(margin_mm=5.0)),
        Configuration("Margin 15 mm (Baseline)"),
        Configuration("Margin 30 mm", _stock(margin_mm=30.0)),
        Configuration("No crop", _stock(margin_mm=NO_CROP_MM)),
        Configuration("Moved by two voxels", shift=(2, 2, 2)),
        *(
            Configuration(f"{row}, {text}", replace(RECOMMENDED, crop=crop), *_PAINTED[row], together=True)
            for row in _MET[:2]
            for crop, text in _CROPS.items()
        ),
    ),
    against={f"{row}, {text}": f"{row}, {_CROPS['each']}" for row in _MET[:2] for text in _CROPS.values()},
)


def _sizes(*sizes: int) -> tuple[Configuration, ...]:
    return tuple(Configuration(f"{size} px", image_size=size) for size in sizes)


INPUT_SIZE = Experiment(
    "input-size",
    "Input size",
    "How many pixels the model sees of a slice, and so how long it takes.",
    "1024 px",
    _sizes(512, 768, 1024),
)

_USERS_SIZES = tuple(f"{size} px, 9 slices inside" for size in (128, 160, 256))
_DEMO_SIZES = (
    *_sizes(96, 128, 160, 192, 256),
    *(
        Configuration(row, _BY_A_USER, "quarters", AXES, image_size=int(row.split()[0]), together=True)
        for row in _USERS_SIZES
    ),
)

REVIEWED = {"9 slices": ("quarters", AXES), "3 slices": ("middle", AXES)}
MENDED = (1, 2, 3)


def reviewed_row(painted: str, by: str = SUGGESTED, slices: int = 0) -> str:
    """Return the name of a row of the experiment `review`.

    Args:
        painted: "9 slices" or "3 slices".
        by: one of `ORDERS`.
        slices: mended.
    """
    return f"{painted} + {slices}: {TITLES[by]}" if slices else f"{painted}, reviewed"


def _mended_rows() -> Iterator[tuple[str, int]]:
    """The order, and how many slices were mended, of each row that mends."""
    return ((by, slices) for by in ORDERS for slices in MENDED)


REVIEW = Experiment(
    "review",
    "Where is a result wrong, and where to mend it",
    "What a review says of the result from nine slices inside, and from one in the middle of each axis; and what "
    "becomes of it when one, two and three slices more are painted: where the review says, in the largest gap of the "
    "paint, by chance, and as somebody would who knows the truth and tries three slices.",
    reviewed_row("9 slices"),
    tuple(  # what mends one result follows it: the result is made once
        Configuration(reviewed_row(painted, by, slices), _BY_A_USER, *prompts, together=True, mended=Mended(by, slices))
        for painted, prompts in REVIEWED.items()
        for by, slices in ((SUGGESTED, 0), *_mended_rows())
    ),
    against={
        reviewed_row(painted, by, slices): reviewed_row(painted)
        if by == ADVISED
        else reviewed_row(painted, ADVISED, slices)
        for painted in REVIEWED
        for by, slices in _mended_rows()
    }
    | {reviewed_row("3 slices"): reviewed_row("3 slices")},
)

EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (
        MODEL_SCALE,
        PREPROCESSING,
        PROMPTS,
        STRIDE,
        GATING,
        CAPACITY,
        PROPAGATION,
        THRESHOLD,
        FINAL,
        OURS,
        PAINTING,
        ORDER,
        REVIEW,
        CROP,
        INPUT_SIZE,
    )
}
