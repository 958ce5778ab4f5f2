"""What a model file can hold, the usual first."""

FORMS = {
    "onnx": {
        "scan": "Whole sequences",
        "lstm": "Whole sequences, by the operator LSTM,",
        "step": "One step",
    },
    "litert": {
        "step": "One step",
        "lstm": "Whole sequences, by the operator LSTM,",
    },
}
