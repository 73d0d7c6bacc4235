"""Models and weights in files: those of Keras 1, Keras 2, tf.keras and Keras 3, read and written.

Loading is parsing. Nothing that a file names is imported, run or opened, and nothing is read before its size is known
to be what the model needs.

    text.py              architectures as JSON and YAML
    model_files.py       whole models: what save_model and load_model do
    weight_files.py      layers and their weights in HDF5, by order or by name
    old_weights.py       weights of Keras 1, of Theano and of CuDNN's layers as layers have them now
    optimizer_state.py   the orders in which optimizers' weights stand in files
    checkpoints.py       folders of checkpoints that survive crashes
    packing.py           plain values as JSON and arrays, the bits kept
    tensors.py           files of named arrays, in the form of safetensors
    hdf5.py              HDF5 without what a file of numbers does not need; knows no Keras
    hdf5_heaps.py        how long the texts of such a file can be
    hdf5_apart.py        the same, parsed by a process of its own, for files that are not trusted
    hdf5_child.py        that process
"""
