"""The gRPC contracts and the code generated from them by `proto/generate.py`."""
