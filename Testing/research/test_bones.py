"""The ten classes: exactly those of Table III, under the names that TotalSegmentator's files have."""

from SAM2VolumeSegLib.research.data.bones import BONES, bone_of, in_order

MASKS_PER_SCAN = {  # Table II: total raw masks / 1,228 scans
    "Rib": 29_472 / 1228,
    "Vertebrae": 30_700 / 1228,
    "Femur": 2_456 / 1228,
    "Humerus": 2_456 / 1228,
    "Clavicle": 2_456 / 1228,
    "Scapula": 2_456 / 1228,
    "Hip": 2_456 / 1228,
    "Sacrum": 1,
    "Sternum": 1,
    "Skull": 1,
}


def test_as_many_structures_as_the_paper_counts():
    """76,136 masks in 1,228 CTs: a class with a constituent too many would be another class than the paper's."""
    assert {bone: len(names) for bone, names in BONES.items()} == MASKS_PER_SCAN
    names = [name for names in BONES.values() for name in names]
    assert len(set(names)) == len(names) == 76_136 / 1228


def test_names_are_those_of_the_mask_files():
    for name, bone in (
        ("vertebrae_C1", "Vertebrae"),
        ("vertebrae_T12", "Vertebrae"),
        ("vertebrae_S1", "Vertebrae"),  # a vertebra in Table III, although it is a part of the sacrum
        ("sacrum", "Sacrum"),
        ("rib_left_1", "Rib"),
        ("rib_right_12", "Rib"),
        ("clavicula_left", "Clavicle"),
        ("skull", "Skull"),
    ):
        assert bone_of(name) == bone
    for name in ("vertebrae_C8", "vertebrae_L6", "rib_left_13", "costal_cartilages", "spinal_cord", "face", "Sacrum"):
        assert bone_of(name) is None


def test_order_of_the_tables():
    assert in_order(["Zebra", "Skull", "Vertebrae", "Phantom", "Skull", "Hip"]) == [
        "Vertebrae",
        "Hip",
        "Skull",
        "Phantom",
        "Zebra",
    ]
