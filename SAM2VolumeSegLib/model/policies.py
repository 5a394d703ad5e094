"""The memory policies by name: where a new one is entered, so that stored settings can be read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.model.policy import MemoryPolicy
from SAM2VolumeSegLib.model.volume_memory import VolumeMemory

KINDS: dict[str, type[MemoryPolicy]] = {policy.kind: policy for policy in (VolumeMemory,)}


def policy_from_dict(values: Mapping[str, Any]) -> MemoryPolicy:
    """The policy whose `to_dict` gave these values; without a kind, a VolumeMemory.

    Raises:
        InputError: There is no such kind, no setting of a name, or a value is out of range.
    """
    values = dict(values)
    kind = values.pop("kind", VolumeMemory.kind)
    if kind not in KINDS:
        raise InputError(
            _("There is no memory of the kind '{kind}'. Choose from: {kinds}.").format(
                kind=kind, kinds=", ".join(KINDS)
            )
        )
    return KINDS[kind].from_dict(values)
