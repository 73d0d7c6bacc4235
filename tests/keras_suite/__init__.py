"""Keras 2.2.4's own tests, run on graphc.

`python -m tests.keras_suite Keras-2.2.4.tar.gz` takes them from Keras's source distribution
(`pip download --no-deps --no-binary :all: Keras==2.2.4`); none of them stands here.

    __main__.py  unpacks, runs, compares with what is known
    plugin.py    what pytest loads first: `import keras` means graphc, and what the tests use of TensorFlow
    known.py     tests that cannot pass, each with the reason
"""
