"""TFLite files in: architectures, and trained models to deploy. No tensorflow is needed."""

from __future__ import annotations

from hwnas.tflite_io._read import MAX_TFLITE_BYTES, from_tflite, trained_from_tflite

__all__ = ["MAX_TFLITE_BYTES", "from_tflite", "trained_from_tflite"]
