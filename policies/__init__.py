"""The policy pack: what must hold for every Kubernetes object, whoever's program registers it.

Each module holds the policies of one concern; `pack.py` lists them all. No module here may be named as one of the
standard library's or of an installed package: the engine starts the pack with this folder first on the import path.
"""
