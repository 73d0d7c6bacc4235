"""Mutated model files, names and cache entries, loaded by forked workers that watch for everything but a model or a typed
refusal. `python -m tests.hostile --kind json --cases 5000 --seed 1` prints its figures.

    seeds.py       sound files to begin with
    trees.py       mutations of what JSON and YAML say
    texts.py       mutations of the text itself
    hdf5_files.py  mutations of HDF5 files, by what is in them and by their bytes
    archives.py    mutations of .keras archives
    watching.py    what a case may do: audit events, canaries
    cases.py       one case of each kind: make a file, load it
    workers.py     many cases in forked processes, with limits
    shrinking.py   findings made small
"""
