"""Helpers of xdlreg for Python. `xdlreg.export` writes networks of PyTorch and Keras as specs and weights files."""
