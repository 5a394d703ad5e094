"""Segmentation files made by hand, so that nothing of the program or of pynrrd decides how they look."""

import gzip

GEOMETRY = {
    "space": "left-posterior-superior",
    "sizes": "6 5 4",
    "space directions": "(1,0,0) (0,2,0) (0,0,3)",
    "kinds": "domain domain domain",
    "space origin": "(0,0,0)",
}
_TYPES = {"u1": "unsigned char", "u2": "unsigned short", "i2": "short", "u4": "unsigned int", "f4": "float"}


def seg_nrrd(labels, fields, keys, extra="", encoding="gzip", data=None):
    """The bytes of a file with ``labels`` [k, j, i(, layer)] and these NRRD fields and keys; None leaves one out."""
    fields = {
        "type": _TYPES[labels.dtype.str[1:]],
        "dimension": labels.ndim,
        "endian": "little",
        "encoding": encoding,
        **GEOMETRY,
        **fields,
    }
    text = "NRRD0004\n" + "".join(f"{key}: {value}\n" for key, value in fields.items() if value is not None)
    text += "".join(f"{key}:={value}\n" for key, value in keys.items() if value is not None)
    if data is None:
        data = gzip.compress(labels.tobytes()) if encoding == "gzip" else labels.tobytes()
    return (text + extra + "\n").encode() + data
