"""A model as a graph of operators: ONNX and LiteRT."""
