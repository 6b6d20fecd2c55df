"""Files that a model is kept in, and their descriptions: ONNX files, engine manifests, checkpoints."""
