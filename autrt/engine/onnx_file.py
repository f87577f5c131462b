"""The part of ONNX's file format that describes a graph's inputs, nodes and outputs, as protobuf messages.

Everything else in a file, weights too, is kept unread. So the package onnx is needed only where graphs are
rewritten (int8, fp16).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
from google.protobuf.descriptor_pb2 import FileDescriptorProto

FLOAT: Final = 1
UINT8: Final = 2
"""Element types of tensors, as `TensorProto.DataType` numbers them."""
INT: Final = 2
INTS: Final = 7
"""Types of attributes, as `AttributeProto.AttributeType` numbers them."""

_PACKAGE: Final = "autrt_onnx"
_SCALARS: Final = {"string": Field.TYPE_STRING, "int32": Field.TYPE_INT32, "int64": Field.TYPE_INT64}

_MESSAGES: Final[Mapping[str, Mapping[str, tuple[int, str]]]] = {
    "Model": {"graph": (7, "Graph")},
    "Graph": {
        "node": (1, "Node*"),
        "initializer": (5, "Tensor*"),
        "input": (11, "ValueInfo*"),
        "output": (12, "ValueInfo*"),
        "value_info": (13, "ValueInfo*"),
    },
    "Node": {
        "input": (1, "string*"),
        "output": (2, "string*"),
        "op_type": (4, "string"),
        "attribute": (5, "Attribute*"),
    },
    "Attribute": {"name": (1, "string"), "i": (3, "int64"), "ints": (8, "int64*"), "type": (20, "int32")},
    "Tensor": {"name": (8, "string")},
    "ValueInfo": {"name": (1, "string"), "type": (2, "Type")},
    "Type": {"tensor_type": (1, "TensorType")},
    "TensorType": {"elem_type": (1, "int32"), "shape": (2, "Shape")},
    "Shape": {"dim": (1, "Dimension*")},
    "Dimension": {"dim_value": (1, "int64"), "dim_param": (2, "string")},
}
"""Message → field → its number and type (* for a repeated field), as in onnx.proto."""


def _model_class() -> Any:
    """Create the message class of a whole file."""
    file = FileDescriptorProto(name=f"{_PACKAGE}.proto", package=_PACKAGE)
    for message, fields in _MESSAGES.items():
        described = file.message_type.add(name=message)
        for name, (number, kind) in fields.items():
            field = described.field.add(name=name, number=number)
            field.label = Field.LABEL_REPEATED if kind.endswith("*") else Field.LABEL_OPTIONAL
            kind = kind.removesuffix("*")
            field.type = _SCALARS.get(kind, Field.TYPE_MESSAGE)
            if kind not in _SCALARS:
                field.type_name = f".{_PACKAGE}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Model"))


Model: Final = _model_class()
"""Message class of an ONNX file's content, with the fields above."""
