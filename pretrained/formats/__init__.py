"""Other file formats: weights of other code, ONNX."""
