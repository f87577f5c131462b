"""Types that flow between the stages, and the Protocols that exchangeable parts meet.

Letters in shapes: N frames, F faces, D detections, A AUs, M members, B batch. Pixel arrays are uint8 RGB in
row-major (height, width, 3); coordinates are pixels with (0, 0) at the centre of the top left pixel (OpenCV's
convention), x to the right, y down. Host-side times are seconds in float64.
"""

from autrt.types.arrays import F32, F64, I32, I64, U8, Bool, ShapedRepr, check_array
from autrt.types.engine import Engine, EngineSpec, Outputs, Pending, Ready, Stream, TensorSpec
from autrt.types.faces import (
    CROP_SIZE_PX,
    DETECTED,
    INTERPOLATED,
    REFINED,
    AppearanceSamples,
    Detections,
    FaceDetector,
    Faces,
    Misalignment,
    Patch,
)
from autrt.types.segment import Block, Segment, Sink, TrackingState
from autrt.types.video import (
    FOLDERS,
    Decoder,
    Frame,
    Image,
    Loss,
    Source,
    SourceKind,
    Stills,
    TimesFrom,
    VideoInfo,
    picture_bytes,
)

__all__ = [
    "CROP_SIZE_PX",
    "DETECTED",
    "F32",
    "F64",
    "FOLDERS",
    "I32",
    "I64",
    "INTERPOLATED",
    "REFINED",
    "U8",
    "AppearanceSamples",
    "Block",
    "Bool",
    "Decoder",
    "Detections",
    "Engine",
    "EngineSpec",
    "FaceDetector",
    "Faces",
    "Frame",
    "Image",
    "Loss",
    "Misalignment",
    "Outputs",
    "Patch",
    "Pending",
    "Ready",
    "Segment",
    "ShapedRepr",
    "Sink",
    "Source",
    "SourceKind",
    "Stills",
    "Stream",
    "TensorSpec",
    "TimesFrom",
    "TrackingState",
    "VideoInfo",
    "check_array",
    "picture_bytes",
]
